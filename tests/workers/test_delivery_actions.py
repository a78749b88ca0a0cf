"""The operator's commands list, retry, park, cancel and revive: every pair of state and command."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from reports.store import outbox
from reports.store.operations import delivery_actions
from reports.store.operations.delivery_actions import ActionNotPossible
from reports.store.outbox import DeliveryFailure
from reports.store.schema import tables as t
from runtime.time_units import DAY
from tests.workers.filings import ONE, SECOND, TWO, Desk

STATES = ["due", "delivered", "refused", "parked", "cancelled"]


def in_state(desk: Desk, state: str) -> str:
    """Return a delivery in this state; its report has another recipient too."""
    delivery, _ = desk.file([(ONE, "primary"), (TWO, "also")])
    with desk.database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery).values(state=state))
    return delivery


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("order", "allowed", "to"),
    [
        ("retry", {"due", "refused", "parked"}, "due"),
        ("park", {"due", "refused"}, "parked"),
        ("cancel", {"due", "refused", "parked"}, "cancelled"),
    ],
)
def test_every_pair(desk: Desk, state: str, order: str, allowed: set[str], to: str) -> None:
    delivery = in_state(desk, state)
    arguments = ("operator", "double") if order == "cancel" else ("operator",)
    if state in allowed:
        getattr(delivery_actions, order)(desk.database, delivery, *arguments)
        assert desk.delivery(delivery).state == to
        assert len(desk.acts(delivery)) == 1
    else:
        with pytest.raises(ActionNotPossible):
            getattr(delivery_actions, order)(desk.database, delivery, *arguments)
        assert desk.delivery(delivery).state == state
        assert desk.acts(delivery) == []


def test_retried_it_can_be_leased_at_once_under_the_same_key(desk: Desk) -> None:
    [delivery] = desk.file(priority="P4")
    desk.database.offset += 20 * DAY
    delivery_actions.park(desk.database, delivery, "operator")
    delivery_actions.retry(desk.database, delivery, "operator")
    leased = outbox.lease(desk.database, delivery, "w/standard-1/a")
    assert leased is not None
    assert leased.attempt == 1
    assert leased.now - leased.created_at < DAY, "it has its 14 days again"


def test_the_last_one_alive_is_never_cancelled(desk: Desk) -> None:
    [delivery] = desk.file()
    with pytest.raises(ActionNotPossible, match="last open delivery"):
        delivery_actions.cancel(desk.database, delivery, "operator", "mistake")


@pytest.mark.parametrize("reason", ["", "two words", "x" * 13, "émile"])
def test_a_reason_is_one_word(desk: Desk, reason: str) -> None:
    delivery = in_state(desk, "due")
    with pytest.raises(ActionNotPossible, match="one word"):
        delivery_actions.cancel(desk.database, delivery, "operator", reason)


def test_no_such_delivery(desk: Desk) -> None:
    with pytest.raises(ActionNotPossible, match="no such"):
        delivery_actions.retry(desk.database, "nothing", "operator")


def test_listed_are_those_that_did_not_get_through(desk: Desk) -> None:
    waits, parked, there = in_state(desk, "due"), in_state(desk, "parked"), in_state(desk, "delivered")
    ids = {row.delivery_id for row in delivery_actions.list_deliveries(desk.database)}
    assert {waits, parked} <= ids
    assert there not in ids


def test_a_hotline_that_is_back_gets_what_was_refused_for_it(desk: Desk) -> None:
    gone, other = desk.file()[0], desk.file([(TWO, "primary")])[0]
    for delivery, failure in (
        (gone, DeliveryFailure("gone", 410, None, gone=True)),
        (other, DeliveryFailure("refused", 422, None)),
    ):
        leased = outbox.lease(desk.database, delivery, "w/urgent-1/a")
        assert leased is not None
        outbox.mark_failed(desk.database, leased, failure, "w/urgent-1/a", "worker")
    assert delivery_actions.revive_hotline(desk.database, ONE, "operator") == 1
    assert outbox.lease(desk.database, gone, "w/urgent-1/a") is not None
    assert desk.delivery(other).state == "refused"
    assert desk.delivery(gone).next_at <= desk.database.now() + SECOND
