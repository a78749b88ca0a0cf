"""Of each row of `report`: by which rule of `reports/retention.py` it goes now. The same in SQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, and_, case, exists, func, literal, or_, select

from reports.retention import CLOSED, ERASED, HERE, REHEARSED, SILENT, Periods, Policy
from reports.store import tables as t
from reports.store.deliveries import THE_REPORT, UNDELIVERED
from runtime.time_units import DAY


def rule(policy: Policy, now: int) -> ColumnElement[str | None]:
    """NULL: its time is not over."""
    r = t.report.c
    days, closed = _days(policy), closed_days(policy)
    silence = before(now, silent_days(policy))
    return case(
        (r.delete_asked_at.is_not(None), ERASED.name),
        (r.mode != "live", case((r.created_at <= now - REHEARSED.days * DAY, REHEARSED.name))),
        (r.closed_at.is_(None), case((silent_since(silence), SILENT.name))),
        (closed_since(before(now, days)), case((days == closed, CLOSED.name), else_=HERE.name)),
    )


def before(now: int, days: ColumnElement[int]) -> ColumnElement[int]:
    """So many days ago; in 64 bits."""
    return literal(now, BigInteger) - days * literal(DAY, BigInteger)


def free(now: int) -> ColumnElement[bool]:
    """Nothing of it waits for anybody, and nobody holds it."""
    r, d, p, h = t.report.c, t.delivery.c, t.pending.c, t.hold.c
    m = t.message.alias("waiting").c
    waits = or_(
        r.state.in_(("needs_person", "queued")),
        exists().where(d.report_id == r.report_id, d.state.in_(UNDELIVERED)),
        exists().where(m.report_id == r.report_id, m.number.is_(None)),
        exists().where(p.report_id == r.report_id),
    )
    return and_(~waits, ~exists().where(h.report_id == r.report_id, h.until > now))


def closed_since(before: ColumnElement[int]) -> ColumnElement[bool]:
    """Closed by then, and the reporter has said nothing since."""
    return and_(t.report.c.closed_at <= before, ~_said_since(before))


def silent_since(before: ColumnElement[int]) -> ColumnElement[bool]:
    """Nothing at all has happened to it since."""
    r, a, n = t.report.c, t.answer.c, t.note.c
    answered = exists(select(a.answer_id).where(a.report_id == r.report_id, a.created_at > before))
    noted = exists().where(n.report_id == r.report_id, n.created_at > before)
    return and_(func.coalesce(r.changed_at, r.created_at) <= before, ~answered, ~noted, ~_said_since(before))


def silent_days(policy: Policy) -> ColumnElement[int]:
    return _by_country(policy, "silent_days")


def closed_days(policy: Policy) -> ColumnElement[int]:
    return _by_country(policy, "closed_days")


def _said_since(before: ColumnElement[int]) -> ColumnElement[bool]:
    m = t.message.alias("said").c
    return exists().where(m.report_id == t.report.c.report_id, m.created_at > before)


def _days(policy: Policy) -> ColumnElement[int]:
    """The longest that one of those who have the report keeps it here."""
    r, d = t.report.c, t.delivery.c
    closed = closed_days(policy)
    if not policy.here and policy.elsewhere is None:
        return closed
    own = case(
        *((d.hotline == name, literal(days)) for name, days in policy.here.items()),
        (read_elsewhere(policy, d.hotline), closed),
        (closed > HERE.days, closed),
        else_=literal(HERE.days),
    )
    # not a condition of the row: SQLite would take the index of states, and read all that was ever delivered for each
    has_it = case((and_(d.state == "delivered", d.handling != "rejected"), own))
    given = and_(d.report_id == r.report_id, d.type.in_(THE_REPORT))
    return func.coalesce(select(func.max(has_it)).where(given).correlate(t.report).scalar_subquery(), closed)


def read_elsewhere(policy: Policy, hotline: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether this hotline has a copy of its own."""
    return hotline.not_in(policy.here) if policy.elsewhere is None else hotline.in_(policy.elsewhere)


def _by_country(policy: Policy, name: str) -> ColumnElement[int]:
    usual = literal(getattr(Periods(), name))
    other = {iso: literal(getattr(one, name)) for iso, one in policy.periods.items()}
    return case(other, value=t.report.c.country, else_=usual) if other else usual
