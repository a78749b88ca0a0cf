"""Transfer of a report: only to a hotline that was shown before Send, with all words; the escalation continues."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import update

from reports.escalation import PRIORITIES, PendingKind
from reports.store import outbox, pending_submissions
from reports.store.escalation import fallbacks, steps
from reports.store.operations import delivery_actions
from reports.store.operations.delivery_actions import ActionNotPossible
from reports.store.outbox import DeliveryFailure, DeliveryReceipt
from reports.store.schema import tables as t
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore
from tests.workers.scheduler_harness import SchedulerHarness
from tests.workers.test_reporter_messages import ROUTE, messages, say, sent_report, tick
from workers.jobs.recipients import next_fallback

pytestmark = pytest.mark.slow

WHO = "operator:mere"


def has(store: SampleStore, delivery_id: str, handling: str, state: str = "delivered") -> None:
    mine = t.delivery.c.delivery_id == delivery_id
    with store.database.write() as connection:
        connection.execute(update(t.delivery).where(mine).values(handling=handling, state=state))


@pytest.mark.rule("S-24")
@pytest.mark.parametrize("before", ["none", "accepted", "in_progress"])
def test_it_goes_on_with_all_that_was_said(store: SampleStore, before: str) -> None:
    report_id, given = sent_report(store)
    has(store, given, before)
    say(store, report_id)
    assert len(tick(store)) == 1
    made, priority = delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)
    row = store.delivery(made)
    assert (row.hotline, row.role, row.why, row.state, row.handling) == (TWO, "fallback", "HANDED_ON", "due", "none")
    assert priority == row.priority == "P2"
    assert store.delivery(given).handling == "rejected"
    assert messages(store) == [(ONE, 1, "due"), (TWO, 1, "due")]
    assert store.acts(given)[-1:] == ["handed_on"]
    assert store.acts(made) == ["made"]
    [report] = store.reports()
    assert (report.state, report.desk) == ("queued", TWO)
    assert (
        next_fallback(fallbacks.load_chain(store.database, report_id)) is None
    )  # the next one has it; nobody else gets it


def test_the_ladder_goes_on_where_it_stood(store: SampleStore) -> None:
    report_id, given = sent_report(store)
    has(store, given, "accepted")
    assert not steps.list_unstarted(store.database)
    delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)
    assert [row[0] for row in steps.list_unstarted(store.database)] == [report_id]


@pytest.mark.parametrize(
    ("giver", "taker", "why"),
    [
        (ONE, THREE, f"{THREE} has it already, or was not shown to the reporter before Send; it can go to {TWO}"),
        (ONE, ONE, f"{ONE} has it already"),
        (ONE, "vu-nobody", "was not shown to the reporter"),
        (TWO, ONE, f"{TWO} was not given this report"),
        (THREE, TWO, f"{THREE} was not given this report"),
    ],
)
@pytest.mark.rule("S-26")
def test_to_nobody_else(store: SampleStore, giver: str, taker: str, why: str) -> None:
    """A hotline that was left out is not in the route: no copy is sealed to it."""
    report_id, given = sent_report(store)
    with pytest.raises(ActionNotPossible, match=why):
        delivery_actions.transfer_report(store.database, report_id, giver, taker, WHO)
    assert [(row.delivery_id, row.handling) for row in store.deliveries()] == [(given, "none")]


@pytest.mark.parametrize("handling", ["rejected", "closed"])
def test_what_is_done_with_is_not_handed_on(store: SampleStore, handling: str) -> None:
    report_id, given = sent_report(store)
    has(store, given, handling)
    with pytest.raises(ActionNotPossible, match=f"it is {handling} at {ONE}"):
        delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)


def test_an_unknown_report(store: SampleStore) -> None:
    with pytest.raises(ActionNotPossible):
        delivery_actions.transfer_report(store.database, "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e", ONE, TWO, WHO)


def test_two_at_once_hand_it_on_once(store: SampleStore) -> None:
    report_id, _ = sent_report(store)
    came: list[str] = []

    def hand() -> None:
        try:
            came.append(delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)[0])
        except ActionNotPossible:
            came.append("")

    threads = [threading.Thread(target=hand) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(map(bool, came)) == [False, True]
    assert len([row for row in store.deliveries() if row.hotline == TWO]) == 1


def test_what_the_first_hotline_has_not_received_is_sent_there_no_more(store: SampleStore) -> None:
    report_id, given = sent_report(store)
    say(store, report_id)
    tick(store)
    delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)
    first = [row for row in store.deliveries() if row.hotline == ONE]
    assert [(row.type, row.state) for row in first] == [("created", "cancelled"), ("message", "cancelled")]
    assert store.acts(given)[-2:] == ["handed_on", "cancelled:handed_over"]
    harness = SchedulerHarness(store)
    harness.jobs.receipts()
    harness.jobs._delivery_runner.drain(PRIORITIES)
    assert {request.hotline for request in harness.hotline.requests} == {TWO}
    assert store.delivery(given).state == "cancelled"
    assert (store.reports()[0].state, store.reports()[0].desk) == ("delivered", TWO)


def update_report(store: SampleStore, number: int = 2) -> None:
    """Submit a further revision of the only report, as web does after Send."""
    revision = store.sealed(ROUTE, priority="P2", revision=number, before=store.reports()[0])
    pending_submissions.schedule_pending(store.database, revision, PendingKind.UPDATE, store.database.now())
    for key in pending_submissions.list_due(store.database):
        pending_submissions.submit_due(store.database, key)


def sent_to(store: SampleStore, hotline: str) -> list[tuple[str, int, str]]:
    return [(row.type, row.revision, row.state) for row in store.deliveries() if row.hotline == hotline]


@pytest.mark.rule("S-26")
def test_a_hotline_that_it_was_taken_from_unreceived_gets_nothing_more_of_it(store: SampleStore) -> None:
    report_id, _ = sent_report(store)
    delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)
    update_report(store)
    say(store, report_id)
    tick(store)
    assert sent_to(store, ONE) == [("created", 1, "cancelled")]
    assert sent_to(store, TWO) == [("created", 1, "due"), ("updated", 2, "due"), ("message", 1, "due")]


@pytest.mark.rule("S-26")
def test_a_hotline_that_has_declined_gets_nothing_more_of_it(store: SampleStore) -> None:
    report_id, given = sent_report(store)
    has(store, given, "rejected")
    fallbacks.add_fallback(store.database, report_id, TWO, "DECLINED")
    update_report(store)
    say(store, report_id)
    tick(store)
    assert sent_to(store, ONE) == [("created", 1, "delivered")]
    assert sent_to(store, TWO) == [("created", 1, "due"), ("updated", 2, "due"), ("message", 1, "due")]


@pytest.mark.rule("S-26")
def test_a_hotline_whose_delivery_was_cancelled_gets_nothing_more_of_it(store: SampleStore) -> None:
    report_id, given = sent_report(store)
    fallbacks.add_fallback(store.database, report_id, TWO, "NO_RECEIPT")
    for before in (True, False):
        update_report(store, 2 if before else 3)
        say(store, report_id)
        tick(store)
        if before:
            delivery_actions.cancel(store.database, given, WHO, "mistake")
    assert {state for _, _, state in sent_to(store, ONE)} == {"cancelled"}
    assert [revision for kind, revision, _ in sent_to(store, ONE) if kind == "updated"] == [2]
    assert store.acts(given)[-1:] == ["cancelled:mistake"]
    assert len(sent_to(store, TWO)) == 5


@pytest.mark.parametrize("revised", [False, True])
@pytest.mark.parametrize(("state", "handling"), [("due", "none"), ("refused", "none"), ("delivered", "rejected")])
def test_a_transfer_of_an_unreceived_report_can_be_undone(
    store: SampleStore, state: str, handling: str, *, revised: bool
) -> None:
    report_id, given = sent_report(store)
    say(store, report_id)
    tick(store)
    made, _ = delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)
    has(store, made, handling, state)
    assert fallbacks.load_chain(store.database, report_id).remaining == (), "the escalation does not undo it"
    if revised:
        update_report(store)
    back, _ = delivery_actions.transfer_report(store.database, report_id, TWO, ONE, WHO)
    assert (back == given) is not revised
    [report] = store.reports()
    assert (report.state, report.desk) == ("queued", ONE)
    due = [(kind, revision) for kind, revision, is_now in sent_to(store, ONE) if is_now == "due"]
    assert sorted(due) == [("created", 2 if revised else 1), ("message", 1)]
    assert (store.delivery(back).handling, store.delivery(back).attempt) == ("none", 0)
    with pytest.raises(ActionNotPossible, match="it can go to" if state != "delivered" else "nobody is left"):
        delivery_actions.transfer_report(store.database, report_id, ONE, ONE, WHO)


@pytest.mark.parametrize("arrives", [True, False])
def test_a_request_under_way_counts_as_delivered_only_if_it_arrives(store: SampleStore, arrives: bool) -> None:
    report_id, given = sent_report(store)
    leased = outbox.lease(store.database, given, "w/urgent/1")
    assert leased is not None
    delivery_actions.transfer_report(store.database, report_id, ONE, TWO, WHO)
    if arrives:
        assert outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
    else:
        assert not outbox.mark_failed(store.database, leased, DeliveryFailure("busy", 503, 0), "w/urgent/1", "worker")
    row = store.delivery(given)
    assert (row.state, row.handling) == ("delivered" if arrives else "cancelled", "rejected")
    assert (store.reports()[0].state, store.reports()[0].desk) == ("queued", TWO)
    assert outbox.lease(store.database, given, "w/urgent/1") is None


def test_a_notice_under_way_shows_no_report_that_was_cancelled(store: SampleStore) -> None:
    """It holds nothing of the report: staff would read the copy here, and one of them may be named in it."""
    report_id, given = sent_report(store)
    leased = outbox.lease(store.database, given, "w/urgent/1")
    assert leased is not None
    fallbacks.add_fallback(store.database, report_id, TWO, "NO_RECEIPT")
    delivery_actions.cancel(store.database, given, WHO, "mistake")
    receipt = DeliveryReceipt("delivered", 250, bytes(32), is_notice=True)
    assert not outbox.mark_delivered(store.database, leased, receipt, "worker")
    assert store.delivery(given).state == "cancelled" and store.acts(given)[-1] == "cancelled:mistake"


def test_a_request_under_way_that_was_cancelled_brings_nothing_more(store: SampleStore) -> None:
    report_id, given = sent_report(store)
    leased = outbox.lease(store.database, given, "w/urgent/1")
    assert leased is not None
    fallbacks.add_fallback(store.database, report_id, TWO, "NO_RECEIPT")
    delivery_actions.cancel(store.database, given, WHO, "mistake")
    assert outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
    update_report(store)
    assert sent_to(store, ONE) == [("created", 1, "delivered")]
    assert (store.reports()[0].state, store.reports()[0].desk) == ("queued", TWO)
