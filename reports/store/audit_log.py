"""Read and write the audit log: who did what to which id.

Any process may append an entry; the scheduler numbers and chains the entries afterwards. Once a day it signs the end of
the chain, a checkpoint. Old entries are purged up to a checkpoint. Entries of the act `facts` hold the fingerprint of a
country's numbers and keys. All times are in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, delete, func, insert, select, union, update

from reports import audit
from reports.audit import AuditEntry, Checkpoint, audit_lifetime
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.settings import Mode
from runtime.time_units import DAY

_INSERT = insert(t.audit)


def append(connection: Connection, actor: str, act: str, object_id: str, at: int) -> None:
    """Insert an audit entry within the transaction of the act, so that neither is committed without the other."""
    connection.execute(_INSERT, entry_row(actor, act, object_id, at))


def entry_row(actor: str, act: str, object_id: str, at: int) -> dict[str, str | int]:
    """Return a row of `audit`, for callers that insert several at once."""
    return {"audit_id": new_id(at), "at": at, "actor": actor, "act": act, "object_id": object_id}


def chain_entries(database: Database, at_most: int = 500) -> int:
    """Number and chain the new audit rows, and return how many. Only the leading scheduler may do this."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id)
    with database.write() as connection:
        rows = connection.execute(
            select(*columns).where(a.seq.is_(None)).order_by(a.at, a.audit_id).limit(at_most)
        ).all()
        if not rows:
            return 0
        tail = select(a.seq, a.prev_hash, a.hash).where(a.seq.is_not(None)).order_by(a.seq.desc()).limit(1)
        last_row = connection.execute(tail).first()
        entries = [audit.AuditEntry(*row) for row in rows]
        links = [
            {"which": entry.audit_id, "seq": link.seq, "prev_hash": link.prev_hash, "hash": link.hash}
            for entry, link in audit.extend_chain(audit.ChainLink(*last_row) if last_row else None, entries)
        ]
        connection.execute(update(t.audit).where(a.audit_id == bindparam("which"), a.seq.is_(None)), links)
    return len(rows)


def oldest_unchained_at(database: Database) -> int | None:
    """Return when the oldest unchained audit row was written; None if all are chained."""
    a = t.audit.c
    with database.read() as connection:
        return connection.execute(select(func.min(a.at)).where(a.seq.is_(None))).scalar()


