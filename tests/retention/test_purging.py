"""A purge deletes every row of a report and leaves one row; it can be stopped, repeated, and run twice at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Table, delete, insert, select, update

from reports.retention import RetentionPolicy
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.operations import retention
from reports.store.operations.retention import DELIVERY_TABLES, REPORT_TABLES, Purge
from reports.store.schema import tables as t
from runtime.time_units import DAY, SECOND
from tests.retention.sample_reports import CONSOLE, DESK, History, Recipient, make, write

pytestmark = [pytest.mark.rule("S-28")]

POLICY = RetentionPolicy(here={CONSOLE: 365})
STAYS = (t.purged, t.receipt, t.tombstone)  # rows that remain after a purge
OLD = History(399, closed=91, said=92, answered=95)


def purge(database: Database, policy: RetentionPolicy = POLICY, days: float = 0) -> Purge:
    return Purge(database, policy, retention.purge_time(database) + round(days * DAY), "clock")


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return len(connection.execute(select(*table.primary_key.columns)).all())


def test_every_table_that_names_a_report_is_on_the_list() -> None:
    """A new table with a report_id must be listed, so that a purge handles it."""
    named = {table.name for table in t.metadata.tables.values() if "report_id" in table.columns}
    assert named == {table.name for table in (*REPORT_TABLES, *STAYS)}
    by_delivery = {table.name for table in t.metadata.tables.values() if "delivery_id" in table.columns}
    assert by_delivery == {*(table.name for table in DELIVERY_TABLES), "delivery", "receipt"}
    assert REPORT_TABLES[-1] is t.report


def test_all_its_rows_go_and_one_line_stays(database: Database) -> None:
    now = retention.purge_time(database)
    gone, stays = make(OLD, now), make(History(399, closed=1, said=2, answered=3), now)
    write(database, [gone, stays])
    assert purge(database).step() == {"closed": 1}
    for table in (*REPORT_TABLES, *DELIVERY_TABLES):
        assert count(database, table) == len(stays.rows[table]), table.name
    with database.read() as connection:
        (line,) = connection.execute(select(t.purged)).all()
        (receipt,) = connection.execute(select(t.receipt.c.report_id, t.receipt.c.hotline)).all()
        acts = select(t.audit.c.actor, t.audit.c.act).where(t.audit.c.object_id == gone.report_id)
        (_, act) = connection.execute(acts.order_by(t.audit.c.at)).all()
    filed = datetime.fromtimestamp(gone.facts.created_at / 1e6, UTC)
    assert tuple(line) == (gone.report_id, "VU", f"{filed:%Y-%m}", f"{datetime.now(UTC):%Y-%m}", "closed")
    assert tuple(receipt) == (gone.report_id, DESK)
    assert tuple(act) == ("clock", "purged:closed")


def test_again_changes_nothing(database: Database) -> None:
    write(database, [make(OLD, retention.purge_time(database))])
    purge(database).step()
    assert purge(database).step() == {}
    assert (count(database, t.purged), count(database, t.report)) == (1, 0)


def test_a_step_is_500_at_most_and_stopped_between_two_all_are_whole(database: Database) -> None:
    now = retention.purge_time(database)
    write(database, [make(OLD, now) for _ in range(520)])
    assert sum(purge(database).step(10_000).values()) == 500
    for table in (t.report_body, t.route, t.delivery, t.mailbox, t.message, t.answer, t.contact, t.page, t.report):
        assert count(database, table) == 20, table.name
    assert sum(purge(database).step().values()) == 20


def test_two_clocks_at_once_purge_each_report_once(database: Database) -> None:
    now = retention.purge_time(database)
    write(database, [make(OLD, now) for _ in range(60)])
    counts: list[int] = []

    def work() -> None:
        while True:
            try:
                done = sum(purge(database).step(7).values())
            except DatabaseUnavailable:  # the other purge was writing
                continue
            if not done:
                return
            counts.append(done)

    both = [threading.Thread(target=work) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert (count(database, t.report), count(database, t.purged), sum(counts)) == (0, 60, 60)


def test_what_happens_between_the_look_and_the_step_is_seen(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held or reopened at the last moment: those reports stay, the other is purged."""
    now = retention.purge_time(database)
    held, reopened, other = (make(OLD, now) for _ in range(3))
    write(database, [held, reopened, other])
    looked = Purge.list_purgeable

    def late(self: Purge, at_most: int, *, erased: bool = False) -> list[tuple[str, str]]:
        found = looked(self, at_most, erased=erased)
        with database.write() as connection:
            hold = {"report_id": held.report_id, "placed_by": "operator:ann", "reason": "court", "reference": ""}
            connection.execute(insert(t.hold), hold | {"placed_at": now, "until": now + DAY})
            mine = t.report.c.report_id == reopened.report_id
            connection.execute(update(t.report).where(mine).values(closed_at=None, changed_at=now))
        return found

    monkeypatch.setattr(Purge, "list_purgeable", late)
    assert purge(database).step() == {"closed": 1}
    with database.read() as connection:
        left = set(connection.execute(select(t.report.c.report_id)).scalars())
        boxes = set(connection.execute(select(t.mailbox.c.report_id)).scalars())
    assert left == boxes == {held.report_id, reopened.report_id}


