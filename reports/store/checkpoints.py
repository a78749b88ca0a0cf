"""Checkpoints of the audit, and the purge of its oldest lines, which always ends at one."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, func, insert, select

from reports.proof import Checkpoint, kept
from reports.store import tables as t
from reports.store.database import Database
from runtime.time_units import DAY

EARLY = DAY // 24  # an hour before a day is over, so that an hourly duty makes one each day

Sign = Callable[[bytes], bytes]


def listed(database: Database) -> list[Checkpoint]:
    """In the order of their numbers."""
    columns = (t.checkpoint.c[name] for name in Checkpoint.__dataclass_fields__)
    with database.read() as connection:
        return [Checkpoint(*row) for row in connection.execute(select(*columns).order_by(t.checkpoint.c.number))]


def mode_of(database: Database) -> str:
    with database.read() as connection:
        return str(connection.execute(select(t.made_for.c.mode)).scalar_one())


def add(database: Database, now: int, key_id: str, sign: Sign) -> Checkpoint | None:
    """Sign the chain as it stands, once a day. None: it is not time, or there is nothing yet."""
    a, c = t.audit.c, t.checkpoint.c
    mode = mode_of(database)
    with database.write() as connection:
        last = connection.execute(select(c.number, c.at).order_by(c.number.desc()).limit(1)).first()
        end = connection.execute(
            select(a.seq, a.hash).where(a.seq.is_not(None)).order_by(a.seq.desc()).limit(1)
        ).first()
        if end is None or (last and now - last.at < DAY - EARLY):
            return None
        one = Checkpoint(last.number + 1 if last else 1, now, end.seq, end.hash, key_id)
        row = {name: getattr(one, name) for name in Checkpoint.__dataclass_fields__}
        connection.execute(insert(t.checkpoint), row | {"signature": sign(one.text(mode))})
    return one


def purge_lines(database: Database, now: int) -> int:
    """The oldest lines, up to the next checkpoint that is old enough: it stays, and the chain begins behind it.

    One checkpoint in one transaction: whoever is stopped in between leaves a chain that can be verified.
    """
    a, c = t.audit.c, t.checkpoint.c
    with database.read() as connection:
        first = connection.execute(select(func.min(a.seq))).scalar()
        old = select(func.min(c.seq)).where(c.at <= now - kept(mode_of(database)), c.seq >= (first or 0))
        until = connection.execute(old).scalar()
    if until is None or first is None:
        return 0
    with database.write() as connection:
        gone = connection.execute(delete(t.audit).where(a.seq <= until)).rowcount
        connection.execute(delete(t.checkpoint).where(c.seq < until))
    return gone
