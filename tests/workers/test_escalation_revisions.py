"""Escalation of a report with additions: its priority rises, or other hotlines get it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from reports.store import deliveries, outbox, pending_submissions
from reports.store.cases import case_actions, case_status
from reports.store.cases.case_actions import CaseAction, UrgentRevisionNotReceived
from reports.store.escalation import fallbacks
from reports.store.operations import delivery_actions, overview
from reports.store.outbox import DeliveryReceipt
from reports.store.schema import tables as t
from reports.store.submissions import Submission
from runtime.time_units import DAY
from tests.workers.escalation_scenario import CHAIN, EscalationScenario, country_with_cards
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore
from tests.workers.test_escalation import at, closed, story


def filed_later(store: SampleStore, sealed: Submission) -> None:
    pending_submissions.schedule_pending(store.database, sealed, "update", store.database.now())
    for key in pending_submissions.list_due(store.database):
        pending_submissions.submit_due(store.database, key)


@pytest.mark.rule("S-26")
def test_who_was_left_out_and_has_it_stops_no_clock_of_the_others(store: SampleStore) -> None:
    """The call dropped, and the first hotline acknowledged the incomplete report; then the child left it out."""
    store.submit(((ONE, "primary"),), completeness="incomplete")
    scenario = EscalationScenario(store)
    scenario.until(0)
    scenario.handle(ONE, "accepted")
    assert standing(store) == ("accepted", ONE)
    [report] = store.reports()
    filed_later(store, store.sealed(((TWO, "primary"),), before=report, revision=2))
    assert standing(store)[1] == TWO
    assert overview.list_unacknowledged(store.database)[1] == 1, "tokaut watch shows what still escalates"
    scenario.until(61)
    assert "supervisor of two" in story(scenario)
    scenario.handle(TWO, "accepted")
    assert standing(store) == ("accepted", TWO)


def test_what_is_added_to_one_report_leaves_nobody_out_of_another(store: SampleStore) -> None:
    store.submit(CHAIN)
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(0)
    filed_later(store, store.sealed(CHAIN, before=store.reports()[1], revision=2))
    scenario.handle(ONE, "accepted")
    assert [standing(store, which) for which in (0, 1)] == [("accepted", ONE), ("accepted", ONE)]
    scenario.until(61)
    assert story(scenario) == ""


def standing(store: SampleStore, which: int = 0) -> tuple[str, str | None]:
    """Return the state and the responsible hotline, as computed when a delivery changes."""
    report_id = store.reports()[which].report_id
    with store.database.write() as connection:
        deliveries.update_report_state(connection, report_id, store.database.now())
    report = store.reports()[which]
    return report.state, report.desk


def test_a_rise_begins_the_quicker_clock(store: SampleStore) -> None:
    at(store, 9)
    store.submit(CHAIN, priority="P3")
    scenario = EscalationScenario(store)
    scenario.until(60, step=10)
    [report] = store.reports()
    filed_later(store, store.sealed(CHAIN, before=report, revision=2, priority="P1"))
    scenario.until(91)
    assert story(scenario) == "65 duty officer; 75 → two; 90 supervisor, supervisor of two"


@pytest.mark.rule("S-39")
@pytest.mark.parametrize("handling", ["accepted", "in_progress", "closed"])
def test_who_has_it_in_hand_is_asked_again_when_it_becomes_urgent(store: SampleStore, handling: str) -> None:
    """Acknowledged by day as a report that can wait; at night the child adds that there is danger."""
    at(store, 9)
    store.submit(CHAIN, priority="P3")
    scenario = EscalationScenario(store)
    scenario.until(10, step=5)
    scenario.handle(ONE, handling)
    scenario.until(60, step=10)
    [report] = store.reports()
    found = {"holder": "mere", "outcome": "hoax", "hoax_by": report.report_id}
    with store.database.write() as connection:
        case_status.save_values(connection, store.database, ONE, report.report_id, found)
    filed_later(store, store.sealed(CHAIN, before=store.reports()[0], revision=2, priority="P1"))
    assert standing(store) == ("delivered", ONE)
    with store.database.read() as connection:
        assert connection.execute(select(t.holding.c["holder", "outcome", "hoax_by"])).one() == (None, None, None)
    scenario.until(76)
    with store.database.read() as connection:
        theirs = select(t.delivery.c.priority).where(t.delivery.c.hotline == ONE)
        assert set(connection.execute(theirs).scalars()) == {"P1"}, "staff find it as what it is"
    scenario.handle(ONE, "accepted")
    scenario.until(200, step=10)
    assert story(scenario) == "65 duty officer; 75 → two"
    assert standing(store) == ("accepted", ONE)


@pytest.mark.rule("S-26")
def test_who_was_left_out_is_not_asked_again(store: SampleStore) -> None:
    store.submit(((ONE, "primary"),), priority="P3", completeness="incomplete")
    scenario = EscalationScenario(store)
    scenario.until(0)
    scenario.handle(ONE, "accepted")
    filed_later(store, store.sealed(((TWO, "primary"),), before=store.reports()[0], revision=2, priority="P1"))
    with store.database.read() as connection:
        query = select(t.delivery.c.handling).where(t.delivery.c.hotline == ONE)
        assert connection.execute(query).scalars().all() == ["accepted"]


def test_one_that_is_a_little_more_urgent_stays_in_hand(store: SampleStore) -> None:
    at(store, 9)
    store.submit(CHAIN, priority="P4")
    scenario = EscalationScenario(store)
    scenario.until(10, step=5)
    scenario.handle(ONE, "accepted")
    filed_later(store, store.sealed(CHAIN, before=store.reports()[0], revision=2, priority="P3"))
    assert standing(store) == ("accepted", ONE)


def test_a_callback_for_what_was_less_urgent_ends_no_urgent_escalation(store: SampleStore) -> None:
    """The hotline's server is down when the urgent revision comes, and its staff accept the first one."""
    store.submit(CHAIN, priority="P3")
    scenario = EscalationScenario(store)
    scenario.until(0)
    [report] = store.reports()
    filed_later(store, store.sealed(CHAIN, priority="P1", before=report, revision=2))
    accepted = CaseAction(ONE, report.report_id, "accepted", f"staff:{ONE}/call_back", by_callback=True)
    with pytest.raises(UrgentRevisionNotReceived):
        case_actions.perform(store.database, accepted)
    scenario.until(31, delivers=False)
    assert "supervisor" in story(scenario)
    scenario.deliver()
    assert case_actions.perform(store.database, accepted) == "accepted"
    assert standing(store) == ("accepted", ONE)


