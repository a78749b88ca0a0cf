"""The escalation times: as agreed, their steps, and the changes that a country may make."""

from __future__ import annotations

import pytest

from reports.escalation import ESCALATION_TIMES, CountryTimes, escalation_faults, escalation_times, late_promises
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

STEPS = {
    "P1": "closed 0, desk 5, backup 15, overdue 15, supervisor 30, regional 60, operator 60",
    "P2": "closed 0, desk 30, backup 60, overdue 60, supervisor 120, regional 240, operator 240",
    "P3": "desk 720, backup 1440, overdue 1440, supervisor 2160, regional 4320, operator 4320",
    "P4": "desk 2880, overdue 4320, backup 5760, supervisor 7200, regional 10080, operator 10080",
}
REST = {
    "P1": (30 * SECOND, 60 * SECOND, 15 * MINUTE, False),
    "P2": (15 * MINUTE, 20 * MINUTE, 2 * HOUR, False),
    "P3": (4 * HOUR, 8 * HOUR, DAY, True),
    "P4": (DAY, 2 * DAY, 7 * DAY, True),
}


@pytest.mark.parametrize("priority", ESCALATION_TIMES)
def test_the_table(priority: str) -> None:
    clock = ESCALATION_TIMES[priority]
    said = ", ".join(f"{step} {after // MINUTE}" for step, after in clock.steps(priority))
    assert said == STEPS[priority]
    assert (clock.fallback, clock.received, clock.repeat, clock.quiet) == REST[priority]


@pytest.mark.parametrize(
    ("step", "now", "again"),
    [
        ("supervisor", 30, 45),
        ("supervisor", 44, 45),
        ("supervisor", 45, 60),
        ("operator", 200, 210),
        ("desk", 30, None),
        ("backup", 30, None),
        ("regional", 30, None),
    ],
)
def test_again_on_its_own_beat(step: str, now: int, again: int | None) -> None:
    found = ESCALATION_TIMES["P1"].again(step, 30 * MINUTE, now * MINUTE)
    assert found == (None if again is None else again * MINUTE)


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ({}, ""),
        ({"P1": {"desk": 3, "acknowledged": 10, "backup": 10}}, ""),
        ({"P1": {"desk": 6}}, "P1.desk: 6 min is longer than 5; for P1 and P2 a country may only be quicker."),
        ({"P2": {"repeat": 121}}, "P2.repeat: 121 min is longer than 120"),
        ({"P3": {"desk": 1000, "supervisor": 3000}}, ""),
        ({"P3": {"desk": 0}}, "P3.desk: 0 is not a valid time to wait"),
        ({"P1": {"fallback": 1}}, "P1.fallback: there is no such time; there are acknowledged, desk"),
        ({"P5": {"desk": 1}}, "P5: there is no such priority"),
        ({"P1": {"supervisor": 10}}, "P1.supervisor: it comes before backup"),
    ],
)
def test_what_a_country_may_set(wanted: CountryTimes, fault: str) -> None:
    found = list(escalation_faults(wanted))
    assert found == [] if not fault else found[0].startswith(fault)


def test_a_countrys_own_times_and_the_rest_as_it_stands() -> None:
    made = escalation_times({"P1": {"desk": 3}, "P3": {"repeat": 60}})
    assert made["P1"].desk == 3 * MINUTE
    assert made["P1"].backup == ESCALATION_TIMES["P1"].backup
    assert made["P3"].repeat == HOUR
    assert made["P2"] == ESCALATION_TIMES["P2"]


@pytest.mark.parametrize("wanted", [{"P1": {"desk": 6}}, {"P1": {"supervisor": 10}}, {"P1": {"fallback": 1}}])
def test_a_fault_changes_nothing(wanted: CountryTimes) -> None:
    assert escalation_times(wanted) == ESCALATION_TIMES


def test_a_card_that_promises_less() -> None:
    assert list(late_promises({"P1": 15, "P2": 60, "P3": 1440, "P4": 4320}.items())) == []
    assert list(late_promises({"P1": 20, "P4": 4321}.items())) == [
        "P1 in 20 min is later than 15",
        "P4 in 4321 min is later than 4320",
    ]
