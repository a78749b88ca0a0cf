"""What staff keep of a report beside its handling: whose it is, how it came out, who takes it for a hoax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from reports.store import audit_log
from reports.store.deliveries import REPORT_TYPES
from reports.store.engine.database import Database
from reports.store.schema import tables as t

ACTIVE = ("accepted", "in_progress")  # somebody has taken it on and not closed it
UNASSIGNED = ""  # the holder of what was handed to whoever comes next; NULL: no person said whose it is


@dataclass(frozen=True, slots=True)
class CaseChange:
    """`act` is what the audit calls it; `values` by the columns of `holding`."""

    act: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CaseRef:
    """The report of a hotline, and who does something with it."""

    hotline: str
    report_id: str
    actor: str


class StatusConflict(Exception):
    """A colleague changed the status or the holder of a report after the page of this form was made.

    `by`: the colleague's name, empty where none is known; `ago`: microseconds.
    """

    def __init__(self, by: str, handling: str, holder: str | None, ago: int) -> None:
        super().__init__(by)
        self.by, self.handling, self.holder, self.ago = by, handling, holder, ago


@dataclass(frozen=True, slots=True)
class CaseStatus:
    """What a report's status is at one hotline, and who changed it last. `key` is what a page carries of it."""

    handling: str
    holder: str | None = None
    handed_by: str | None = None
    changed_at: int = 0
    changed_by: str | None = None

    @property
    def key(self) -> str:
        return f"{self.handling}.{self.changed_at}"


def lock_report(connection: Connection, report_id: str) -> None:
    """The report before its deliveries, as whoever raises it or hands it over does: else two wait for each other."""
    connection.execute(select(t.report.c.report_id).where(t.report.c.report_id == report_id).with_for_update())


def load_status(connection: Connection, hotline: str, report_id: str, handling: str) -> CaseStatus:
    """`handling`: of the hotline's delivery, as this transaction sees it."""
    h = t.holding.c
    query = select(h.holder, h.handed_by, h.changed_at, h.changed_by)
    row = connection.execute(query.where(h.report_id == report_id, h.hotline == hotline)).first()
    if row is None:
        return CaseStatus(handling)
    return CaseStatus(handling, row.holder, row.handed_by, row.changed_at or 0, row.changed_by)


def load_handling(connection: Connection, whose: CaseRef) -> str:
    """What was last done at this hotline with a report that it was given."""
    d = t.delivery.c
    theirs = (d.report_id == whose.report_id, d.hotline == whose.hotline, d.type.in_(REPORT_TYPES))
    query = (
        select(d.handling).where(*theirs, d.state != "cancelled").order_by(d.created_at.desc(), d.delivery_id.desc())
    )
    return str(connection.execute(query.limit(1)).scalar_one())


def check_unchanged(connection: Connection, database: Database, whose: CaseRef, handling: str, seen: str) -> None:
    """Compare the status with the one that stood on the page (`seen`), in the transaction that is about to change it.

    Whoever has it themselves, or finds that nobody has it, may go on. Raises ChangedMeanwhile.
    """
    now = load_status(connection, whose.hotline, whose.report_id, handling)
    me = actor_name(whose.actor)
    if now.key == seen or now.handling == "none" or me == now.changed_by:
        return
    if now.handling in ACTIVE and now.holder in (me, UNASSIGNED):  # given to this person, or back in the queue
        return
    raise StatusConflict(now.changed_by or "", now.handling, now.holder, max(0, database.now() - now.changed_at))


def actor_name(actor: str) -> str:
    """`staff:<hotline>/<name>` → the name."""
    return actor.rpartition("/")[2]


def record_change(connection: Connection, database: Database, whose: CaseRef) -> None:
    """Write down that the status or the holder was changed now, and by whom."""
    values = {"changed_at": database.now(), "changed_by": actor_name(whose.actor)[:24]}
    save_values(connection, database, whose.hotline, whose.report_id, values)


def record_phone_change(connection: Connection, hotline: str, report_id: str, at: int) -> None:
    """As `changed`, for a duty phone: nobody is named. Without a row the handling alone has changed."""
    h = t.holding.c
    mine = update(t.holding).where(h.report_id == report_id, h.hotline == hotline)
    connection.execute(mine.values(changed_at=at, changed_by=None))


def save_change(connection: Connection, database: Database, whose: CaseRef, kept: CaseChange) -> None:
    """With its line of the audit, in the transaction that is there."""
    save_values(connection, database, whose.hotline, whose.report_id, kept.values)
    audit_log.append(connection, whose.actor, kept.act, whose.report_id, database.now())


def clear_reassignment(connection: Connection, hotline: str, report_id: str) -> None:
    """Somebody there does something with it: it waits no more for whom it was handed to."""
    h = t.holding.c
    handed = update(t.holding).where(h.report_id == report_id, h.hotline == hotline, h.handed_by.is_not(None))
    connection.execute(handed.values(holder=None, handed_by=None))


def save_values(
    connection: Connection, database: Database, hotline: str, report_id: str, values: Mapping[str, object]
) -> None:
    connection.execute(database.insert_new(t.holding).values(report_id=report_id, hotline=hotline))
    mine = update(t.holding).where(t.holding.c.report_id == report_id, t.holding.c.hotline == hotline)
    connection.execute(mine.values(**values))