def receive_first_alone(store: SampleStore, first: str, accepted: CaseAction) -> None:
    """Deliver the first revision, and see that its hotline cannot accept the urgent one, which it has not received."""
    leased = outbox.lease(store.database, first, "w/urgent/1")
    assert leased is not None
    outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")
    with pytest.raises(UrgentRevisionNotReceived):
        case_actions.perform(store.database, accepted)


def test_a_callback_for_a_first_revision_that_waited_while_the_urgent_one_came(store: SampleStore) -> None:
    [first] = store.submit(CHAIN, priority="P3")
    [report] = store.reports()
    filed_later(store, store.sealed(CHAIN, priority="P1", before=report, revision=2))
    accepted = CaseAction(ONE, report.report_id, "accepted", f"staff:{ONE}/call_back", by_callback=True)
    receive_first_alone(store, first, accepted)
    EscalationScenario(store).deliver()
    assert case_actions.perform(store.database, accepted) == "accepted"


def test_a_parked_first_revision_that_is_retried_is_not_taken_for_the_urgent_one(store: SampleStore) -> None:
    [first] = store.submit(CHAIN, priority="P3")
    [report] = store.reports()
    filed_later(store, store.sealed(CHAIN, priority="P1", before=report, revision=2))
    store.database.offset += 15 * DAY
    delivery_actions.park(store.database, first, "operator")
    delivery_actions.retry(store.database, first, "operator")
    assert first not in outbox.park_expired(store.database, 14 * DAY), "it has its 14 days again"
    receive_first_alone(
        store, first, CaseAction(ONE, report.report_id, "accepted", f"staff:{ONE}/call_back", by_callback=True)
    )
    assert [tried.state for tried in fallbacks.load_chain(store.database, report.report_id).tried] == ["parked"]


def test_a_delivery_that_a_person_has_retried_is_parked_again_after_14_days(store: SampleStore) -> None:
    [first] = store.submit(CHAIN, priority="P3")
    [report] = store.reports()
    delivery_actions.park(store.database, first, "operator")
    filed_later(store, store.sealed(CHAIN, priority="P2", before=report, revision=2))
    store.database.offset += 15 * DAY
    delivery_actions.retry(store.database, first, "operator")
    store.database.offset += 13 * DAY
    assert first not in outbox.park_expired(store.database, 14 * DAY)
    store.database.offset += 2 * DAY
    assert first in outbox.park_expired(store.database, 14 * DAY)


@pytest.mark.parametrize("state", ["refused", "parked", "cancelled"])
def test_an_open_hotline_that_has_not_got_an_urgent_report_is_no_open_hotline(store: SampleStore, state: str) -> None:
    [first] = store.submit(CHAIN, priority="P3")
    [report] = store.reports()
    scenario = EscalationScenario(store, country_with_cards(closed(TWO)))
    fallbacks.add_fallback(store.database, report.report_id, TWO, "NO_RECEIPT")
    with store.database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.delivery_id == first).values(state=state))
    scenario.until(0)
    filed_later(store, store.sealed(CHAIN, priority="P1", before=report, revision=2))
    scenario.until(1, delivers=False)
    assert scenario.transfers == [(0, THREE, "CLOSED_NOW")]
