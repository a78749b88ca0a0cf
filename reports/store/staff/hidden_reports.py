"""Reports that are hidden from members of staff (S-26), and who can open them all the same.

Nothing is hidden from an auditor. Each report can be opened by a lead of its hotline; by a member of staff if the
hotline has no lead.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, false, func, select

from reports.store import audit_log
from reports.store.schema import tables as t
from reports.store.schema.staff import StaffRole

ACCOUNT_AT: Final = 38  # where the id of the account begins in the object of an entry, `report/account`


def hidden_from(staff_id: str, role: StaffRole) -> Select[Any]:
    """Select the ids of the reports that are hidden from an account."""
    k = t.kept_away.c
    query = select(k.report_id).where(k.staff_id == staff_id)
    return query.where(false()) if role == StaffRole.AUDITOR else query


def is_shown_to_staff_of(hotline: str) -> ColumnElement[bool]:
    """Match audit entries about a report that was shown again to somebody of a hotline, even if the operator did it."""
    a, c = t.audit.c, t.staff.c
    staff_id = func.substr(a.object_id, ACCOUNT_AT)
    return and_(a.act == "shown_to", staff_id.in_(select(c.staff_id).where(c.hotline == hotline)))


def lock_accounts(connection: Connection, hotline: str) -> None:
    """Lock the accounts of a hotline, so that none ends or changes its role while a report is being hidden."""
    c = t.staff.c
    connection.execute(select(c.staff_id).where(c.hotline == hotline).order_by(c.staff_id).with_for_update())


def list_keepers(connection: Connection, hotline: str, *, without: str = "") -> list[str]:
    """Return the ids of a hotline's active leads; of its active staff if it has no lead.

    `without`: an account id that does not count.
    """
    c = t.staff.c
    query = select(c.staff_id, c.role).where(c.hotline == hotline, c.ended_at.is_(None), c.staff_id != without)
    people = connection.execute(query.order_by(c.staff_id)).all()
    leads, staff = ([one.staff_id for one in people if one.role == role] for role in (StaffRole.LEAD, StaffRole.STAFF))
    return leads or staff


def show_unreadable(connection: Connection, hotline: str, by: str, now: int) -> None:
    """Show the reports again that are hidden from all leads of a hotline, or all staff if it has no lead.

    `by`: the actor who ended or changed an account. The caller has locked the accounts.
    """
    keepers, k = list_keepers(connection, hotline), t.kept_away.c
    query = select(k.report_id).where(k.staff_id.in_(keepers)).group_by(k.report_id)
    for report_id in sorted(connection.execute(query.having(func.count() == len(keepers))).scalars()):
        connection.execute(delete(t.kept_away).where(k.report_id == report_id, k.staff_id.in_(keepers)))
        for staff_id in keepers:
            audit_log.append(connection, by, "shown_to", f"{report_id}/{staff_id}", now)
