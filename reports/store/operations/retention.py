"""Purge reports by the rules of `reports/retention.py`, expressed in SQL, and store legal holds.

A step purges some reports in one short transaction, so an interrupted purge has completed whole steps. A report that
waits for anything is never purged, and each step checks again once it has locked the rows, so two concurrent processes
do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from reports.case_state import Handling, ReportState
from reports.delivery import REPORT_TYPES, UNDELIVERED, DeliveryState
from reports.recordings import UNFINISHED
from reports.retention import (
    CLOSED,
    ERASED,
    HOLD_WARN_DAYS,
    LOCAL_COPY,
    NEVER_CLOSED,
    NOT_LIVE,
    RECEIPT,
    WARN_DAYS,
    RetentionPeriods,
    RetentionPolicy,
)
from reports.store import audit_log
from reports.store.audit_log import entry_row
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.settings import Mode
from runtime.time_units import DAY


def purge_rule(policy: RetentionPolicy, now: int) -> ColumnElement[str | None]:
    """Return the name of the rule by which a row of `report` is purged now; NULL if its period is not over."""
    r = t.report.c
    days, closed = _retention_days(policy), closed_days(policy)
    silent_before = days_before(now, silent_days(policy))
    return case(
        (r.delete_asked_at.is_not(None), ERASED.name),
        (r.mode != Mode.LIVE, case((r.created_at <= now - NOT_LIVE.days * DAY, NOT_LIVE.name))),
        (r.closed_at.is_(None), case((silent_since(silent_before), NEVER_CLOSED.name))),
        (closed_since(days_before(now, days)), case((days == closed, CLOSED.name), else_=LOCAL_COPY.name)),
    )


def days_before(now: int, days: ColumnElement[int]) -> ColumnElement[int]:
    """Return the time `days` before `now` in microseconds, computed in 64 bits."""
    return literal(now, BigInteger) - days * literal(DAY, BigInteger)


def is_purgeable(now: int) -> ColumnElement[bool]:
    """Return whether a report has no pending work, and no hold prevents its purge."""
    r, d, p, h = t.report.c, t.delivery.c, t.pending.c, t.hold.c
    m, s = t.message.alias("waiting").c, t.recording.c
    is_waiting = or_(
        r.state.in_((ReportState.NEEDS_PERSON, ReportState.QUEUED)),
        exists().where(d.report_id == r.report_id, d.state.in_(UNDELIVERED)),
        exists().where(m.report_id == r.report_id, m.number.is_(None)),
        exists().where(p.report_id == r.report_id),
        exists().where(s.report_id == r.report_id, s.state.in_(UNFINISHED)),  # its sound may still be at the provider
    )
    return and_(~is_waiting, ~exists().where(h.report_id == r.report_id, h.until > now))


def closed_since(before: ColumnElement[int]) -> ColumnElement[bool]:
    """Return whether a report was closed by `before`, without a message of the reporter since."""
    return and_(t.report.c.closed_at <= before, ~_message_since(before))


def silent_since(before: ColumnElement[int]) -> ColumnElement[bool]:
    """Return whether a report has had no event since `before`."""
    r, a, n = t.report.c, t.answer.c, t.note.c
    has_answer = exists(select(a.answer_id).where(a.report_id == r.report_id, a.created_at > before))
    has_note = exists().where(n.report_id == r.report_id, n.created_at > before)
    return and_(func.coalesce(r.changed_at, r.created_at) <= before, ~has_answer, ~has_note, ~_message_since(before))


def silent_days(policy: RetentionPolicy) -> ColumnElement[int]:
    """Return after how many days of silence a report that was never closed is purged, by its country."""
    return _period_by_country(policy, "silent_days")


def closed_days(policy: RetentionPolicy) -> ColumnElement[int]:
    """Return how many days after closing a report is purged, by its country."""
    return _period_by_country(policy, "closed_days")


def _message_since(before: ColumnElement[int]) -> ColumnElement[bool]:
    m = t.message.alias("said").c
    return exists().where(m.report_id == t.report.c.report_id, m.created_at > before)


def _retention_days(policy: RetentionPolicy) -> ColumnElement[int]:
    """Return the longest retention period, in days, of the hotlines that have the report."""
    r, d = t.report.c, t.delivery.c
    closed = closed_days(policy)
    if not policy.here and policy.elsewhere is None:
        return closed
    days_of_hotline = case(
        *((d.hotline == name, literal(days)) for name, days in policy.here.items()),
        (has_own_copy(policy, d.hotline), closed),
        (closed > LOCAL_COPY.days, closed),
        else_=literal(LOCAL_COPY.days),
    )
    # not in WHERE: SQLite would use the index of states, and read all that was ever delivered for each report
    days_if_held = case((and_(d.state == DeliveryState.DELIVERED, d.handling != Handling.REJECTED), days_of_hotline))
    had_report = and_(d.report_id == r.report_id, d.type.in_(REPORT_TYPES))
    return func.coalesce(select(func.max(days_if_held)).where(had_report).correlate(t.report).scalar_subquery(), closed)


def has_own_copy(policy: RetentionPolicy, hotline: ColumnElement[str]) -> ColumnElement[bool]:
    """Return whether a hotline has a copy of its own, outside this database."""
    return hotline.not_in(policy.here) if policy.elsewhere is None else hotline.in_(policy.elsewhere)


def _period_by_country(policy: RetentionPolicy, name: str) -> ColumnElement[int]:
    default = literal(getattr(RetentionPeriods(), name))
    by_country = {iso: literal(getattr(periods, name)) for iso, periods in policy.periods.items()}
    return case(by_country, value=t.report.c.country, else_=default) if by_country else default


BATCH_SIZE: Final = 500  # reports of one transaction, at most
# Every table that names a report, in the order in which its rows are deleted; a test finds a missing one.
REPORT_TABLES: Final[tuple[Table, ...]] = (
    *(t.mailbox, t.answer, t.message, t.contact, t.pending, t.hold, t.step, t.note, t.nudge, t.draft, t.presence),
    *(t.recording, t.recording_copy, t.entry_code),
    *(t.holding, t.kept_away, t.handover, t.drill),
    *(t.route, t.report_body, t.delivery, t.report),
)
DELIVERY_TABLES: Final[tuple[Table, ...]] = (t.page,)  # these name only the delivery

PurgeRules = Mapping[str, str]  # report_id → rule


class _NoLongerDue(Exception):
    """Some reports are no longer due for purging. The argument is the set of ids that still are."""


def purge_time(database: Database) -> int:
    """Return the earlier time of this host's clock and the database's, so that a clock ahead purges nothing early."""
    with database.read() as connection:
        return min(database.now(), database.moment(connection))


@dataclass(frozen=True, slots=True)
class Purge:
    """A purge. `now`: microseconds, from `purge_time`. `actor`: for the audit log."""

    database: Database
    policy: RetentionPolicy
    now: int
    actor: str

    def list_purgeable(self, at_most: int = BATCH_SIZE, *, erased: bool = False) -> list[tuple[str, str]]:
        """Return (report_id, rule) of reports to purge now.

        `erased`: only reports that their reporters deleted, also soon after a clock jump; so a hold counts until it was
        ended (`end_expired_holds`).
        """
        r, rule = t.report.c, purge_rule(self.policy, self.now)
        query = select(r.report_id, rule).where(rule.is_not(None), is_purgeable(self.now))
        if erased:
            query = query.where(r.delete_asked_at.is_not(None), ~exists().where(t.hold.c.report_id == r.report_id))
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(r.report_id).limit(at_most))
            return [(row[0], row[1]) for row in rows]

    def count_purgeable(self) -> dict[str, int]:
        """Return rule → how many reports would be purged now."""
        rule = purge_rule(self.policy, self.now).label("rule")
        query = select(rule, t.report.c.report_id).where(rule.is_not(None), is_purgeable(self.now)).subquery()
        with self.database.read() as connection:
            rows = connection.execute(select(query.c.rule, func.count()).group_by(query.c.rule))
            return {row[0]: row[1] for row in rows}

    def step(self, at_most: int = BATCH_SIZE, *, erased: bool = False) -> Counter[str]:
        """Purge at most `at_most` reports; return rule → how many. `erased`: as in `list_purgeable`."""
        rules = dict(self.list_purgeable(min(at_most, BATCH_SIZE), erased=erased))
        while rules:
            try:
                with self.database.write() as connection:
                    self._purge(connection, rules)
                return Counter(rules.values())
            except _NoLongerDue as error:
                rules = {report_id: rule for report_id, rule in rules.items() if report_id in error.args[0]}
        return Counter()

    def _purge(self, connection: Connection, rules: PurgeRules) -> None:
        r, d = t.report.c, t.delivery.c
        entries = select(r.report_id, r.country, r.created_at).where(r.report_id.in_(rules))
        rows = connection.execute(entries.order_by(r.report_id).with_for_update()).all()
        # A message through My report locks the mailbox: it was either stored before this, or will find no mailbox.
        connection.execute(delete(t.mailbox).where(t.mailbox.c.report_id.in_(rules)))
        rule = purge_rule(self.policy, self.now)
        purgeable = select(r.report_id).where(r.report_id.in_(rules), rule.is_not(None), is_purgeable(self.now))
        still_due = set(connection.execute(purgeable).scalars())
        if still_due != rules.keys():
            raise _NoLongerDue(still_due)
        self._record_purge(connection, rows, rules)
        for table in DELIVERY_TABLES:
            delivery_ids = select(d.delivery_id).where(d.report_id.in_(rules))
            connection.execute(delete(table).where(table.c.delivery_id.in_(delivery_ids)))
        for table in REPORT_TABLES:
            connection.execute(delete(table).where(table.c.report_id.in_(rules)))

    def _record_purge(self, connection: Connection, rows: Sequence[Any], rules: PurgeRules) -> None:
        """Insert a row of `purged` and an audit entry for each report, and the receipts that are recent enough."""
        purge_month = _month(self.now)
        entries = [
            {"report_id": row.report_id, "country": row.country, "filed": _month(row.created_at), "purged": purge_month}
            | {"rule": rules[row.report_id]}
            for row in rows
        ]
        connection.execute(self.database.insert_or_ignore(t.purged), entries)
        at = self.database.now()
        acts = [entry_row(self.actor, f"purged:{rule}", report_id, at) for report_id, rule in rules.items()]
        connection.execute(insert(t.audit), acts)
        d, names = t.delivery.c, [column.name for column in t.receipt.columns]
        delivered = select(*(d[name] for name in names)).where(
            d.report_id.in_(rules), d.state == DeliveryState.DELIVERED
        )
        delivered = delivered.where(d.delivered_at > self.now - RECEIPT.days * DAY)
        connection.execute(insert(t.receipt).from_select(names, delivered))

    def purge_copies(self, at_most: int = BATCH_SIZE) -> int:
        """Delete bodies sealed to hotlines with their own copy, once their period is over; return how many rows.

        The reports stay for hotlines whose only copy is in this database.
        """
        return sum(self._delete_copies(table, at_most) for table in (t.report_body, t.message, t.recording_copy))

    def _delete_copies(self, table: Table, limit: int) -> int:
        """Delete these rows of `table`, checking again once the reports are locked, as a purge does."""
        r, candidates = t.report.c, self._list_copies(table, limit)
        if not candidates:
            return 0
        is_candidate = r.report_id.in_({row["report_id"] for row in candidates})
        with self.database.write() as connection:
            connection.execute(select(r.report_id).where(is_candidate).order_by(r.report_id).with_for_update())
            still_due = set(connection.execute(select(r.report_id).where(is_candidate, self._is_over())).scalars())
            deleted_rows = [row for row in candidates if row["report_id"] in still_due]
            for row in deleted_rows:
                connection.execute(delete(table).where(*(table.c[name] == value for name, value in row.items())))
        return len(deleted_rows)

    def _list_copies(self, table: Table, limit: int) -> list[dict[str, Any]]:
        """Return report id and primary key of each row to delete."""
        columns = (table.c[name] for name in dict.fromkeys(["report_id", *table.primary_key.columns.keys()]))
        rows = select(*columns).join_from(table, t.report, t.report.c.report_id == table.c.report_id)
        rows = rows.where(self._is_over(), has_own_copy(self.policy, table.c.recipient)).limit(limit)
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(rows).mappings()]

    def _is_over(self) -> ColumnElement[bool]:
        """Return whether a report was closed so long ago that a hotline with its own copy needs none here."""
        closed = closed_since(days_before(self.now, closed_days(self.policy)))
        return and_(t.report.c.mode == Mode.LIVE, closed, is_purgeable(self.now))

    def delete_old_receipts(self) -> int:
        """Delete receipts whose period is over, and return how many."""
        expired_receipts = delete(t.receipt).where(t.receipt.c.delivered_at <= self.now - RECEIPT.days * DAY)
        with self.database.write() as connection:
            return connection.execute(expired_receipts).rowcount

    def list_expiring(self, at_most: int = 200) -> list[str]:
        """Return live reports, never closed, that will be purged within a month unless somebody acts on them."""
        r = t.report.c
        warning_time = days_before(self.now, silent_days(self.policy) - WARN_DAYS)
        query = select(r.report_id).where(r.mode == Mode.LIVE, r.closed_at.is_(None), silent_since(warning_time))
        query = query.where(is_purgeable(self.now), ~exists().where(t.hold.c.report_id == r.report_id))
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(r.created_at).limit(at_most)).scalars())


def _month(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m}"


# Legal holds: reports that must not be purged, with a reason and an end

# A reason never contains anything of the report
HoldReason = Literal["court", "police", "child_protection", "complaint", "inquiry"]
HOLD_REASONS: Final[tuple[HoldReason, ...]] = get_args(HoldReason)


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A hold on a report. It ends by itself. Times in microseconds. `reference`: of the document that requires it."""

    report_id: str
    placed_by: str
    reason: HoldReason
    reference: str
    placed_at: int
    until: int


