"""Purges reports whose time is over. A step is one short transaction; whoever is stopped has done whole steps.

What waits is never ripe, and each step looks again once it holds the rows: two clocks at it do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, insert, select

from reports.retention import RECEIPT, WARN_BEFORE, Policy
from reports.store import ripeness
from reports.store import tables as t
from reports.store.auditing import audit_row
from reports.store.database import Database
from runtime.time_units import DAY

STEP: Final = 500  # reports of one transaction, at most
# Every table that names a report, in the order in which its rows go; a test finds one that is missing here.
OF_A_REPORT: Final[tuple[Table, ...]] = (
    *(t.mailbox, t.answer, t.message, t.contact, t.pending, t.hold, t.step, t.note, t.nudge, t.draft),
    *(t.holding, t.kept_away, t.handover, t.drill),
    *(t.route, t.report_body, t.delivery, t.report),
)
OF_A_DELIVERY: Final[tuple[Table, ...]] = (t.page,)  # they name its delivery alone

Rules = Mapping[str, str]  # report_id → rule


class _Changed(Exception):
    """Some of these are not ripe any more; those that are."""


def moment(database: Database) -> int:
    """The earlier of this host's clock and the database's: one that runs ahead purges nothing."""
    with database.read() as connection:
        return min(database.now(), database.moment(connection))


@dataclass(frozen=True, slots=True)
class Purge:
    """`now`: as `moment` has it. `actor`: for the audit."""

    database: Database
    policy: Policy
    now: int
    actor: str

    def ripe(self, at_most: int = STEP, *, erased: bool = False) -> list[tuple[str, str]]:
        """Return (report_id, rule) of what is to go now; `erased`: of what reporters have deleted alone."""
        r, rule = t.report.c, ripeness.rule(self.policy, self.now)
        query = select(r.report_id, rule).where(rule.is_not(None), ripeness.free(self.now))
        query = query.where(r.delete_asked_at.is_not(None)) if erased else query
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(r.report_id).limit(at_most))
            return [(row[0], row[1]) for row in rows]

    def counted(self) -> dict[str, int]:
        """Rule → how many reports would go now."""
        rule = ripeness.rule(self.policy, self.now).label("rule")
        query = select(rule, t.report.c.report_id).where(rule.is_not(None), ripeness.free(self.now)).subquery()
        with self.database.read() as connection:
            rows = connection.execute(select(query.c.rule, func.count()).group_by(query.c.rule))
            return {row[0]: row[1] for row in rows}

    def step(self, at_most: int = STEP, *, erased: bool = False) -> Counter[str]:
        """Purge at most so many reports; rule → how many went. Empty: nothing is ripe. `erased`: as in `ripe`."""
        rules = dict(self.ripe(min(at_most, STEP), erased=erased))
        while rules:
            try:
                with self.database.write() as connection:
                    self._purge(connection, rules)
                return Counter(rules.values())
            except _Changed as changed:
                rules = {one: rule for one, rule in rules.items() if one in changed.args[0]}
        return Counter()

    def _purge(self, connection: Connection, rules: Rules) -> None:
        r, d = t.report.c, t.delivery.c
        lines = select(r.report_id, r.country, r.created_at).where(r.report_id.in_(rules))
        rows = connection.execute(lines.order_by(r.report_id).with_for_update()).all()
        # Whoever writes by My report takes hold of the mailbox: from here on they were seen, or find it gone.
        connection.execute(delete(t.mailbox).where(t.mailbox.c.report_id.in_(rules)))
        rule = ripeness.rule(self.policy, self.now)
        ripe = select(r.report_id).where(r.report_id.in_(rules), rule.is_not(None), ripeness.free(self.now))
        still = set(connection.execute(ripe).scalars())
        if still != rules.keys():
            raise _Changed(still)
        self._leave(connection, rows, rules)
        for table in OF_A_DELIVERY:
            theirs = select(d.delivery_id).where(d.report_id.in_(rules))
            connection.execute(delete(table).where(table.c.delivery_id.in_(theirs)))
        for table in OF_A_REPORT:
            connection.execute(delete(table).where(table.c.report_id.in_(rules)))

    def _leave(self, connection: Connection, rows: Sequence[Any], rules: Rules) -> None:
        """One line each, a line of the audit, and the receipts that are young enough."""
        gone = _month(self.now)
        lines = [
            {"report_id": row.report_id, "country": row.country, "filed": _month(row.created_at), "purged": gone}
            | {"rule": rules[row.report_id]}
            for row in rows
        ]
        connection.execute(self.database.insert_new(t.purged), lines)
        at = self.database.now()
        acts = [audit_row(self.actor, f"purged:{rule}", report_id, at) for report_id, rule in rules.items()]
        connection.execute(insert(t.audit), acts)
        d, names = t.delivery.c, [column.name for column in t.receipt.columns]
        taken = select(*(d[name] for name in names)).where(d.report_id.in_(rules), d.state == "delivered")
        taken = taken.where(d.delivered_at > self.now - RECEIPT.days * DAY)
        connection.execute(insert(t.receipt).from_select(names, taken))

    def thin(self, at_most: int = STEP) -> int:
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
        rows = rows.where(self._over(), ripeness.read_elsewhere(self.policy, table.c.recipient)).limit(at_most)
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(rows).mappings()]

    def _over(self) -> ColumnElement[bool]:
        """Closed so long ago that whoever has a copy of its own needs none here."""
        closed = ripeness.closed_since(ripeness.before(self.now, ripeness.closed_days(self.policy)))
        return and_(t.report.c.mode == "live", closed, ripeness.free(self.now))

    def forget_receipts(self) -> int:
        old = delete(t.receipt).where(t.receipt.c.delivered_at <= self.now - RECEIPT.days * DAY)
        with self.database.write() as connection:
            return connection.execute(old).rowcount

    def warned(self, at_most: int = 200) -> list[str]:
        """Live reports that nobody has closed and that go within a month, unless somebody does something."""
        r = t.report.c
        soon = ripeness.before(self.now, ripeness.silent_days(self.policy) - WARN_BEFORE)
        query = select(r.report_id).where(r.mode == "live", r.closed_at.is_(None), ripeness.silent_since(soon))
        query = query.where(ripeness.free(self.now), ~exists().where(t.hold.c.report_id == r.report_id))
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(r.created_at).limit(at_most)).scalars())


def _month(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m}"
