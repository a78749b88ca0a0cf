"""Hotlines handle reports, on each kind of database, with the rights of the process that does it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import event, select, update

from reports.case_state import ACTIVE, HANDLING_STATES
from reports.store import idempotency_keys
from reports.store.cases import case_actions, case_status
from reports.store.cases.case_actions import CaseAction, CaseNotFound, SealedNote, TransitionNotAllowed
from reports.store.cases.case_status import CaseChange
from reports.store.mailboxes.correspondence import SealedAnswer
from reports.store.schema import tables as t
from tests.support.logged_in import logged_in
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore

pytestmark = pytest.mark.slow

ROUTE = ((ONE, "primary"), (TWO, "also"), (THREE, "fallback"))
KEY = b"k" * 32


@pytest.fixture
def report(store: SampleStore) -> str:
    store.submit(ROUTE)
    return str(store.reports()[0].report_id)


def step(report: str, to: str, hotline: str = ONE, **more: Any) -> CaseAction:
    return CaseAction(hotline, report, to, f"staff:{hotline}/call_back", **more)


def rows(store: SampleStore, table: Any) -> list[Any]:
    with store.database.read() as connection:
        return list(connection.execute(select(table)))


def test_the_state_is_worked_out_of_all_deliveries(store: SampleStore, report: str) -> None:
    """Deliveries that this hotline does not see count as well."""
    with store.database.write() as connection:
        connection.execute(update(t.delivery).values(state="delivered"))
    seen = []
    for hotline, to in (
        (ONE, "accepted"),
        (TWO, "in_progress"),
        (ONE, "closed"),
        (TWO, "closed"),
        (TWO, "in_progress"),
    ):
        assert case_actions.perform(store.database, step(report, to, hotline)) == to
        [found] = store.reports()
        seen.append((found.state, found.desk))
    assert seen == [
        ("accepted", ONE),
        ("in_progress", TWO),
        ("in_progress", TWO),
        ("closed", ONE),
        ("in_progress", TWO),
    ]


def test_the_report_is_held_before_its_deliveries(store: SampleStore, report: str) -> None:
    """The same lock order as when the priority rises; with different orders the two could deadlock."""
    said: list[str] = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *of: said.append(" ".join(of[2].split())))
    case_actions.perform(store.database, step(report, "accepted"))
    read = [one for one in said if one.startswith("SELECT") and " FROM " in one][:2]
    assert [one.partition(" FROM ")[2].split()[0] for one in read] == ["report", "delivery"]
    assert store.database.is_sqlite or all("FOR UPDATE" in one for one in read)


def test_all_of_it_or_nothing(store: SampleStore, report: str) -> None:
    answer = SealedAnswer("a" * 36, report, ONE, b"sealed")
    note = SealedNote("n" * 36, report, ONE, "reason", "k" * 16, b"w", b"s")
    case_actions.perform(store.database, step(report, "rejected", answer=answer, notes=(note,), idempotency_key=KEY))
    assert [row.hotline for row in rows(store, t.answer)] == [ONE]
    assert [(row.kind, row.actor) for row in rows(store, t.note)] == [("reason", f"staff:{ONE}/call_back")]
    with pytest.raises(TransitionNotAllowed):
        case_actions.perform(store.database, step(report, "closed", answer=answer, idempotency_key=b"x" * 32))
    assert [row.call_key for row in rows(store, t.callback)] == [KEY]


def test_words_alone_take_nothing_on(store: SampleStore, report: str) -> None:
    """An answer changes no holder either: the person to whom the case was assigned must still accept it."""
    answer, held = SealedAnswer("a" * 36, report, ONE, b"sealed"), {"holder": "mere", "handed_by": "nia"}
    with store.database.write() as connection:
        case_status.save_values(connection, store.database, ONE, report, held)
    mine = CaseChange("holds", {"holder": "ana"})
    logged_in(store.database, "ana", hotline=ONE)
    assert (
        case_actions.perform(
            store.database, step(report, "none", answer=answer, column_changes=mine, unless_in=HANDLING_STATES)
        )
        == "none"
    )
    assert [row.hotline for row in rows(store, t.answer)] == [ONE]
    assert {row.handling for row in store.deliveries()} == {"none"}
    assert [(row.holder, row.handed_by) for row in rows(store, t.holding)] == [("mere", "nia")]
    case_actions.perform(store.database, step(report, "accepted"))
    assert (
        case_actions.perform(store.database, step(report, "none", column_changes=mine, unless_in=HANDLING_STATES))
        == "accepted"
    )
    assert [row.holder for row in rows(store, t.holding)] == ["ana"]


@pytest.mark.parametrize("before", ["accepted", "in_progress", "rejected", "closed"])
def test_who_has_it_by_now_is_taken_over_from_and_nobody_else(store: SampleStore, report: str, before: str) -> None:
    for name in ("mere", "nia"):
        logged_in(store.database, name, hotline=ONE)
    case_actions.perform(store.database, step(report, before, column_changes=CaseChange("holds", {"holder": "mere"})))
    mine = step(report, "accepted", column_changes=CaseChange("holds", {"holder": "nia"}), unless_in=ACTIVE)
    if before in ACTIVE:
        assert case_actions.perform(store.database, mine) == before
    else:
        with pytest.raises(TransitionNotAllowed):
            case_actions.perform(store.database, mine)
    assert [row.holder for row in rows(store, t.holding)] == ["nia" if before in ACTIVE else "mere"]


def test_what_was_not_given_is_not_there(store: SampleStore, report: str) -> None:
    """A fallback that has not got the report yet, and an unknown hotline."""
    for hotline in (THREE, "vu-nobody"):
        with pytest.raises(CaseNotFound):
            case_actions.perform(store.database, step(report, "accepted", hotline))
        with pytest.raises(CaseNotFound):
            case_actions.look_up(store.database, hotline, report, KEY)
    box, handling, seen = case_actions.look_up(store.database, ONE, report, KEY)
    assert (box.country, box.mode, box.public_key, handling, seen) == ("VU", "demo", None, "none", False)


def test_the_same_call_many_times_at_once(store: SampleStore, report: str) -> None:
    came: list[str] = []

    def call() -> None:
        came.append(case_actions.perform(store.database, step(report, "accepted", idempotency_key=KEY)))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert came == ["accepted"] * 4
    [mine] = [row for row in store.deliveries() if row.hotline == ONE]
    assert store.acts(mine.delivery_id) == ["accepted"]
    assert case_actions.look_up(store.database, ONE, report, KEY)[1:] == ("accepted", True)


@pytest.mark.parametrize("state", ["due", "refused", "parked"])
@pytest.mark.parametrize("handling", ["accepted", "in_progress", "rejected", "closed"])
def test_whoever_does_something_with_it_has_it(store: SampleStore, report: str, state: str, handling: str) -> None:
    [mine] = [row.delivery_id for row in store.deliveries() if row.hotline == ONE]
    with store.database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == mine).values(state=state))
    case_actions.perform(store.database, step(report, handling))
    assert case_actions.mark_handled_delivered(store.database) == 1
    assert case_actions.mark_handled_delivered(store.database) == 0
    row = store.delivery(mine)
    assert (row.state, row.delivered_at is not None) == ("delivered", True)
    assert store.acts(mine) == [handling, "delivered"]


def test_a_receipt_is_left_to_whoever_waits_for_it_just_now(store: SampleStore, report: str) -> None:
    case_actions.perform(store.database, step(report, "accepted"))
    with store.database.write() as connection:
        connection.execute(update(t.delivery).values(lease_until=store.database.now() + 60_000_000))
    assert case_actions.mark_handled_delivered(store.database) == 0
    assert case_actions.mark_handled_delivered(store.later(minutes=2).database) == 1


def test_calls_are_forgotten_after_their_time(store: SampleStore, report: str) -> None:
    month = 30 * 86400 * 1_000_000
    case_actions.perform(store.database, step(report, "accepted", idempotency_key=KEY))
    assert idempotency_keys.delete_old_keys(store.later(days=29).database, month) == 0
    assert idempotency_keys.delete_old_keys(store.later(days=31).database, month) == 1
    assert rows(store, t.callback) == []


def test_a_repeat_that_comes_while_the_first_is_committed_names_the_state_after_it(
    store: SampleStore, report: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commits_first(*_: Any) -> bool:
        case_actions.perform(store.database, step(report, "accepted", idempotency_key=KEY))
        return True

    monkeypatch.setattr(case_actions, "key_exists", commits_first)
    assert case_actions.look_up(store.database, ONE, report, KEY)[1:] == ("accepted", True)
