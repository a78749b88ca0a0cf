"""Escalation steps in the store: started once, each step done once, and ended by a person."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from reports.escalation import ESCALATION_TIMES
from reports.store import outbox, pending_submissions
from reports.store.escalation import steps
from reports.store.escalation.steps import EscalationStep
from reports.store.outbox import DeliveryReceipt
from reports.store.schema import tables as t
from runtime.time_units import MINUTE
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore

LEGS = ((ONE, "primary"), (TWO, "fallback"), (THREE, "fallback"))


def begun(store: SampleStore, **how: str) -> str:
    """Submit a report and start its escalation; return its id."""
    store.submit(LEGS, **how)
    begin(store)
    return str(store.reports()[-1].report_id)


def begin(store: SampleStore) -> list[str]:
    found = steps.list_unstarted(store.database)
    for report_id, priority, _ in found:
        steps.start_steps(store.database, [(report_id, priority, ESCALATION_TIMES[priority])])
    return [priority for _, priority, _ in found]


def escalation(store: SampleStore) -> dict[str, tuple[int, str | None]]:
    """Return step → (minute at which it is due, its outcome)."""
    s = t.step.c
    with store.database.read() as connection:
        rows = connection.execute(select(t.step).order_by(s.priority, s.due_at)).all()
    first = {row.priority: row.due_at for row in rows if row.step == "begin"}
    return {
        f"{row.priority} {row.step} {row.round}": ((row.due_at - first[row.priority]) // MINUTE, row.came_to)
        for row in rows
    }


def due(store: SampleStore) -> list[str]:
    return [one.step for one in steps.list_due(store.database)]


def handle(store: SampleStore, hotline: str, handling: str) -> None:
    d = t.delivery.c
    with store.database.write() as connection:
        theirs = (d.hotline == hotline) & (d.type == "created")
        connection.execute(update(t.delivery).where(theirs).values(handling=handling))


def get_through(store: SampleStore, hotline: str) -> None:
    [row] = [row for row in store.deliveries() if row.hotline == hotline and row.type == "created"]
    leased = outbox.lease(store.database, row.delivery_id, "w/urgent/1")
    assert leased is not None
    outbox.mark_delivered(store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker")


def test_begun_once_and_each_step_at_its_minute(store: SampleStore) -> None:
    begun(store)
    assert begin(store) == []
    assert escalation(store) == {
        "P1 begin 0": (0, "passed"),
        "P1 closed 0": (0, None),
        "P1 desk 0": (5, None),
        "P1 backup 0": (15, None),
        "P1 overdue 0": (15, None),
        "P1 supervisor 0": (30, None),
        "P1 regional 0": (60, None),
        "P1 operator 0": (60, None),
    }
    assert due(store) == ["closed"]
    assert due(store.later(minutes=4)) == ["closed"]
    assert due(store.later(minutes=15)) == ["closed", "desk", "backup", "overdue"]


def test_claimed_by_one_and_free_again_when_it_was_killed(store: SampleStore) -> None:
    begun(store)
    [step] = steps.list_due(store.database)
    assert steps.claim(store.database, step, 120)
    assert not steps.claim(store.database, step, 120)
    assert due(store) == []
    assert steps.claim(store.later(seconds=121).database, step, 120)
    steps.complete(store.database, step, "nobody")
    assert not steps.claim(store.later(seconds=300).database, step, 120)


def test_what_repeats_has_a_row_for_each_time(store: SampleStore) -> None:
    begun(store)
    later = store.later(minutes=31)
    [step] = [one for one in steps.list_due(later.database) if one.step == "supervisor"]
    steps.complete(later.database, step, "told", again=step.due_at + 15 * MINUTE)
    steps.complete(later.database, step, "told", again=step.due_at + 15 * MINUTE)
    assert escalation(store)["P1 supervisor 0"] == (30, "told")
    assert escalation(store)["P1 supervisor 1"] == (45, None)
    assert store.acts(step.report_id) == ["sent", "told:supervisor"]


def test_given_once_and_only_to_who_is_left(store: SampleStore) -> None:
    report_id = begun(store)
    later = store.later(minutes=15)
    [step] = [one for one in steps.list_due(later.database) if one.step == "backup"]
    made = steps.give_to_fallback(later.database, step, TWO, "NO_ACK")
    assert made is not None
    row = later.delivery(made[0])
    assert (row.hotline, row.role, row.why, row.state) == (TWO, "fallback", "NO_ACK", "due")
    assert steps.give_to_fallback(later.database, step, THREE, "NO_ACK") is None
    assert [one.hotline for one in steps.load_state(store.database, report_id).recipients] == [ONE, TWO]
    assert steps.load_state(store.database, report_id).remaining == (THREE,)


@pytest.mark.parametrize("handling", ["accepted", "in_progress", "closed"])
def test_a_person_stops_all_steps(store: SampleStore, handling: str) -> None:
    begun(store)
    later = store.later(minutes=61)
    handle(store, ONE, handling)
    assert due(later) == []
    step = EscalationStep(store.reports()[0].report_id, "P1", "backup", 0, 0)
    assert not steps.claim(later.database, step, 60)
    assert steps.give_to_fallback(later.database, step, TWO, "NO_ACK") is None
    assert len(steps.stop_acknowledged(later.database)) == 1
    assert steps.stop_acknowledged(later.database) == []
    assert {came for name, (_, came) in escalation(store).items() if "begin" not in name} == {"stopped"}
    assert begin(later) == []


def test_handed_back_by_people_the_ladder_goes_on(store: SampleStore) -> None:
    begun(store)
    handle(store, ONE, "accepted")
    steps.stop_acknowledged(store.database)
    handle(store, ONE, "rejected")
    assert begin(store) == ["P1"]
    assert due(store.later(minutes=5)) == ["closed", "desk"]


def test_one_that_declined_stops_nothing(store: SampleStore) -> None:
    begun(store)
    handle(store, ONE, "rejected")
    assert steps.stop_acknowledged(store.database) == []
    assert due(store.later(minutes=5)) == ["closed", "desk"]


def test_a_rise_begins_a_quicker_clock_at_the_time_of_the_revision(store: SampleStore) -> None:
    begun(store, priority="P3")
    hours = store.later(hours=13)
    [report] = store.reports()
    update_ = hours.sealed(LEGS, before=report, revision=2, priority="P1")
    pending_submissions.schedule_pending(hours.database, update_, "update", hours.database.now())
    for key in pending_submissions.list_due(hours.database):
        pending_submissions.submit_due(hours.database, key)
    assert begin(hours.later(minutes=3)) == ["P1"], "the clock was away for three minutes"
    rows = escalation(store)
    assert {came for name, (_, came) in rows.items() if name.startswith("P3") and "begin" not in name} == {"raised"}
    assert rows["P1 desk 0"] == (5, None)
    assert due(hours.later(minutes=4)) == ["closed"]
    assert due(hours.later(minutes=5, seconds=1)) == ["closed", "desk"]


def test_an_incomplete_report_goes_to_nobody_else(store: SampleStore) -> None:
    store.submit(((ONE, "primary"),), completeness="incomplete")
    begin(store)
    assert due(store.later(minutes=60)) == ["desk", "overdue", "supervisor", "operator"]


def test_a_report_that_nobody_was_given_has_no_ladder(store: SampleStore) -> None:
    store.submit(((ONE, "held"),))
    assert begin(store) == []


def test_the_most_urgent_begins_first(store: SampleStore) -> None:
    for _ in range(5):
        store.submit(LEGS, priority="P4")
    store.submit(LEGS)
    assert steps.list_unstarted(store.database, at_most=1)[0][1] == "P1"
    assert len(begin(store)) == 6
