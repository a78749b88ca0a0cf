"""The next hotline and when it gets the report: first the rule alone, then on the database with a moved clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import delete, event, update

from reports.case_state import Handling
from reports.countries.country import Countries
from reports.store import outbox, pending_submissions
from reports.store.cases import case_actions
from reports.store.cases.case_actions import CaseAction
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.escalation.fallbacks import FallbackChain, TriedHotline
from reports.store.migrations import upgrade
from reports.store.outbox import DeliveryFailure, DeliveryReceipt
from reports.store.schema import tables as t
from runtime.time_units import HOUR, MINUTE
from tests.support import databases
from tests.workers.escalation_scenario import country_with_cards
from tests.workers.sample_store import ONE, SECOND, THREE, TWO, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from workers import retry_policy
from workers.jobs.recipients import next_fallback

CHAIN = ((ONE, "primary"), (THREE, "also"), (TWO, "fallback"))
LONG = ((ONE, "primary"), (TWO, "fallback"), (THREE, "fallback"))
WAITS = {priority: pace.fallback_after for priority, pace in retry_policy.POLICIES.items()}


def tried(
    state: str = "due", waited: float = 0, why: str = "", handling: str = "none", gone: bool = False
) -> TriedHotline:
    return TriedHotline("one", state, handling, why, gone, int(waited * SECOND))


@pytest.mark.parametrize(
    ("priority", "last", "why"),
    [
        ("P1", tried(waited=29), None),
        ("P1", tried(waited=30), "NO_RECEIPT"),
        ("P2", tried(waited=899), None),
        ("P2", tried(waited=900), "NO_RECEIPT"),
        ("P3", tried(waited=4 * 3600 - 1), None),
        ("P3", tried(waited=4 * 3600), "NO_RECEIPT"),
        ("P4", tried(waited=24 * 3600), "NO_RECEIPT"),
        ("P1", tried(why="refused 1"), "REFUSED"),
        ("P2", tried(why="refused 2"), "REFUSED"),
        ("P2", tried("refused", why="too_large"), "REFUSED"),
        ("P3", tried(why="refused 1"), None),
        ("P3", tried("refused", why="refused"), None),
        ("P3", tried("refused", why="refused", waited=4 * 3600), "NO_RECEIPT"),
        ("P4", tried("refused", why="gone"), "GONE"),
        ("P4", tried(gone=True), "GONE"),
        ("P1", tried("parked", waited=14 * 86400), "NO_RECEIPT"),
        ("P3", tried("delivered", handling="rejected"), "DECLINED"),
        ("P1", tried("delivered", waited=3600), None),
        ("P1", tried("delivered", handling="accepted", waited=3600), None),
    ],
)
def test_the_rule(priority: str, last: TriedHotline, why: str | None) -> None:
    found = next_fallback(FallbackChain("r", priority, (last,), ("two", "three")))
    assert found == (("two", why) if why else None)


@pytest.mark.parametrize(
    ("priority", "open_now", "given"),
    [("P1", "three", "three"), ("P2", "three", "three"), ("P3", "three", "two"), ("P1", "", "two")],
)
def test_an_urgent_report_goes_to_an_open_one_first(priority: str, open_now: str, given: str) -> None:
    chain = FallbackChain("r", priority, (tried(waited=4 * 3600),), ("two", "three"))
    assert next_fallback(chain, lambda hotline: hotline == open_now) == (given, "NO_RECEIPT")


def test_the_scheduler_knows_who_is_open(store: SampleStore) -> None:
    harness = SchedulerHarness(store)
    another_day = datetime.fromtimestamp(store.database.now() / SECOND + 3 * 86400, UTC)
    closed_now = {"hours": f"{another_day:%a} 03:00-03:01".lower()}
    harness.jobs._countries = Countries((country_with_cards({TWO: closed_now}),))
    [primary] = store.submit(LONG, priority="P1")
    fail(store, primary, DeliveryFailure("refused 1", 422, 20 * SECOND))
    harness.jobs.fallbacks()
    assert [row.hotline for row in store.deliveries()] == [ONE, THREE]


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("declines", [True, False], ids=["declined", "silent"])
def test_a_hotline_that_was_left_out_since_delays_no_fallback(store: SampleStore, *, declines: bool) -> None:
    """It has the incomplete report, and the escalation would ask the next one after an hour or a day."""
    store.submit(((ONE, "primary"),), completeness="incomplete")
    get_through(store, to=ONE, revision=1)
    update_of(store, ((TWO, "primary"), (THREE, "fallback")), 2, "P1")
    if declines:
        get_through(store, to=TWO, revision=2)
        [report] = store.reports()
        case_actions.perform(store.database, CaseAction(TWO, report.report_id, Handling.REJECTED, f"staff:{TWO}/nia"))
    assert fall_back(store.later(seconds=31)) == [THREE]


def test_nobody_left_nobody_tried_and_somebody_who_has_it() -> None:
    late = tried(waited=HOUR)
    assert next_fallback(FallbackChain("r", "P1", (late,), ())) is None
    assert next_fallback(FallbackChain("r", "P1", (), ("two",))) is None
    assert next_fallback(FallbackChain("r", "P1", (tried("delivered"), late), ("two",))) is None


def fall_back(store: SampleStore) -> list[str]:
    """Add fallbacks as the scheduler does; return their hotlines."""
    given = []
    for report_id in fallbacks.list_due(store.database, WAITS):
        found = next_fallback(fallbacks.load_chain(store.database, report_id))
        if found and fallbacks.add_fallback(store.database, report_id, *found):
            given.append(found[0])
    return given


def fail(store: SampleStore, delivery_id: str, failure: DeliveryFailure) -> None:
    leased = outbox.lease(store.database, delivery_id, "w/urgent/1")
    assert leased is not None
    assert outbox.mark_failed(store.database, leased, failure, "w/urgent/1", "worker")


@pytest.mark.rule("F22")
def test_the_next_hotline_gets_it_too_under_a_key_of_its_own(store: SampleStore) -> None:
    first, also = store.submit(CHAIN)
    assert fall_back(store.later(seconds=20)) == []
    later = store.later(seconds=31)
    assert fall_back(later) == [TWO]
    assert fall_back(later) == []
    rows = {row.hotline: row for row in store.deliveries()}
    assert rows[TWO].delivery_id not in (first, also)
    assert (rows[TWO].role, rows[TWO].why, rows[TWO].type, rows[TWO].state) == (
        "fallback",
        "NO_RECEIPT",
        "created",
        "due",
    )
    assert rows[ONE].state == "due", "the first one goes on"
    leased = outbox.lease(later.database, rows[TWO].delivery_id, "w/urgent/1")
    assert leased is not None
    assert leased.body is not None, "the fallback needs no key but its own"
    assert store.acts(rows[TWO].delivery_id) == ["made"]


def test_after_a_restore_the_fallback_has_another_key_and_the_same_report_and_revision(tmp_path: Path) -> None:
    """As docs/operating/restore.md and the hotline kit say. On SQLite."""
    database = databases.migrated_database("sqlite", cast(pytest.FixtureRequest, None), tmp_path)
    store = SampleStore.create(database, tmp_path / "keys")
    store.submit(CHAIN)
    [report] = store.reports()
    with closing(sqlite3.connect(tmp_path / "tokaut.db")) as file:
        file.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
    restored = replace(store, database=Database(f"sqlite:///{tmp_path}/backup.db"))
    made = []
    for each in (store, restored):
        delivery = fallbacks.add_fallback(each.database, report.report_id, TWO, "NO_RECEIPT")
        assert delivery is not None
        made.append(each.delivery(delivery[0]))
        each.database.close()
    assert made[0].delivery_id != made[1].delivery_id
    assert [(row.report_id, row.revision) for row in made] == [(report.report_id, 1)] * 2


def test_one_after_the_other(store: SampleStore) -> None:
    store.submit(LONG)
    first = store.later(seconds=31)
    assert fall_back(first) == [TWO]
    assert fall_back(first.later(seconds=20)) == []
    assert fall_back(first.later(seconds=31)) == [THREE]
    assert fall_back(first.later(hours=9)) == []


def test_a_hotline_that_was_given_another_report_is_given_the_next_one_too(store: SampleStore) -> None:
    for _ in range(2):
        store.submit([(ONE, "primary"), (TWO, "fallback")])
        assert fall_back(store.later(seconds=31)) == [TWO]


def test_a_look_reads_of_each_report_its_own_deliveries_alone(tmp_path: Path) -> None:
    """With the index of states, each report read all deliveries ever made: minutes, for 100,000 reports.

    On SQLite; the planner of PostgreSQL knows the number of rows of each state.
    """
    database = Database(f"sqlite:///{tmp_path}/tokaut.db")
    upgrade(database, "demo")
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        asked.append((statement, given))

    event.listen(database.engine, "before_cursor_execute", note)
    fallbacks.list_due(database, WAITS)
    [(statement, given)] = asked
    with database.read() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]
    database.close()
    scanned, *others = [line for line in plan if "delivery" in line]
    assert scanned.startswith("SCAN delivery")
    assert others
    assert all("(report_id=?" in line for line in others), others
    order = [next(n for n, line in enumerate(plan) if f" {name} " in line) for name in ("lacking", "route")]
    assert order == sorted(order), "most reports are received, and need no further look"


def test_a_receipt_needs_no_fallback(store: SampleStore) -> None:
    first, _ = store.submit(CHAIN)
    leased = outbox.lease(store.database, first, "w/urgent/1")
    assert leased is not None
    outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
    assert fall_back(store.later(hours=1)) == []


def test_also_is_nobodys_fallback_and_needs_none(store: SampleStore) -> None:
    """The police have it, but the first helpline does not; the next helpline still gets it."""
    _, also = store.submit(CHAIN)
    leased = outbox.lease(store.database, also, "w/urgent/1")
    assert leased is not None
    outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
    assert fall_back(store.later(seconds=31)) == [TWO]


def test_refused_p2_at_the_first_refusal(store: SampleStore) -> None:
    first, _ = store.submit(CHAIN, priority="P2")
    fail(store, first, DeliveryFailure("refused 1", 422, 20 * SECOND))
    assert fall_back(store) == [TWO]


def test_gone_at_once_for_all_that_is_open(store: SampleStore) -> None:
    ids = [store.submit(CHAIN, priority=priority)[0] for priority in ("P4", "P3", "P1")]
    fail(store, ids[2], DeliveryFailure("gone", 410, None, gone=True))
    assert sorted(outbox.refuse_for_gone_hotlines(store.database)) == sorted(ids[:2])
    assert fall_back(store) == [TWO, TWO, TWO]
    assert {store.delivery(one).state for one in ids} == {"refused"}


def test_declined_by_people(store: SampleStore) -> None:
    first, _ = store.submit(CHAIN, priority="P4")
    with store.database.write() as connection:
        rejected = {"state": "delivered", "handling": "rejected"}
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == first).values(rejected))
    assert fall_back(store) == [TWO]


def test_incomplete_goes_to_nobody_else(store: SampleStore) -> None:
    store.submit(completeness="incomplete")
    assert fall_back(store.later(days=3)) == []


def test_a_fallback_gets_the_newest_words(store: SampleStore) -> None:
    store.submit(CHAIN, priority="P2")
    [report] = store.reports()
    pending_submissions.schedule_pending(
        store.database, store.sealed(CHAIN, before=report, revision=2, priority="P2"), "update", store.database.now()
    )
    for key in pending_submissions.list_due(store.database):
        pending_submissions.submit_due(store.database, key)
    assert fall_back(store.later(seconds=15 * MINUTE / SECOND)) == [TWO]
    [fallback] = [row for row in store.deliveries() if row.hotline == TWO]
    assert (fallback.type, fallback.revision) == ("created", 2)


def test_a_hundred_that_only_wait_hide_none_that_is_due(store: SampleStore) -> None:
    for _ in range(5):
        store.submit(CHAIN, priority="P4")
    store.submit(CHAIN, priority="P1")
    later = store.later(seconds=40)
    assert len(fallbacks.list_due(later.database, WAITS, at_most=1)) == 1
    assert fall_back(later) == [TWO]


def test_those_that_wait_for_a_person_first_take_no_place_of_others(store: SampleStore) -> None:
    """A refused P3 or P4 gets its fallback after hours: 200 of these once stopped the fallbacks of all others."""
    for _ in range(3):
        fail(store, store.submit(CHAIN, priority="P4")[0], DeliveryFailure("refused", 422, None))
    fail(store, store.submit(CHAIN, priority="P1")[0], DeliveryFailure("refused", 422, None))
    [_, _, _, urgent] = store.reports()
    assert fallbacks.list_due(store.database, WAITS) == [urgent.report_id]


def test_the_most_urgent_and_oldest_come_first(store: SampleStore) -> None:
    for priority in ("P3", "P4", "P2", "P3", "P1"):
        store.submit(CHAIN, priority=priority)
    later = store.later(days=2)
    priorities = {row.report_id: row.priority for row in store.reports()}
    stuck = fallbacks.list_due(later.database, WAITS, at_most=3)
    assert [priorities[report_id] for report_id in stuck] == ["P1", "P2", "P3"]
    assert stuck[2] == store.reports()[0].report_id


def test_a_fallback_that_is_left_out_since_or_has_no_body_is_not_waited_for(store: SampleStore) -> None:
    store.submit(CHAIN)
    b = t.report_body.c
    with store.database.write() as connection:
        connection.execute(delete(t.report_body).where(b.recipient == TWO))
    assert fallbacks.list_due(store.later(hours=1).database, WAITS) == []
    store.submit(CHAIN)
    newest = store.reports()[-1]
    pending_submissions.schedule_pending(
        store.database, store.sealed(((ONE, "primary"),), before=newest, revision=2), "update", store.database.now()
    )
    for key in pending_submissions.list_due(store.database):
        pending_submissions.submit_due(store.database, key)
    assert fallbacks.list_due(store.later(hours=1).database, WAITS) == []


def update_of(store: SampleStore, recipients: Sequence[tuple[str, str]], revision: int, priority: str) -> None:
    """Submit the next revision of the only report."""
    [report] = store.reports()
    submission = store.sealed(recipients, before=report, revision=revision, priority=priority)
    pending_submissions.schedule_pending(store.database, submission, "update", store.database.now())
    for key in pending_submissions.list_due(store.database):
        pending_submissions.submit_due(store.database, key)


def get_through(store: SampleStore, *, to: str, revision: int) -> None:
    [row] = [row for row in store.deliveries() if (row.hotline, row.revision) == (to, revision)]
    leased = outbox.lease(store.database, row.delivery_id, "w/urgent/1")
    assert leased is not None
    outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")


def test_a_report_that_becomes_urgent_goes_on_where_the_hotline_falls_silent(store: SampleStore) -> None:
    """It has the earlier revision, but not the urgent one, which nobody has yet."""
    store.submit(CHAIN, priority="P3")
    get_through(store, to=ONE, revision=1)
    hour = store.later(hours=1)
    update_of(hour, CHAIN, 2, "P1")
    assert fall_back(hour.later(seconds=20)) == []
    later = hour.later(seconds=31)
    assert fall_back(later) == [TWO]
    assert fall_back(later) == []
    [fallback] = [row for row in store.deliveries() if row.hotline == TWO]
    assert (fallback.type, fallback.revision, fallback.priority) == ("created", 2, "P1")
    assert (fallback.role, fallback.why) == ("fallback", "NO_RECEIPT")


def test_an_urgent_update_that_is_refused_goes_on_at_once(store: SampleStore) -> None:
    store.submit(LONG, priority="P3")
    get_through(store, to=ONE, revision=1)
    update_of(store, LONG, 2, "P2")
    [row] = [row for row in store.deliveries() if row.type == "updated"]
    fail(store, row.delivery_id, DeliveryFailure("refused 1", 422, 20 * SECOND))
    assert fall_back(store) == [TWO]
    assert fall_back(store.later(minutes=14)) == []
    assert fall_back(store.later(minutes=16)) == [THREE], "and the fallback is silent too"


def test_an_update_that_is_no_more_urgent_needs_no_fallback(store: SampleStore) -> None:
    store.submit(CHAIN, priority="P3")
    get_through(store, to=ONE, revision=1)
    update_of(store, CHAIN, 2, "P3")
    assert fall_back(store.later(days=2)) == []


@pytest.mark.parametrize("revision", [2, 3])
def test_once_the_urgent_one_is_there_nobody_else_is_asked(store: SampleStore, revision: int) -> None:
    """Revision 3 contains revision 2; after 2 the hotline knows the priority."""
    store.submit(CHAIN, priority="P3")
    get_through(store, to=ONE, revision=1)
    update_of(store, CHAIN, 2, "P1")
    update_of(store, CHAIN, 3, "P1")
    get_through(store, to=ONE, revision=revision)
    assert fall_back(store.later(hours=1)) == []


def test_a_fallback_that_has_the_urgent_one_is_enough(store: SampleStore) -> None:
    store.submit(LONG, priority="P3")
    get_through(store, to=ONE, revision=1)
    update_of(store, LONG, 2, "P1")
    later = store.later(seconds=31)
    assert fall_back(later) == [TWO]
    get_through(later, to=TWO, revision=2)
    assert fall_back(store.later(hours=1)) == []


@pytest.mark.parametrize("is_late", [False, True], ids=["refused", "silent"])
def test_a_first_revision_that_waited_while_the_urgent_one_came_is_not_the_urgent_one(
    store: SampleStore, *, is_late: bool
) -> None:
    store.submit(LONG, priority="P3")
    update_of(store, LONG, 2, "P1")
    get_through(store, to=ONE, revision=1)
    if not is_late:
        [row] = [row for row in store.deliveries() if row.type == "updated"]
        fail(store, row.delivery_id, DeliveryFailure("refused 1", 422, 20 * SECOND))
    now = store.later(seconds=31) if is_late else store
    assert fall_back(now) == [TWO]
    get_through(store.later(seconds=31), to=ONE, revision=2)
    assert fall_back(store.later(hours=1)) == []