def test_a_look_reads_of_each_report_its_own_deliveries_alone(database: Database) -> None:
    """With the index of states, each report read all deliveries ever made: hours, for 100,000 reports."""
    if not database.is_sqlite:
        pytest.skip("the planner of PostgreSQL knows how many there are of each")
    now = retention.purge_time(database)
    rule = retention.purge_rule(RetentionPolicy(here={CONSOLE: 365}), now)
    look = select(t.report.c.report_id, rule).where(rule.is_not(None), retention.is_purgeable(now))
    told = look.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.read() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {told}")]
    of_deliveries = [line for line in plan if "delivery" in line]
    assert of_deliveries
    assert all("report_id=?" in line for line in of_deliveries), of_deliveries


def test_who_writes_to_a_report_that_is_gone_is_not_told_that_it_was_sent(database: Database) -> None:
    gone = make(OLD, retention.purge_time(database))
    write(database, [gone])
    purge(database).step()
    with pytest.raises(correspondence.MailboxClosed):
        correspondence.save_message(
            database, gone.report_id, "m1", [SealedMessage(DESK, "0" * 16, b"w", b"s")], "words"
        )
    assert count(database, t.message) == 0


def test_a_report_without_a_mailbox_takes_a_withdrawal_until_it_is_gone(database: Database) -> None:
    """A contact request shows no access code, so it has no mailbox."""
    fresh = make(History(1), retention.purge_time(database))
    write(database, [fresh])
    with database.write() as connection:
        connection.execute(delete(t.mailbox))
    before = count(database, t.message)
    letter = SealedMessage(DESK, "0" * 16, b"w", b"s")
    correspondence.save_message(database, fresh.report_id, "m1", [letter], "contact_withdrawn", allowed=False)
    assert count(database, t.message) == before + 1
    with database.write() as connection:
        for table in (t.message, t.contact, t.delivery, t.report_body, t.route, t.report):
            connection.execute(delete(table).where(table.c.report_id == fresh.report_id))
    with pytest.raises(correspondence.MailboxClosed):
        correspondence.save_message(database, fresh.report_id, "m2", [letter], "contact_withdrawn", allowed=False)


def test_contact_is_withdrawn_without_a_message_where_no_hotline_could_open_one(database: Database) -> None:
    fresh = make(History(1), retention.purge_time(database))
    write(database, [fresh])
    report_id, messages, before = fresh.report_id, count(database, t.message), database.now()
    correspondence.withdraw_contact(database, report_id)
    with database.read() as connection:
        rows = connection.execute(select(t.contact.c.allowed).where(t.contact.c.report_id == report_id)).all()
    assert (rows, count(database, t.message)) == ([(0,)], messages)
    assert correspondence.is_contact_changed_since(database, report_id, before - 1)
    assert not correspondence.is_contact_changed_since(database, report_id, database.now())
    assert not correspondence.is_contact_changed_since(database, "another report", 0)
    with database.write() as connection:
        for table in reversed(t.metadata.sorted_tables):
            if "report_id" in table.c and table is not t.tombstone:
                connection.execute(delete(table).where(table.c.report_id == report_id))
    with pytest.raises(correspondence.MailboxClosed):
        correspondence.withdraw_contact(database, report_id)


