"""Of each row of `report`: by which rule of `reports/retention/rules.py` it goes now. The same in SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

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

from reports.retention.rules import (
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
from reports.store.deliveries import REPORT_TYPES, UNDELIVERED
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.time_units import DAY


def purge_rule(policy: RetentionPolicy, now: int) -> ColumnElement[str | None]:
    """NULL: its time is not over."""
    r = t.report.c
    days, closed = _days(policy), closed_days(policy)
    silence = days_before(now, silent_days(policy))
    return case(
        (r.delete_asked_at.is_not(None), ERASED.name),
        (r.mode != "live", case((r.created_at <= now - NOT_LIVE.days * DAY, NOT_LIVE.name))),
        (r.closed_at.is_(None), case((silent_since(silence), NEVER_CLOSED.name))),
        (closed_since(days_before(now, days)), case((days == closed, CLOSED.name), else_=LOCAL_COPY.name)),
    )


def days_before(now: int, days: ColumnElement[int]) -> ColumnElement[int]:
    """So many days ago; in 64 bits."""
    return literal(now, BigInteger) - days * literal(DAY, BigInteger)


def is_purgeable(now: int) -> ColumnElement[bool]:
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


def silent_days(policy: RetentionPolicy) -> ColumnElement[int]:
    return _by_country(policy, "silent_days")


def closed_days(policy: RetentionPolicy) -> ColumnElement[int]:
    return _by_country(policy, "closed_days")


def _said_since(before: ColumnElement[int]) -> ColumnElement[bool]:
    m = t.message.alias("said").c
    return exists().where(m.report_id == t.report.c.report_id, m.created_at > before)


def _days(policy: RetentionPolicy) -> ColumnElement[int]:
    """The longest that one of those who have the report keeps it here."""
    r, d = t.report.c, t.delivery.c
    closed = closed_days(policy)
    if not policy.here and policy.elsewhere is None:
        return closed
    own = case(
        *((d.hotline == name, literal(days)) for name, days in policy.here.items()),
        (has_own_copy(policy, d.hotline), closed),
        (closed > LOCAL_COPY.days, closed),
        else_=literal(LOCAL_COPY.days),
    )
    # not a condition of the row: SQLite would take the index of states, and read all that was ever delivered for each
    has_it = case((and_(d.state == "delivered", d.handling != "rejected"), own))
    given = and_(d.report_id == r.report_id, d.type.in_(REPORT_TYPES))
    return func.coalesce(select(func.max(has_it)).where(given).correlate(t.report).scalar_subquery(), closed)


def has_own_copy(policy: RetentionPolicy, hotline: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether this hotline has a copy of its own."""
    return hotline.not_in(policy.here) if policy.elsewhere is None else hotline.in_(policy.elsewhere)


def _by_country(policy: RetentionPolicy, name: str) -> ColumnElement[int]:
    usual = literal(getattr(RetentionPeriods(), name))
    other = {iso: literal(getattr(one, name)) for iso, one in policy.periods.items()}
    return case(other, value=t.report.c.country, else_=usual) if other else usual


# Purges reports whose time is over. A step is one short transaction; whoever is stopped has done whole steps.
#
# What waits is never ripe, and each step looks again once it holds the rows: two clocks at it do no harm.

BATCH_SIZE: Final = 500  # reports of one transaction, at most
# Every table that names a report, in the order in which its rows go; a test finds one that is missing here.
REPORT_TABLES: Final[tuple[Table, ...]] = (
    *(t.mailbox, t.answer, t.message, t.contact, t.pending, t.hold, t.step, t.note, t.nudge, t.draft),
    *(t.holding, t.kept_away, t.handover, t.drill),
    *(t.route, t.report_body, t.delivery, t.report),
)
DELIVERY_TABLES: Final[tuple[Table, ...]] = (t.page,)  # they name its delivery alone

PurgeRules = Mapping[str, str]  # report_id → rule


class _NoLongerDue(Exception):
    """Some of these are not ripe any more; those that are."""


def purge_time(database: Database) -> int:
    """The earlier of this host's clock and the database's: one that runs ahead purges nothing."""
    with database.read() as connection:
        return min(database.now(), database.moment(connection))