def place_hold(database: Database, hold: LegalHold) -> bool:
    """Place a hold, or replace the end and reason of the present one. Returns False if the report does not exist."""
    h, r = t.hold.c, t.report.c
    row = asdict(hold)
    with database.write() as connection:
        # a concurrent purge has locked this row, and deletes it
        report = select(r.report_id).where(r.report_id == hold.report_id).with_for_update()
        if connection.execute(report).first() is None:
            return False
        changed = {name: value for name, value in row.items() if name != "report_id"}
        if not connection.execute(update(t.hold).where(h.report_id == hold.report_id).values(changed)).rowcount:
            connection.execute(insert(t.hold), row)
        act = f"held:{hold.reason}"
        audit_log.append(connection, hold.placed_by, act, hold.report_id, hold.placed_at)
    return True


def lift_hold(database: Database, report_id: str, actor: str) -> bool:
    """Lift a hold. Returns False if there is none."""
    with database.write() as connection:
        deleted = connection.execute(delete(t.hold).where(t.hold.c.report_id == report_id)).rowcount
        if deleted:
            audit_log.append(connection, actor, "hold_lifted", report_id, database.now())
    return bool(deleted)


def list_holds(database: Database) -> list[LegalHold]:
    """Return all holds, ordered by their end."""
    columns = (t.hold.c[name] for name in LegalHold.__dataclass_fields__)
    with database.read() as connection:
        rows = connection.execute(select(*columns).order_by(t.hold.c.until, t.hold.c.report_id))
        return [LegalHold(*row) for row in rows]


def end_expired_holds(database: Database, now: int) -> int:
    """Delete expired holds, each with an audit entry; return how many. A purge does not wait for this."""
    h = t.hold.c
    with database.write() as connection:
        expired = connection.execute(delete(t.hold).where(h.until <= now).returning(h.report_id)).scalars().all()
        for report_id in expired:
            audit_log.append(connection, "clock", "hold_ended", report_id, database.now())
    return len(expired)


def holds_ending_soon(holds: Sequence[LegalHold], now: int) -> list[str]:
    """Return the ids of reports whose holds end within two weeks."""
    return [hold.report_id for hold in holds if now < hold.until <= now + HOLD_WARN_DAYS * DAY]
