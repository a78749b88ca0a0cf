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
from tests.workers.filings import ONE, THREE, TWO, Desk
from tests.workers.room import Room
from tests.workers.test_reporter_messages import ROUTE, messages, say, sent_report, tick
from workers.jobs.recipients import next_fallback

pytestmark = pytest.mark.slow

WHO = "operator:mere"


def has(desk: Desk, delivery_id: str, handling: str, state: str = "delivered") -> None:
    mine = t.delivery.c.delivery_id == delivery_id
    with desk.database.write() as connection:
        connection.execute(update(t.delivery).where(mine).values(handling=handling, state=state))


@pytest.mark.rule("S-24")
@pytest.mark.parametrize("before", ["none", "accepted", "in_progress"])
def test_it_goes_on_with_all_that_was_said(desk: Desk, before: str) -> None:
    report_id, given = sent_report(desk)
    has(desk, given, before)
    say(desk, report_id)
    assert len(tick(desk)) == 1
    made, priority = delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)
    row = desk.delivery(made)
    assert (row.hotline, row.role, row.why, row.state, row.handling) == (TWO, "fallback", "HANDED_ON", "due", "none")
    assert priority == row.priority == "P2"
    assert desk.delivery(given).handling == "rejected"
    assert messages(desk) == [(ONE, 1, "due"), (TWO, 1, "due")]
    assert desk.acts(given)[-1:] == ["handed_on"]
    assert desk.acts(made) == ["made"]
    [report] = desk.reports()
    assert (report.state, report.desk) == ("queued", TWO)
    assert (
        next_fallback(fallbacks.load_chain(desk.database, report_id)) is None
    )  # the next one has it; nobody else gets it


def test_the_ladder_goes_on_where_it_stood(desk: Desk) -> None:
    report_id, given = sent_report(desk)
    has(desk, given, "accepted")
    assert not steps.list_unstarted(desk.database)
    delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)
    assert [row[0] for row in steps.list_unstarted(desk.database)] == [report_id]


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
def test_to_nobody_else(desk: Desk, giver: str, taker: str, why: str) -> None:
    """A hotline that was left out is not in the route: no copy is sealed to it."""
    report_id, given = sent_report(desk)
    with pytest.raises(ActionNotPossible, match=why):
        delivery_actions.transfer_report(desk.database, report_id, giver, taker, WHO)
    assert [(row.delivery_id, row.handling) for row in desk.deliveries()] == [(given, "none")]


@pytest.mark.parametrize("handling", ["rejected", "closed"])
def test_what_is_done_with_is_not_handed_on(desk: Desk, handling: str) -> None:
    report_id, given = sent_report(desk)
    has(desk, given, handling)
    with pytest.raises(ActionNotPossible, match=f"it is {handling} at {ONE}"):
        delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)


def test_an_unknown_report(desk: Desk) -> None:
    with pytest.raises(ActionNotPossible):
        delivery_actions.transfer_report(desk.database, "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e", ONE, TWO, WHO)


def test_two_at_once_hand_it_on_once(desk: Desk) -> None:
    report_id, _ = sent_report(desk)
    came: list[str] = []

    def hand() -> None:
        try:
            came.append(delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)[0])
        except ActionNotPossible:
            came.append("")

    threads = [threading.Thread(target=hand) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(map(bool, came)) == [False, True]
    assert len([row for row in desk.deliveries() if row.hotline == TWO]) == 1


def test_what_the_first_hotline_has_not_received_is_sent_there_no_more(desk: Desk) -> None:
    report_id, given = sent_report(desk)
    say(desk, report_id)
    tick(desk)
    delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)
    first = [row for row in desk.deliveries() if row.hotline == ONE]
    assert [(row.type, row.state) for row in first] == [("created", "cancelled"), ("message", "cancelled")]
    assert desk.acts(given)[-2:] == ["handed_on", "cancelled:handed_over"]
    room = Room(desk)
    room.jobs.receipts()
    room.jobs._delivery_runner.drain(PRIORITIES)
    assert {parcel.hotline for parcel in room.hotline.parcels} == {TWO}
    assert desk.delivery(given).state == "cancelled"
    assert (desk.reports()[0].state, desk.reports()[0].desk) == ("delivered", TWO)


def update_report(desk: Desk) -> None:
    """Submit a further revision of the only report, as web does after Send."""
    revision = desk.sealed(ROUTE, priority="P2", revision=2, before=desk.reports()[0])
    pending_submissions.schedule_pending(desk.database, revision, PendingKind.UPDATE, desk.database.now())
    for key in pending_submissions.list_due(desk.database):
        pending_submissions.submit_due(desk.database, key)


def sent_to(desk: Desk, hotline: str) -> list[tuple[str, int, str]]:
    return [(row.type, row.revision, row.state) for row in desk.deliveries() if row.hotline == hotline]


@pytest.mark.rule("S-26")
def test_a_hotline_that_it_was_taken_from_unreceived_gets_nothing_more_of_it(desk: Desk) -> None:
    report_id, _ = sent_report(desk)
    delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)
    update_report(desk)
    say(desk, report_id)
    tick(desk)
    assert sent_to(desk, ONE) == [("created", 1, "cancelled")]
    assert sent_to(desk, TWO) == [("created", 1, "due"), ("updated", 2, "due"), ("message", 1, "due")]


@pytest.mark.parametrize("revised", [False, True])
@pytest.mark.parametrize(("state", "handling"), [("due", "none"), ("refused", "none"), ("delivered", "rejected")])
def test_a_transfer_of_an_unreceived_report_can_be_undone(
    desk: Desk, state: str, handling: str, *, revised: bool
) -> None:
    report_id, given = sent_report(desk)
    say(desk, report_id)
    tick(desk)
    made, _ = delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)
    has(desk, made, handling, state)
    assert fallbacks.load_chain(desk.database, report_id).remaining == (), "the escalation does not undo it"
    if revised:
        update_report(desk)
    back, _ = delivery_actions.transfer_report(desk.database, report_id, TWO, ONE, WHO)
    assert (back == given) is not revised
    [report] = desk.reports()
    assert (report.state, report.desk) == ("queued", ONE)
    due = [(kind, revision) for kind, revision, is_now in sent_to(desk, ONE) if is_now == "due"]
    assert sorted(due) == [("created", 2 if revised else 1), ("message", 1)]
    assert (desk.delivery(back).handling, desk.delivery(back).attempt) == ("none", 0)
    with pytest.raises(ActionNotPossible, match="it can go to" if state != "delivered" else "nobody is left"):
        delivery_actions.transfer_report(desk.database, report_id, ONE, ONE, WHO)


@pytest.mark.parametrize("arrives", [True, False])
def test_a_request_under_way_counts_as_delivered_only_if_it_arrives(desk: Desk, arrives: bool) -> None:
    report_id, given = sent_report(desk)
    leased = outbox.lease(desk.database, given, "w/urgent/1")
    assert leased is not None
    delivery_actions.transfer_report(desk.database, report_id, ONE, TWO, WHO)
    if arrives:
        assert outbox.mark_delivered(desk.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
    else:
        assert not outbox.mark_failed(desk.database, leased, DeliveryFailure("busy", 503, 0), "w/urgent/1", "worker")
    row = desk.delivery(given)
    assert (row.state, row.handling) == ("delivered" if arrives else "cancelled", "rejected")
    assert (desk.reports()[0].state, desk.reports()[0].desk) == ("queued", TWO)
    assert outbox.lease(desk.database, given, "w/urgent/1") is None
