"""The escalation policy: how long a report may wait, who is notified next, which priorities are urgent. Pure.

All times run from the commit of the report, or of the revision that made it more urgent, in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runtime.time_units import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from runtime.queue import QueueName  # imports RQ, too


class Priority(StrEnum):
    """The urgency of a report, as set by triage. The values sort by urgency, also in SQL."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class StepName(StrEnum):
    """The steps of an escalation."""

    BEGIN = "begin"  # start of the times
    CLOSED = "closed"
    HOTLINE = "desk"
    BACKUP = "backup"
    OVERDUE = "overdue"  # from now on the reporter is told that nobody has read the report
    SUPERVISOR = "supervisor"
    REGIONAL = "regional"
    OPERATOR = "operator"


class StepOutcome(StrEnum):
    """The outcome of a step."""

    NOTIFIED = "told"
    GIVEN = "given"  # another hotline gets the report
    NOBODY = "nobody"
    NOT_THERE = "not_there"
    PASSED = "passed"  # it required no action
    STOPPED = "stopped"  # somebody has acknowledged the report
    RAISED = "raised"  # the escalation of a higher priority took its place


class PendingKind(StrEnum):
    """The reason why a revision waits for the scheduler."""

    RESCUE = "rescue"  # the session dropped in danger
    UNCONFIRMED_TEXT = "words"  # SMS words that were never confirmed; words after Send are an update
    UPDATE = "update"  # answers after Send, or a Send after an incomplete report
    UNREAD = "unread"  # an input that could not be read
    STAFF = "staff"  # a report that staff entered: taken by telephone or from a visitor


URGENT, STANDARD = (Priority.P1, Priority.P2), (Priority.P3, Priority.P4)
PRIORITIES, ESCALATION_STEPS = tuple(Priority), tuple(StepName)  # for `in`: Python 3.11 refuses a str in a StrEnum
# The priorities of each queue
QUEUE_PRIORITIES: Mapping[QueueName, Sequence[Priority]] = {"urgent": URGENT, "standard": STANDARD}
TRANSFER_STEPS = (StepName.CLOSED, StepName.BACKUP, StepName.REGIONAL)  # another hotline gets the report
NOTIFY_STEPS = (StepName.HOTLINE, StepName.SUPERVISOR, StepName.OPERATOR)  # a person is notified that it waits
REPEATED_STEPS = (StepName.SUPERVISOR, StepName.OPERATOR)  # repeated until somebody acknowledges the report
LEASE_TIME = 60 * SECOND  # time for which a worker holds a row; also the longest delay after a worker died
LATE_AFTER = 2 * MINUTE  # after this an overdue step is counted: nobody could be notified


def queue_of(priority: Priority) -> QueueName:
    """Return the queue that takes deliveries of this priority."""
    return "urgent" if priority in URGENT else "standard"


@dataclass(frozen=True, slots=True)
class EscalationTimes:
    """The times of one priority.

    `quiet`: nobody is notified between 20:00 and 07:00, or while the hotline is closed.
    """

    fallback: int  # without a receipt by then the next hotline gets the report too
    received: int  # if no hotline has it by then, a person is alerted
    acknowledged: int  # staff must have acknowledged it by then
    desk: int
    backup: int
    supervisor: int
    regional: int  # the operator's on-call too
    repeat: int  # between notifications of supervisor and operator
    quiet: bool

    def steps(self, priority: Priority) -> Iterator[tuple[StepName, int]]:
        """Yield (step, time after the start), in order."""
        if priority in URGENT:
            yield StepName.CLOSED, 0
        yield StepName.HOTLINE, self.desk
        yield from sorted(
            ((StepName.BACKUP, self.backup), (StepName.OVERDUE, self.acknowledged)), key=lambda step: step[1]
        )
        yield StepName.SUPERVISOR, self.supervisor
        yield from ((StepName.REGIONAL, self.regional), (StepName.OPERATOR, self.regional))

    def again(self, step: StepName, due_at: int, now: int) -> int | None:
        """Return when a step that is done is due again, on its own schedule and never in the past; None: never."""
        if step not in REPEATED_STEPS:
            return None
        missed = max(0, now - due_at) // self.repeat
        return due_at + (missed + 1) * self.repeat