def list_chained(
    database: Database, after: int = 0, at_most: int = 1000
) -> list[tuple[audit.AuditEntry, audit.ChainLink]]:
    """Return the next page of chained rows, to verify the chain. `after`: `seq` of the last row of the page before."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id, a.seq, a.prev_hash, a.hash)
    with database.read() as connection:
        rows = connection.execute(select(*columns).where(a.seq > after).order_by(a.seq).limit(at_most)).all()
    return [(audit.AuditEntry(*row[:5]), audit.ChainLink(*row[5:])) for row in rows]


# Checkpoints, and the purge of the oldest entries

CHECKPOINT_TOLERANCE = DAY // 24  # an hour less than a day, so that an hourly job makes one checkpoint each day

SignCheckpoint = Callable[[bytes], bytes]


def list_checkpoints(database: Database) -> list[Checkpoint]:
    """Return all checkpoints, ordered by number."""
    columns = (t.checkpoint.c[name] for name in Checkpoint.__dataclass_fields__)
    with database.read() as connection:
        return [Checkpoint(*row) for row in connection.execute(select(*columns).order_by(t.checkpoint.c.number))]


def database_mode(database: Database) -> Mode:
    """Return the mode for which the database was made."""
    with database.read() as connection:
        return Mode(connection.execute(select(t.made_for.c.mode)).scalar_one())


def add_checkpoint(database: Database, now: int, key_id: str, sign: SignCheckpoint) -> Checkpoint | None:
    """Sign the end of the chain, once a day. Returns None if it is too early or if no entry is chained yet.

    A checkpoint from a time ahead does not count: none would be made until then.
    """
    a, c = t.audit.c, t.checkpoint.c
    mode = database_mode(database)
    with database.write() as connection:
        last_checkpoint = connection.execute(select(c.number, c.at).order_by(c.number.desc()).limit(1)).first()
        chain_end = connection.execute(
            select(a.seq, a.hash).where(a.seq.is_not(None)).order_by(a.seq.desc()).limit(1)
        ).first()
        if chain_end is None or (last_checkpoint and abs(now - last_checkpoint.at) < DAY - CHECKPOINT_TOLERANCE):
            return None
        checkpoint = Checkpoint(
            last_checkpoint.number + 1 if last_checkpoint else 1, now, chain_end.seq, chain_end.hash, key_id
        )
        row = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}
        connection.execute(insert(t.checkpoint), row | {"signature": sign(checkpoint.text(mode))})
    return checkpoint


def purge_old_entries(database: Database, now: int) -> int:
    """Delete the oldest entries up to the first checkpoint that is old enough; return how many entries.

    That checkpoint stays, and the chain begins after it. Each call handles one checkpoint in one transaction, so an
    interrupted purge leaves a chain that can be verified.
    """
    a, c = t.audit.c, t.checkpoint.c
    with database.read() as connection:
        first_seq = connection.execute(select(func.min(a.seq))).scalar()
        next_checkpoint = select(func.min(c.seq)).where(
            c.at <= now - audit_lifetime(database_mode(database)), c.seq >= (first_seq or 0)
        )
        last_seq = connection.execute(next_checkpoint).scalar()
    if last_seq is None or first_seq is None:
        return 0
    with database.write() as connection:
        deleted = connection.execute(delete(t.audit).where(a.seq <= last_seq)).rowcount
        connection.execute(delete(t.checkpoint).where(c.seq < last_seq))
    return deleted


# Fingerprints: digests of the numbers on a country's screens and of the keys that its reports are sealed to

FINGERPRINT_ACT, FINGERPRINT_ACTOR = "facts", "clock"


def latest_fingerprint(database: Database, country: str) -> str:
    """Return the digest of the newest fingerprint of a country; "" if there is none."""
    a = t.audit.c
    is_own = a.actor == FINGERPRINT_ACTOR  # a console may write entries of its staff with any act
    query = select(a.object_id).where(is_own, a.act == FINGERPRINT_ACT, a.object_id.startswith(f"{country}:"))
    with database.read() as connection:
        fingerprint = connection.execute(query.order_by(a.at.desc(), a.audit_id.desc()).limit(1)).scalar()
    return str(fingerprint).partition(":")[2] if fingerprint else ""


def record_fingerprint(database: Database, country: str, digest: str) -> None:
    """Store the fingerprint of a country as an audit entry."""
    with database.write() as connection:
        append(connection, FINGERPRINT_ACTOR, FINGERPRINT_ACT, f"{country}:{digest}", database.now())


# Entries that concern one hotline: about its deliveries and reports, or by its staff


def object_ids_of_hotline(database: Database, hotline: str) -> set[str]:
    """Return the ids of a hotline's deliveries and their reports; of purged ones as long as receipts are stored."""
    d, r = t.delivery.c, t.receipt.c
    queries = (
        *(select(column.label("id")).where(d.hotline == hotline) for column in (d.delivery_id, d.report_id)),
        *(select(column.label("id")).where(r.hotline == hotline) for column in (r.delivery_id, r.report_id)),
    )
    with database.read() as connection:
        return set(connection.execute(union(*queries)).scalars())


def concerns_hotline(entry: AuditEntry, hotline: str, ids: set[str]) -> bool:
    """Return whether an entry concerns a hotline. Acts of another hotline's staff do not.

    `ids`: from `object_ids_of_hotline`.
    """
    if entry.actor.startswith("staff:"):
        return entry.actor.removeprefix("staff:").partition("/")[0] == hotline
    return entry.object_id in ids