def test_a_stop_ends_contact_once_and_none_that_was_allowed_after_it(database: Database) -> None:
    fresh = make(History(1), retention.purge_time(database))
    write(database, [fresh])
    with database.write() as connection:
        connection.execute(delete(t.contact))
    report_id, begun, now = fresh.report_id, fresh.facts.created_at // SECOND, database.now() // SECOND

    def ended_at(at: int) -> list[str]:
        return correspondence.list_contact_to_end(database, [report_id, "another report"], at)

    assert (ended_at(begun - 1), ended_at(begun), ended_at(now)) == ([], [report_id], [report_id])
    correspondence.withdraw_contact(database, report_id)
    assert ended_at(now + 5) == []
    letter = SealedMessage(DESK, "0" * 16, b"w", b"s")
    correspondence.save_message(database, report_id, "m9", [letter], "contact_given", allowed=True)
    assert (ended_at(now - 1), ended_at(now + 5)) == ([], [report_id])


def test_where_one_reads_here_what_is_sealed_to_the_others_goes_first(database: Database) -> None:
    now = retention.purge_time(database)
    both = make(History(399, closed=91, said=92, recipients=(Recipient(), Recipient(CONSOLE))), now)
    young = make(History(399, closed=89, recipients=(Recipient(), Recipient(CONSOLE))), now)
    parked = make(History(399, closed=91, recipients=(Recipient(state="parked"), Recipient(CONSOLE))), now)
    write(database, [both, young, parked])
    assert purge(database).step() == {}
    assert purge(database).purge_copies() == 3  # body, message and the sound of a recording
    assert purge(database).purge_copies() == 0
    with database.read() as connection:
        b = t.report_body.c
        left = connection.execute(select(b.report_id, b.recipient).order_by(b.recipient)).all()
    assert {tuple(row) for row in left} == {
        (both.report_id, CONSOLE),
        *((one.report_id, name) for one in (young, parked) for name in (DESK, CONSOLE)),
    }
    assert purge(database, days=276).step() == {"here": 2}


def test_what_is_held_between_the_look_and_the_deletion_keeps_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = retention.purge_time(database)
    held, other = (make(History(399, closed=91, recipients=(Recipient(), Recipient(CONSOLE))), now) for _ in range(2))
    write(database, [held, other])
    looked = Purge._list_copies

    def late(self: Purge, table: Table, at_most: int) -> list[dict[str, Any]]:
        found = looked(self, table, at_most)
        retention.place_hold(database, retention.LegalHold(held.report_id, "operator:ann", "court", "", now, now + DAY))
        return found

    monkeypatch.setattr(Purge, "_list_copies", late)
    assert purge(database).purge_copies() == 1
    with database.read() as connection:
        b = t.report_body.c
        theirs = connection.execute(select(b.report_id).where(b.recipient == DESK)).scalars().all()
    assert theirs == [held.report_id]


def test_receipts_are_kept_400_days_after_the_delivery(database: Database) -> None:
    now = retention.purge_time(database)
    write(database, [make(History(399, closed=91), now), make(History(450, closed=91), now)])
    purge(database).step()
    assert count(database, t.receipt) == 1
    assert purge(database).delete_old_receipts() == 0
    assert purge(database, days=2).delete_old_receipts() == 1
    assert count(database, t.receipt) == 0


def test_the_operator_hears_a_month_before_what_nobody_closed_goes(database: Database) -> None:
    now = retention.purge_time(database)
    soon = make(History(371), now)
    write(
        database,
        [
            soon,
            make(History(369), now),
            make(History(371, mode="demo"), now),
            make(History(371, closed=50), now),
        ],
    )
    write(
        database,
        [make(History(371, held=5), now), make(History(371, state="needs_person", recipients=()), now)],
    )
    assert purge(database).list_expiring() == [soon.report_id]


def test_a_clock_that_runs_ahead_purges_nothing(database: Database) -> None:
    """The earlier of two clocks counts; on PostgreSQL the host's and the database's."""
    ahead = type(database)(database.engine.url.render_as_string(hide_password=False), threads=1)
    ahead.now = lambda: 2**60  # type: ignore[method-assign]  # a host that is decades ahead
    if ahead.is_sqlite:  # it has only one clock; the scheduler's check for jumps protects it
        assert retention.purge_time(ahead) == 2**60
    else:
        assert retention.purge_time(ahead) < 2**60
    ahead.close()
