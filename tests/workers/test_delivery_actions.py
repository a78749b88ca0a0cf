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
from tests.workers.sample_store import ONE, SECOND, TWO, SampleStore

STATES = ["due", "delivered", "refused", "parked", "cancelled"]


def in_state(store: SampleStore, state: str) -> str:
    """Return a delivery in this state; its report has another recipient too."""
    delivery, _ = store.submit([(ONE, "primary"), (TWO, "also")])
    with store.database.write() as connection:
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
def test_every_pair(store: SampleStore, state: str, order: str, allowed: set[str], to: str) -> None:
    delivery = in_state(store, state)
    arguments = ("operator", "double") if order == "cancel" else ("operator",)
    if state in allowed:
        getattr(delivery_actions, order)(store.database, delivery, *arguments)
        assert store.delivery(delivery).state == to
        assert len(store.acts(delivery)) == 1
    else:
        with pytest.raises(ActionNotPossible):
            getattr(delivery_actions, order)(store.database, delivery, *arguments)
        assert store.delivery(delivery).state == state
        assert store.acts(delivery) == []


def test_retried_it_can_be_leased_at_once_under_the_same_key(store: SampleStore) -> None:
    [delivery] = store.submit(priority="P4")
    store.database.offset += 20 * DAY
    delivery_actions.park(store.database, delivery, "operator")
    delivery_actions.retry(store.database, delivery, "operator")
    leased = outbox.lease(store.database, delivery, "w/standard-1/a")
    assert leased is not None
    assert leased.attempt == 1
    assert leased.now - leased.created_at < DAY, "it has its 14 days again"


def test_the_last_one_alive_is_never_cancelled(store: SampleStore) -> None:
    [delivery] = store.submit()
    with pytest.raises(ActionNotPossible, match="last open delivery"):
        delivery_actions.cancel(store.database, delivery, "operator", "mistake")


@pytest.mark.parametrize("reason", ["", "two words", "x" * 13, "émile"])
def test_a_reason_is_one_word(store: SampleStore, reason: str) -> None:
    delivery = in_state(store, "due")
    with pytest.raises(ActionNotPossible, match="one word"):
        delivery_actions.cancel(store.database, delivery, "operator", reason)


def test_no_such_delivery(store: SampleStore) -> None:
    with pytest.raises(ActionNotPossible, match="no such"):
        delivery_actions.retry(store.database, "nothing", "operator")


def test_listed_are_those_that_did_not_get_through(store: SampleStore) -> None:
    waits, parked, there = in_state(store, "due"), in_state(store, "parked"), in_state(store, "delivered")
    ids = {row.delivery_id for row in delivery_actions.list_deliveries(store.database)}
    assert {waits, parked} <= ids
    assert there not in ids


def test_a_hotline_that_is_back_gets_what_was_refused_for_it(store: SampleStore) -> None:
    gone, other = store.submit()[0], store.submit([(TWO, "primary")])[0]
    for delivery, failure in (
        (gone, DeliveryFailure("gone", 410, None, gone=True)),
        (other, DeliveryFailure("refused", 422, None)),
    ):
        leased = outbox.lease(store.database, delivery, "w/urgent-1/a")
        assert leased is not None
        outbox.mark_failed(store.database, leased, failure, "w/urgent-1/a", "worker")
    assert delivery_actions.revive_hotline(store.database, ONE, "operator") == 1
    assert outbox.lease(store.database, gone, "w/urgent-1/a") is not None
    assert store.delivery(other).state == "refused"
    assert store.delivery(gone).next_at <= store.database.now() + SECOND
