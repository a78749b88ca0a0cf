"""Status of a report at one hotline beside its handling state: its holder, its outcome, a suspected hoax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, select, update

from reports.case_state import ACTIVE, Handling
from reports.follow_up import DEFAULT_FOLLOW_UPS
from reports.store import audit_log
from reports.store.deliveries import reports_to
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.staff import READING_ROLES

UNASSIGNED = ""  # holder of a report that waits for any colleague; NULL: no person was ever named


@dataclass(frozen=True, slots=True)
class CaseChange:
    """Columns of `holding` to change.

    `act`: the name of this change in the audit log. `values`: column name → value.
    """

    act: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CaseRef:
    """A report at a hotline, and the actor who does something with it."""

    hotline: str
    report_id: str
    actor: str


class StatusConflict(Exception):
    """A colleague changed the status or the holder of a report after the page of this form was rendered.

    `by`: the colleague's name, empty where none is known. `receiver`: to whom it was passed, empty for the queue; None
    if it was not passed. `ago`: microseconds.
    """

    def __init__(self, by: str, handling: Handling, receiver: str | None, ago: int) -> None:
        super().__init__(by)
        self.by, self.handling, self.receiver, self.ago = by, handling, receiver, ago


class CannotHold(Exception):
    """The person `name` cannot hold a report: their account has ended, opens no reports, or is excluded from it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class CaseStatus:
    """Status of a report at one hotline, and who changed it last.

    `handed_by`: who assigned it to the holder, until somebody confirms. `changed_at`: microseconds, 0 if never.
    """

    handling: Handling
    holder: str | None = None
    handed_by: str | None = None
    changed_at: int = 0
    changed_by: str | None = None

    @property
    def key(self) -> str:
        """Return the key by which a page remembers which status it showed."""
        return f"{self.handling}.{self.changed_at}"


def load_status(connection: Connection, hotline: str, report_id: str, handling: Handling) -> CaseStatus:
    """Load the status of a report. `handling`: of the hotline's delivery, as this transaction sees it."""
    h = t.holding.c
    query = select(h.holder, h.handed_by, h.changed_at, h.changed_by)
    row = connection.execute(query.where(h.report_id == report_id, h.hotline == hotline)).first()
    if row is None:
        return CaseStatus(handling)
    return CaseStatus(handling, row.holder, row.handed_by, row.changed_at or 0, row.changed_by)


def load_handling(connection: Connection, case_ref: CaseRef) -> Handling:
    """Return the handling state of a report that this hotline was given."""
    rows = connection.execute(reports_to(case_ref.hotline, case_ref.report_id)).all()
    return Handling(rows[-1].handling)


def load_holding(connection: Connection, hotline: str, report_id: str) -> Mapping[str, Any]:
    """Return the hotline's row of `holding`; None in each column if there is none."""
    h = t.holding.c
    row = connection.execute(select(t.holding).where(h.report_id == report_id, h.hotline == hotline)).first()
    return dict(row._mapping) if row else dict.fromkeys(column.name for column in h)


def load_hoax_mark(connection: Connection, case_ref: CaseRef) -> str | None:
    """Return the id of the account that marked the report as a false report; None if nobody has."""
    h = t.holding.c
    query = select(h.hoax_by).where(h.report_id == case_ref.report_id, h.hotline == case_ref.hotline)
    marked_by: str | None = connection.execute(query).scalar()
    return marked_by


def check_unchanged(
    connection: Connection, database: Database, case_ref: CaseRef, handling: Handling, seen: str
) -> None:
    """Compare the status with the one that the page showed, in the transaction that is about to change it.

    `seen`: the key of the status on the page. The actor may go on if nobody has the report, if they have it themselves,
    or if they made the last change. Raises StatusConflict.
    """
    current = load_status(connection, case_ref.hotline, case_ref.report_id, handling)
    name = actor_name(case_ref.actor)
    if current.key == seen or current.handling == Handling.NONE or name == current.changed_by:
        return
    # Assigned to this person, or back in the queue.
    if current.handling in ACTIVE and current.holder in (name, UNASSIGNED):
        return
    receiver = None if current.handed_by is None else current.holder
    raise StatusConflict(
        current.changed_by or "", current.handling, receiver, max(0, database.now() - current.changed_at)
    )


