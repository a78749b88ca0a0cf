"""A line of the audit: who did what to which id. The clock numbers and chains it later."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, delete, func, insert, select, union, update

from reports.audit import chain
from reports.audit.chain import AuditEntry
from reports.audit.verification import Checkpoint, audit_lifetime
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.time_units import DAY

_INSERT = insert(t.audit)


def append(connection: Connection, actor: str, act: str, object_id: str, at: int) -> None:
    """In the transaction of what was done, so that there is never the one without the other."""
    connection.execute(_INSERT, entry_row(actor, act, object_id, at))


def entry_row(actor: str, act: str, object_id: str, at: int) -> dict[str, str | int]:
    """For who inserts many at once."""
    return {"audit_id": new_id(at), "at": at, "actor": actor, "act": act, "object_id": object_id}


def chain_entries(database: Database, at_most: int = 500) -> int:
    """Number and chain the audit rows that are new. Only the leading clock does this."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id)
    with database.write() as connection:
        rows = connection.execute(
            select(*columns).where(a.seq.is_(None)).order_by(a.at, a.audit_id).limit(at_most)
        ).all()
        if not rows:
            return 0
        tail = select(a.seq, a.prev_hash, a.hash).where(a.seq.is_not(None)).order_by(a.seq.desc()).limit(1)
        last = connection.execute(tail).first()
        entries = [chain.AuditEntry(*row) for row in rows]
        places = [
            {"which": entry.audit_id, "seq": link.seq, "prev_hash": link.prev_hash, "hash": link.hash}
            for entry, link in chain.extend_chain(chain.ChainLink(*last) if last else None, entries)
        ]
        connection.execute(update(t.audit).where(a.audit_id == bindparam("which"), a.seq.is_(None)), places)
    return len(rows)


def oldest_unchained_at(database: Database) -> int | None:
    """When the oldest audit row was written that is not chained yet; None where all are."""
    a = t.audit.c
    with database.read() as connection:
        return connection.execute(select(func.min(a.at)).where(a.seq.is_(None))).scalar()


def list_chained(
    database: Database, after: int = 0, at_most: int = 1000
) -> list[tuple[chain.AuditEntry, chain.ChainLink]]:
    """Chained rows in order, a page at a time, for whoever verifies the chain."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id, a.seq, a.prev_hash, a.hash)
    with database.read() as connection:
        rows = connection.execute(select(*columns).where(a.seq > after).order_by(a.seq).limit(at_most)).all()
    return [(chain.AuditEntry(*row[:5]), chain.ChainLink(*row[5:])) for row in rows]


# Checkpoints of the audit, and the purge of its oldest lines, which always ends at one.

CHECKPOINT_TOLERANCE = DAY // 24  # an hour before a day is over, so that an hourly duty makes one each day

SignCheckpoint = Callable[[bytes], bytes]


def list_checkpoints(database: Database) -> list[Checkpoint]:
    """In the order of their numbers."""
    columns = (t.checkpoint.c[name] for name in Checkpoint.__dataclass_fields__)
    with database.read() as connection:
        return [Checkpoint(*row) for row in connection.execute(select(*columns).order_by(t.checkpoint.c.number))]


def database_mode(database: Database) -> str:
    with database.read() as connection:
        return str(connection.execute(select(t.made_for.c.mode)).scalar_one())


def add_checkpoint(database: Database, now: int, key_id: str, sign: SignCheckpoint) -> Checkpoint | None:
    """Sign the chain as it stands, once a day. None: it is not time, or there is nothing yet."""
    a, c = t.audit.c, t.checkpoint.c
    mode = database_mode(database)
    with database.write() as connection:
        last = connection.execute(select(c.number, c.at).order_by(c.number.desc()).limit(1)).first()
        end = connection.execute(
            select(a.seq, a.hash).where(a.seq.is_not(None)).order_by(a.seq.desc()).limit(1)
        ).first()
        if end is None or (last and now - last.at < DAY - CHECKPOINT_TOLERANCE):
            return None
        one = Checkpoint(last.number + 1 if last else 1, now, end.seq, end.hash, key_id)
        row = {name: getattr(one, name) for name in Checkpoint.__dataclass_fields__}
        connection.execute(insert(t.checkpoint), row | {"signature": sign(one.text(mode))})
    return one


def purge_old_entries(database: Database, now: int) -> int:
    """The oldest lines, up to the next checkpoint that is old enough: it stays, and the chain begins behind it.

    One checkpoint in one transaction: whoever is stopped in between leaves a chain that can be verified.
    """
    a, c = t.audit.c, t.checkpoint.c
    with database.read() as connection:
        first = connection.execute(select(func.min(a.seq))).scalar()
        old = select(func.min(c.seq)).where(
            c.at <= now - audit_lifetime(database_mode(database)), c.seq >= (first or 0)
        )
        until = connection.execute(old).scalar()
    if until is None or first is None:
        return 0
    with database.write() as connection:
        gone = connection.execute(delete(t.audit).where(a.seq <= until)).rowcount
        connection.execute(delete(t.checkpoint).where(c.seq < until))
    return gone


# What a country's screens say to call, and what its reports are sealed to, as lines of the audit: a digest each.

FINGERPRINT_ACT = "facts"


def latest_fingerprint(database: Database, country: str) -> str:
    """The digest of the newest line; empty where there is none."""
    a = t.audit.c
    query = select(a.object_id).where(a.act == FINGERPRINT_ACT, a.object_id.startswith(f"{country}:"))
    with database.read() as connection:
        found = connection.execute(query.order_by(a.at.desc(), a.audit_id.desc()).limit(1)).scalar()
    return str(found).partition(":")[2] if found else ""


def record_fingerprint(database: Database, country: str, digest: str) -> None:
    with database.write() as connection:
        append(connection, "clock", FINGERPRINT_ACT, f"{country}:{digest}", database.now())


# Which lines of the audit are a hotline's own: about what it was given, or by its staff.


def object_ids_of_hotline(database: Database, hotline: str) -> set[str]:
    """Of its deliveries and their reports; of those that were purged, as long as there are receipts."""
    d, r = t.delivery.c, t.receipt.c
    given = (
        *(select(column.label("id")).where(d.hotline == hotline) for column in (d.delivery_id, d.report_id)),
        *(select(column.label("id")).where(r.hotline == hotline) for column in (r.delivery_id, r.report_id)),
    )
    with database.read() as connection:
        return set(connection.execute(union(*given)).scalars())


def concerns_hotline(entry: AuditEntry, hotline: str, ids: set[str]) -> bool:
    """What another hotline's staff did is theirs."""
    if entry.actor.startswith("staff:"):
        return entry.actor.removeprefix("staff:").partition("/")[0] == hotline
    return entry.object_id in ids