@dataclass(frozen=True, slots=True)
class Purge:
    """`now`: as `moment` has it. `actor`: for the audit."""

    database: Database
    policy: RetentionPolicy
    now: int
    actor: str

    def ripe(self, at_most: int = BATCH_SIZE, *, erased: bool = False) -> list[tuple[str, str]]:
        """Return (report_id, rule) of what is to go now; `erased`: of what reporters have deleted alone."""
        r, rule = t.report.c, purge_rule(self.policy, self.now)
        query = select(r.report_id, rule).where(rule.is_not(None), is_purgeable(self.now))
        query = query.where(r.delete_asked_at.is_not(None)) if erased else query
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(r.report_id).limit(at_most))
            return [(row[0], row[1]) for row in rows]

    def counted(self) -> dict[str, int]:
        """Rule → how many reports would go now."""
        rule = purge_rule(self.policy, self.now).label("rule")
        query = select(rule, t.report.c.report_id).where(rule.is_not(None), is_purgeable(self.now)).subquery()
        with self.database.read() as connection:
            rows = connection.execute(select(query.c.rule, func.count()).group_by(query.c.rule))
            return {row[0]: row[1] for row in rows}

    def step(self, at_most: int = BATCH_SIZE, *, erased: bool = False) -> Counter[str]:
        """Purge at most so many reports; rule → how many went. Empty: nothing is ripe. `erased`: as in `ripe`."""
        rules = dict(self.ripe(min(at_most, BATCH_SIZE), erased=erased))
        while rules:
            try:
                with self.database.write() as connection:
                    self._purge(connection, rules)
                return Counter(rules.values())
            except _NoLongerDue as changed:
                rules = {one: rule for one, rule in rules.items() if one in changed.args[0]}
        return Counter()

    def _purge(self, connection: Connection, rules: PurgeRules) -> None:
        r, d = t.report.c, t.delivery.c
        lines = select(r.report_id, r.country, r.created_at).where(r.report_id.in_(rules))
        rows = connection.execute(lines.order_by(r.report_id).with_for_update()).all()
        # Whoever writes by My report takes hold of the mailbox: from here on they were seen, or find it gone.
        connection.execute(delete(t.mailbox).where(t.mailbox.c.report_id.in_(rules)))
        rule = purge_rule(self.policy, self.now)
        ripe = select(r.report_id).where(r.report_id.in_(rules), rule.is_not(None), is_purgeable(self.now))
        still = set(connection.execute(ripe).scalars())
        if still != rules.keys():
            raise _NoLongerDue(still)
        self._leave(connection, rows, rules)
        for table in DELIVERY_TABLES:
            theirs = select(d.delivery_id).where(d.report_id.in_(rules))
            connection.execute(delete(table).where(table.c.delivery_id.in_(theirs)))
        for table in REPORT_TABLES:
            connection.execute(delete(table).where(table.c.report_id.in_(rules)))

    def _leave(self, connection: Connection, rows: Sequence[Any], rules: PurgeRules) -> None:
        """One line each, a line of the audit, and the receipts that are young enough."""
        gone = _month(self.now)
        lines = [
            {"report_id": row.report_id, "country": row.country, "filed": _month(row.created_at), "purged": gone}
            | {"rule": rules[row.report_id]}
            for row in rows
        ]
        connection.execute(self.database.insert_new(t.purged), lines)
        at = self.database.now()
        acts = [entry_row(self.actor, f"purged:{rule}", report_id, at) for report_id, rule in rules.items()]
        connection.execute(insert(t.audit), acts)
        d, names = t.delivery.c, [column.name for column in t.receipt.columns]
        taken = select(*(d[name] for name in names)).where(d.report_id.in_(rules), d.state == "delivered")
        taken = taken.where(d.delivered_at > self.now - RECEIPT.days * DAY)
        connection.execute(insert(t.receipt).from_select(names, taken))

    def purge_copies(self, at_most: int = BATCH_SIZE) -> int:
        """Of reports that stay for who reads here: what is sealed to the others, whose time is over. Rows gone."""
        return sum(self._thin(table, at_most) for table in (t.report_body, t.message))

    def _thin(self, table: Table, at_most: int) -> int:
        """Looks again once it holds the reports, as a purge does."""
        r, found = t.report.c, self._others(table, at_most)
        if not found:
            return 0
        theirs = r.report_id.in_({one["report_id"] for one in found})
        with self.database.write() as connection:
            connection.execute(select(r.report_id).where(theirs).order_by(r.report_id).with_for_update())
            still = set(connection.execute(select(r.report_id).where(theirs, self._over())).scalars())
            gone = [one for one in found if one["report_id"] in still]
            for one in gone:
                connection.execute(delete(table).where(*(table.c[name] == value for name, value in one.items())))
        return len(gone)

    def _others(self, table: Table, at_most: int) -> list[dict[str, Any]]:
        """Report and key of each row."""
        columns = (table.c[name] for name in dict.fromkeys(["report_id", *table.primary_key.columns.keys()]))
        rows = select(*columns).join_from(table, t.report, t.report.c.report_id == table.c.report_id)
        rows = rows.where(self._over(), has_own_copy(self.policy, table.c.recipient)).limit(at_most)
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(rows).mappings()]

    def _over(self) -> ColumnElement[bool]:
        """Closed so long ago that whoever has a copy of its own needs none here."""
        closed = closed_since(days_before(self.now, closed_days(self.policy)))
        return and_(t.report.c.mode == "live", closed, is_purgeable(self.now))

    def delete_old_receipts(self) -> int:
        old = delete(t.receipt).where(t.receipt.c.delivered_at <= self.now - RECEIPT.days * DAY)
        with self.database.write() as connection:
            return connection.execute(old).rowcount

    def list_expiring(self, at_most: int = 200) -> list[str]:
        """Live reports that nobody has closed and that go within a month, unless somebody does something."""
        r = t.report.c
        soon = days_before(self.now, silent_days(self.policy) - WARN_DAYS)
        query = select(r.report_id).where(r.mode == "live", r.closed_at.is_(None), silent_since(soon))
        query = query.where(is_purgeable(self.now), ~exists().where(t.hold.c.report_id == r.report_id))
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(r.created_at).limit(at_most)).scalars())


