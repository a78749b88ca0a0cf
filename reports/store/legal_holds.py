"""Reports that a person keeps from being purged, with a reason and an end. It ends by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import delete, insert, select, update

from reports.retention import HOLD_WARN_BEFORE
from reports.store import auditing
from reports.store import tables as t
from reports.store.database import Database
from runtime.time_units import DAY

REASONS: Final = ("court", "police", "child_protection", "complaint", "inquiry")  # nothing of what was said


@dataclass(frozen=True, slots=True)
class Hold:
    report_id: str
    placed_by: str
    reason: str
    reference: str
    placed_at: int
    until: int


def put(database: Database, hold: Hold) -> bool:
    """Or put another end and reason in the place of those there were. False: there is no such report (any more)."""
    h, r = t.hold.c, t.report.c
    row = asdict(hold)
    with database.write() as connection:
        # a purge that is at it holds this row, and then it is gone
        report = select(r.report_id).where(r.report_id == hold.report_id).with_for_update()
        if connection.execute(report).first() is None:
            return False
        changed = {name: value for name, value in row.items() if name != "report_id"}
        if not connection.execute(update(t.hold).where(h.report_id == hold.report_id).values(changed)).rowcount:
            connection.execute(insert(t.hold), row)
        act = f"held:{hold.reason}"
        auditing.note(connection, hold.placed_by, act, hold.report_id, hold.placed_at)
    return True


def lift(database: Database, report_id: str, actor: str) -> bool:
    """False: nobody holds it."""
    with database.write() as connection:
        gone = connection.execute(delete(t.hold).where(t.hold.c.report_id == report_id)).rowcount
        if gone:
            auditing.note(connection, actor, "hold_lifted", report_id, database.now())
    return bool(gone)


def listed(database: Database) -> list[Hold]:
    """The one that ends first, first."""
    columns = (t.hold.c[name] for name in Hold.__dataclass_fields__)
    with database.read() as connection:
        rows = connection.execute(select(*columns).order_by(t.hold.c.until, t.hold.c.report_id))
        return [Hold(*row) for row in rows]


def end(database: Database, now: int) -> int:
    """Those whose time is over. A purge does not wait for this; the audit has it."""
    h = t.hold.c
    with database.write() as connection:
        over = connection.execute(delete(t.hold).where(h.until <= now).returning(h.report_id)).scalars().all()
        for report_id in over:
            auditing.note(connection, "clock", "hold_ended", report_id, database.now())
    return len(over)


def ending(holds: Sequence[Hold], now: int) -> list[str]:
    """Those that end within two weeks."""
    return [hold.report_id for hold in holds if now < hold.until <= now + HOLD_WARN_BEFORE * DAY]