def actor_name(actor: str) -> str:
    """Return the name from an actor `staff:<hotline>/<name>`."""
    return actor.rpartition("/")[2]


def record_change(connection: Connection, database: Database, case_ref: CaseRef) -> None:
    """Record that the status or the holder was changed now, and by whom."""
    values = {"changed_at": database.now(), "changed_by": actor_name(case_ref.actor)[:24]}
    save_values(connection, database, case_ref.hotline, case_ref.report_id, values)


def record_phone_change(connection: Connection, database: Database, hotline: str, report_id: str, at: int) -> None:
    """Record a change by a duty phone: no person is named."""
    save_values(connection, database, hotline, report_id, {"changed_at": at, "changed_by": None})


def save_change(connection: Connection, database: Database, case_ref: CaseRef, change: CaseChange) -> None:
    """Save a change and its audit entry in the open transaction. Raises CannotHold."""
    holder = str(change.values.get("holder") or "")
    if holder and not may_hold(connection, case_ref, holder):
        raise CannotHold(holder)
    save_values(connection, database, case_ref.hotline, case_ref.report_id, change.values)
    audit_log.append(connection, case_ref.actor, change.act, case_ref.report_id, database.now())


def may_hold(connection: Connection, case_ref: CaseRef, name: str) -> bool:
    """Return whether this person of the hotline reads reports and is not excluded from this one (S-26).

    Their account is locked: whoever ends it at this moment waits, and then puts back this report, too.
    """
    c, k = t.staff.c, t.kept_away.c
    is_excluded = exists().where(k.report_id == case_ref.report_id, k.staff_id == c.staff_id)
    query = select(c.staff_id).where(c.name == name, c.hotline == case_ref.hotline, c.ended_at.is_(None))
    query = query.where(c.role.in_(READING_ROLES), ~is_excluded)
    return connection.execute(query.with_for_update()).first() is not None


def clear_reassignment(connection: Connection, hotline: str, report_id: str) -> None:
    """Clear the holder of a reassigned report: somebody at the hotline has acted on it."""
    h = t.holding.c
    reassigned = update(t.holding).where(h.report_id == report_id, h.hotline == hotline, h.handed_by.is_not(None))
    connection.execute(reassigned.values(holder=None, handed_by=None))


def clear_closing(connection: Connection, database: Database, case_ref: CaseRef) -> None:
    """Clear the findings and the holder of a report that is opened again: the person may have left since."""
    names = ("holder", "outcome", "hoax_by", "hoax_at", "closed_from")
    save_values(connection, database, case_ref.hotline, case_ref.report_id, dict.fromkeys(names))


def save_values(
    connection: Connection, database: Database, hotline: str, report_id: str, values: Mapping[str, object]
) -> None:
    """Write columns of `holding`, and create its row if there is none."""
    connection.execute(database.insert_or_ignore(t.holding).values(report_id=report_id, hotline=hotline))
    statement = update(t.holding).where(t.holding.c.report_id == report_id, t.holding.c.hotline == hotline)
    connection.execute(statement.values(**values))


def save_closing_and_follow_up(
    connection: Connection, database: Database, case_ref: CaseRef, before: Any, new_state: Handling
) -> None:
    """Store the state to which a closing can be undone, or the default follow-up date of a report just acknowledged.

    `before`: the delivery as it was, with its handling state and priority.
    """
    if new_state == before.handling:
        return
    if new_state == Handling.CLOSED:
        values: Mapping[str, object] = {"closed_from": before.handling}
    elif new_state in ACTIVE and before.handling not in ACTIVE:
        follow_up_at = database.now() + DEFAULT_FOLLOW_UPS[before.priority]
        values = {"follow_up_at": follow_up_at, "follow_up_by": None, "closed_from": None}
    else:
        return
    save_values(connection, database, case_ref.hotline, case_ref.report_id, values)