def _month(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m}"


# Reports that a person keeps from being purged, with a reason and an end. It ends by itself.

HOLD_REASONS: Final = ("court", "police", "child_protection", "complaint", "inquiry")  # nothing of what was said


@dataclass(frozen=True, slots=True)
class LegalHold:
    report_id: str
    placed_by: str
    reason: str
    reference: str
    placed_at: int
    until: int


def place_hold(database: Database, hold: LegalHold) -> bool:
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
        audit_log.append(connection, hold.placed_by, act, hold.report_id, hold.placed_at)
    return True


def lift_hold(database: Database, report_id: str, actor: str) -> bool:
    """False: nobody holds it."""
    with database.write() as connection:
        gone = connection.execute(delete(t.hold).where(t.hold.c.report_id == report_id)).rowcount
        if gone:
            audit_log.append(connection, actor, "hold_lifted", report_id, database.now())
    return bool(gone)


def list_holds(database: Database) -> list[LegalHold]:
    """The one that ends first, first."""
    columns = (t.hold.c[name] for name in LegalHold.__dataclass_fields__)
    with database.read() as connection:
        rows = connection.execute(select(*columns).order_by(t.hold.c.until, t.hold.c.report_id))
        return [LegalHold(*row) for row in rows]


def end_expired_holds(database: Database, now: int) -> int:
    """Those whose time is over. A purge does not wait for this; the audit has it."""
    h = t.hold.c
    with database.write() as connection:
        over = connection.execute(delete(t.hold).where(h.until <= now).returning(h.report_id)).scalars().all()
        for report_id in over:
            audit_log.append(connection, "clock", "hold_ended", report_id, database.now())
    return len(over)


def holds_ending_soon(holds: Sequence[LegalHold], now: int) -> list[str]:
    """Those that end within two weeks."""
    return [hold.report_id for hold in holds if now < hold.until <= now + HOLD_WARN_DAYS * DAY]
