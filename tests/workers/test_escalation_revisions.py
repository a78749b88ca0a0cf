"""Escalation of a report with additions: its priority rises, or other hotlines get it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from reports.store import deliveries, pending_submissions
from reports.store.cases import case_actions, case_status
from reports.store.cases.case_actions import CaseAction, UrgentRevisionNotReceived
from reports.store.operations import overview
from reports.store.schema import tables as t
from reports.store.submissions import Submission
from tests.workers.filings import ONE, TWO, Desk
from tests.workers.night import CHAIN, Night
from tests.workers.test_escalation import at, story


def filed_later(desk: Desk, sealed: Submission) -> None:
    pending_submissions.schedule_pending(desk.database, sealed, "update", desk.database.now())
    for key in pending_submissions.list_due(desk.database):
        pending_submissions.submit_due(desk.database, key)


@pytest.mark.rule("S-26")
def test_who_was_left_out_and_has_it_stops_no_clock_of_the_others(desk: Desk) -> None:
    """The call dropped, and the first hotline acknowledged the incomplete report; then the child left it out."""
    desk.file(((ONE, "primary"),), completeness="incomplete")
    night = Night(desk)
    night.until(0)
    night.handle(ONE, "accepted")
    assert standing(desk) == ("accepted", ONE)
    [report] = desk.reports()
    filed_later(desk, desk.sealed(((TWO, "primary"),), before=report, revision=2))
    assert standing(desk)[1] == TWO
    assert overview.list_unacknowledged(desk.database)[1] == 1, "tokaut watch shows what still escalates"
    night.until(61)
    assert "supervisor of two" in story(night)
    night.handle(TWO, "accepted")
    assert standing(desk) == ("accepted", TWO)


def test_what_is_added_to_one_report_leaves_nobody_out_of_another(desk: Desk) -> None:
    desk.file(CHAIN)
    desk.file(CHAIN)
    night = Night(desk)
    night.until(0)
    filed_later(desk, desk.sealed(CHAIN, before=desk.reports()[1], revision=2))
    night.handle(ONE, "accepted")
    assert [standing(desk, which) for which in (0, 1)] == [("accepted", ONE), ("accepted", ONE)]
    night.until(61)
    assert story(night) == ""


def standing(desk: Desk, which: int = 0) -> tuple[str, str | None]:
    """Return the state and the responsible hotline, as computed when a delivery changes."""
    report_id = desk.reports()[which].report_id
    with desk.database.write() as connection:
        deliveries.update_report_state(connection, report_id, desk.database.now())
    report = desk.reports()[which]
    return report.state, report.desk


def test_a_rise_begins_the_quicker_clock(desk: Desk) -> None:
    at(desk, 9)
    desk.file(CHAIN, priority="P3")
    night = Night(desk)
    night.until(60, step=10)
    [report] = desk.reports()
    filed_later(desk, desk.sealed(CHAIN, before=report, revision=2, priority="P1"))
    night.until(91)
    assert story(night) == "65 duty officer; 75 → two; 90 supervisor, supervisor of two"


@pytest.mark.rule("S-39")
@pytest.mark.parametrize("handling", ["accepted", "in_progress", "closed"])
def test_who_has_it_in_hand_is_asked_again_when_it_becomes_urgent(desk: Desk, handling: str) -> None:
    """Acknowledged by day as a report that can wait; at night the child adds that there is danger."""
    at(desk, 9)
    desk.file(CHAIN, priority="P3")
    night = Night(desk)
    night.until(10, step=5)
    night.handle(ONE, handling)
    night.until(60, step=10)
    [report] = desk.reports()
    found = {"holder": "mere", "outcome": "hoax", "hoax_by": report.report_id}
    with desk.database.write() as connection:
        case_status.save_values(connection, desk.database, ONE, report.report_id, found)
    filed_later(desk, desk.sealed(CHAIN, before=desk.reports()[0], revision=2, priority="P1"))
    assert standing(desk) == ("delivered", ONE)
    with desk.database.read() as connection:
        assert connection.execute(select(t.holding.c["holder", "outcome", "hoax_by"])).one() == (None, None, None)
    night.until(76)
    with desk.database.read() as connection:
        theirs = select(t.delivery.c.priority).where(t.delivery.c.hotline == ONE)
        assert set(connection.execute(theirs).scalars()) == {"P1"}, "staff find it as what it is"
    night.handle(ONE, "accepted")
    night.until(200, step=10)
    assert story(night) == "65 duty officer; 75 → two"
    assert standing(desk) == ("accepted", ONE)


@pytest.mark.rule("S-26")
def test_who_was_left_out_is_not_asked_again(desk: Desk) -> None:
    desk.file(((ONE, "primary"),), priority="P3", completeness="incomplete")
    night = Night(desk)
    night.until(0)
    night.handle(ONE, "accepted")
    filed_later(desk, desk.sealed(((TWO, "primary"),), before=desk.reports()[0], revision=2, priority="P1"))
    with desk.database.read() as connection:
        query = select(t.delivery.c.handling).where(t.delivery.c.hotline == ONE)
        assert connection.execute(query).scalars().all() == ["accepted"]


def test_one_that_is_a_little_more_urgent_stays_in_hand(desk: Desk) -> None:
    at(desk, 9)
    desk.file(CHAIN, priority="P4")
    night = Night(desk)
    night.until(10, step=5)
    night.handle(ONE, "accepted")
    filed_later(desk, desk.sealed(CHAIN, before=desk.reports()[0], revision=2, priority="P3"))
    assert standing(desk) == ("accepted", ONE)


def test_a_callback_for_what_was_less_urgent_ends_no_urgent_escalation(desk: Desk) -> None:
    """The hotline's server is down when the urgent revision comes, and its staff accept the first one."""
    desk.file(CHAIN, priority="P3")
    night = Night(desk)
    night.until(0)
    [report] = desk.reports()
    filed_later(desk, desk.sealed(CHAIN, priority="P1", before=report, revision=2))
    accepted = CaseAction(ONE, report.report_id, "accepted", f"staff:{ONE}/call_back", by_callback=True)
    with pytest.raises(UrgentRevisionNotReceived):
        case_actions.perform(desk.database, accepted)
    night.until(31, delivers=False)
    assert "supervisor" in story(night)
    night.deliver()
    assert case_actions.perform(desk.database, accepted) == "accepted"
    assert standing(desk) == ("accepted", ONE)
