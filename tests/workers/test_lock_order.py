"""Each transaction locks the report before its deliveries, so that no two wait for each other (docs/store.md)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from reports.store import circuit_breakers, outbox
from reports.store.cases import case_actions
from reports.store.cases.case_actions import CaseAction
from reports.store.deliveries import lock_report
from reports.store.escalation import fallbacks, steps
from reports.store.operations import delivery_actions
from reports.store.outbox import DeliveryFailure, DeliveryReceipt
from reports.store.schema import tables as t
from reports.store.sms import duty_phones
from reports.store.sms.duty_phones import PhoneReply
from tests.support.wait import until
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore
from tests.workers.test_steps import begin

pytestmark = pytest.mark.slow

ROUTE = ((ONE, "primary"), (TWO, "also"), (THREE, "fallback"))
WORKER, WHO = "here/urgent/1", "ops:mere"


@pytest.fixture(autouse=True)
def rows_are_locked(store: SampleStore) -> None:
    if store.database.is_sqlite:
        pytest.skip("no rows are locked there")


def sent_report(store: SampleStore) -> tuple[str, str]:
    """Return the id of a new report, and of its first delivery."""
    [delivery_id, *_] = store.submit(ROUTE)
    return str(store.delivery(delivery_id).report_id), delivery_id


def change(store: SampleStore, delivery_id: str, **values: Any) -> None:
    with store.database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == delivery_id).values(values))


def attempt(store: SampleStore, delivery_id: str) -> Any:
    return outbox.lease(store.database, delivery_id, WORKER)


def cancel(store: SampleStore, _: str, delivery_id: str) -> Callable[[], object]:
    return lambda: delivery_actions.cancel(store.database, delivery_id, WHO, "mistake") or True


def park(store: SampleStore, _: str, delivery_id: str) -> Callable[[], object]:
    return lambda: delivery_actions.park(store.database, delivery_id, WHO) or True


def receive(store: SampleStore, _: str, delivery_id: str) -> Callable[[], object]:
    leased = attempt(store, delivery_id)
    receipt = DeliveryReceipt("delivered", 200, b"s" * 32)
    return lambda: outbox.mark_delivered(store.database, leased, receipt, "worker")


def refuse(store: SampleStore, _: str, delivery_id: str) -> Callable[[], object]:
    leased = attempt(store, delivery_id)
    failure = DeliveryFailure("refused", 400, None)
    return lambda: outbox.mark_failed(store.database, leased, failure, WORKER, "worker")


def expire(store: SampleStore, _: str, delivery_id: str) -> Callable[[], object]:
    change(store, delivery_id, created_at=0)
    return lambda: outbox.park_expired(store.database, 1_000_000, 1)


def gone(store: SampleStore) -> None:
    with store.database.write() as connection:
        circuit_breakers.mark_gone(connection, store.database, ONE, store.database.now())


def refuse_as_gone(store: SampleStore, _: str, __: str) -> Callable[[], object]:
    gone(store)
    return lambda: outbox.refuse_for_gone_hotlines(store.database)


def revive(store: SampleStore, _: str, __: str) -> Callable[[], object]:
    gone(store)
    outbox.refuse_for_gone_hotlines(store.database)
    return lambda: delivery_actions.revive_hotline(store.database, ONE, WHO)


def handled(store: SampleStore, report_id: str, _: str) -> Callable[[], object]:
    case_actions.perform(store.database, CaseAction(ONE, report_id, "accepted", f"staff:{ONE}/mere"))
    return lambda: case_actions.mark_handled_delivered(store.database)


def reply(store: SampleStore, _: str, delivery_id: str) -> Callable[[], object]:
    now = store.database.now()
    alert = {"sms_id": "o" * 36, "delivery_id": delivery_id, "hotline": ONE, "rank": 0, "word": "482193"}
    with store.database.write() as connection:
        connection.execute(insert(t.page).values(alert | {"created_at": now}))
        connection.execute(insert(t.phone_answer).values(answer_id="a", hotline=ONE, word="482193", at=now, wrong=0))
    return lambda: duty_phones.accept_reply(store.database, PhoneReply("a", ONE, "482193", now))


def next_hotline(store: SampleStore, report_id: str, _: str) -> Callable[[], object]:
    return lambda: fallbacks.add_fallback(store.database, report_id, THREE, "NO_RECEIPT")


def escalate(store: SampleStore, _: str, __: str) -> Callable[[], object]:
    begin(store)
    later = store.later(minutes=31)
    [step] = [one for one in steps.list_due(later.database) if one.step == "backup"]
    return lambda: steps.give_to_fallback(later.database, step, THREE, "NO_ACK")


ACTS = (cancel, park, receive, refuse, expire, refuse_as_gone, revive, handled, reply, next_hotline, escalate)


@pytest.mark.parametrize("act", ACTS)
def test_nobody_locks_a_delivery_and_then_its_report(
    store: SampleStore, act: Callable[[SampleStore, str, str], Callable[[], object]]
) -> None:
    """Staff press *Decline* at this moment: that has the report already, and then wants its deliveries."""
    report_id, delivery_id = sent_report(store)
    run, done = act(store, report_id, delivery_id), []
    thread = threading.Thread(target=lambda: done.append(run()))
    with store.database.write() as connection:
        lock_report(connection, report_id)
        thread.start()
        until(lambda: waits_for_a_lock(store), "nobody waits for the report", seconds=1)
        for table in (t.delivery, t.step):
            connection.execute(select(table).where(table.c.report_id == report_id).with_for_update())
    thread.join(10)
    assert done and done[0]


def waits_for_a_lock(store: SampleStore) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with store.database.read() as connection:
        return connection.execute(text(waiting)).first() is not None


def test_a_hotline_that_answers_again_waits_for_no_delivery_under_way(store: SampleStore) -> None:
    """A worker has that delivery, and then wants the state of the hotline, which is locked here."""
    _, first = sent_report(store)
    _, locked = sent_report(store)
    _, waiting = sent_report(store)
    with store.database.write() as connection:
        for _ in range(circuit_breakers.FAILURE_THRESHOLD):
            circuit_breakers.count_failure(connection, store.database, ONE, store.database.now(), probe=True)
    ahead = store.database.now() + 3_600_000_000
    for one in (locked, waiting):
        change(store, one, next_at=ahead)
    leased = attempt(store, first)
    receipt = DeliveryReceipt("delivered", 200, b"s" * 32)
    with store.database.write() as connection:
        connection.execute(select(t.delivery).where(t.delivery.c.delivery_id == locked).with_for_update())
        assert outbox.mark_delivered(store.database, leased, receipt, "worker")
    assert store.delivery(waiting).next_at < ahead == store.delivery(locked).next_at