ESCALATION_TIMES: Mapping[Priority, EscalationTimes] = {
    Priority.P1: EscalationTimes(
        fallback=30 * SECOND,
        received=60 * SECOND,
        acknowledged=15 * MINUTE,
        desk=5 * MINUTE,
        backup=15 * MINUTE,
        supervisor=30 * MINUTE,
        regional=60 * MINUTE,
        repeat=15 * MINUTE,
        quiet=False,
    ),
    Priority.P2: EscalationTimes(
        fallback=15 * MINUTE,
        received=20 * MINUTE,
        acknowledged=HOUR,
        desk=30 * MINUTE,
        backup=HOUR,
        supervisor=2 * HOUR,
        regional=4 * HOUR,
        repeat=2 * HOUR,
        quiet=False,
    ),
    Priority.P3: EscalationTimes(
        fallback=4 * HOUR,
        received=8 * HOUR,
        acknowledged=24 * HOUR,
        desk=12 * HOUR,
        backup=24 * HOUR,
        supervisor=36 * HOUR,
        regional=72 * HOUR,
        repeat=24 * HOUR,
        quiet=True,
    ),
    Priority.P4: EscalationTimes(
        fallback=24 * HOUR,
        received=48 * HOUR,
        acknowledged=72 * HOUR,
        desk=48 * HOUR,
        backup=96 * HOUR,
        supervisor=120 * HOUR,
        regional=7 * DAY,
        repeat=7 * DAY,
        quiet=True,
    ),
}

# Times that a country may set, in minutes. The times for receipts are ours: no country may make them longer.
SETTABLE_TIMES = ("acknowledged", "desk", "backup", "supervisor", "regional", "repeat")
ORDERED_TIMES = ("desk", "backup", "supervisor", "regional")
CountryTimes = Mapping[str, Mapping[str, int]]  # priority → time → minutes


def default_times(priority: Priority) -> EscalationTimes:
    """Return the times of ESCALATION_TIMES; for a priority of another version those of the most urgent one."""
    return ESCALATION_TIMES.get(priority, ESCALATION_TIMES[Priority.P1])


def escalation_times(own_times: CountryTimes) -> Mapping[Priority, EscalationTimes]:
    """Return the times of each priority: the country's own, else those of ESCALATION_TIMES.

    A time that `escalation_faults` complains of is ignored.
    """
    return {
        priority: _country_times(times, priority, own_times.get(priority, {}))
        for priority, times in ESCALATION_TIMES.items()
    }


def max_step_delays(countries: Iterable[CountryTimes]) -> dict[Priority, int]:
    """Return, by priority, the longest that a step of any of these countries may lie ahead of now."""
    tables = [ESCALATION_TIMES, *(escalation_times(country) for country in countries)]
    return {
        priority: max(max(table[priority].regional, table[priority].repeat) for table in tables)
        for priority in PRIORITIES
    }


def _country_times(times: EscalationTimes, priority: Priority, minutes_by_step: Mapping[str, int]) -> EscalationTimes:
    allowed = {name: minutes for name, minutes in minutes_by_step.items() if not _fault(times, priority, name, minutes)}
    times_set = _with(times, allowed)
    return times_set if not list(_out_of_order(times_set)) else times


def _with(times: EscalationTimes, minutes: Mapping[str, int]) -> EscalationTimes:
    changed_times: dict[str, Any] = {name: count * MINUTE for name, count in minutes.items()}
    return replace(times, **changed_times)


def escalation_faults(own_times: CountryTimes) -> Iterator[str]:
    """Yield the faults of a country's own times, in words that follow `clocks.`."""
    for name, minutes_by_step in own_times.items():
        if name not in PRIORITIES:
            yield f"{name}: there is no such priority; there are P1, P2, P3 and P4."
            continue
        priority = Priority(name)
        times = ESCALATION_TIMES[priority]
        faults = [
            fault for time, minutes in minutes_by_step.items() if (fault := _fault(times, priority, time, minutes))
        ]
        yield from faults
        if not faults:
            yield from (f"{priority}.{fault}" for fault in _out_of_order(_with(times, minutes_by_step)))


def _fault(times: EscalationTimes, priority: Priority, name: str, minutes: int) -> str:
    if name not in SETTABLE_TIMES:
        return f"{priority}.{name}: there is no such time; there are {', '.join(SETTABLE_TIMES)}."
    if minutes < 1:
        return f"{priority}.{name}: {minutes} is not a valid time to wait; give one minute or more."
    limit = getattr(times, name) // MINUTE
    if priority in URGENT and minutes > limit:
        return f"{priority}.{name}: {minutes} min is longer than {limit}; for P1 and P2 a country may only be quicker."
    return ""


def _out_of_order(times: EscalationTimes) -> Iterator[str]:
    for earlier, later in pairwise(ORDERED_TIMES):
        if getattr(times, earlier) > getattr(times, later):
            yield f"{later}: it comes before {earlier}; give the steps in their order: {', '.join(ORDERED_TIMES)}."


def late_promises(answers_within: Iterable[tuple[Priority, int]]) -> Iterator[str]:
    """Yield the priorities for which a partner card promises a later answer than the policy asks for."""
    for priority, minutes in sorted(answers_within):
        limit = ESCALATION_TIMES[priority].acknowledged // MINUTE
        if minutes > limit:
            yield f"{priority} in {minutes} min is later than {limit}"
