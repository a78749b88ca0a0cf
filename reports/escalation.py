"""The escalation policy: how long a report may wait, who is notified next, which priorities are urgent. Pure.

All times run from the commit of the report, or of the revision that made it more urgent, in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from runtime.time_units import DAY, HOUR, MINUTE, SECOND

Speed = Literal["urgent", "standard"]

URGENT, STANDARD = ("P1", "P2"), ("P3", "P4")
PRIORITIES = (*URGENT, *STANDARD)
QUEUE_PRIORITIES: Mapping[str, Sequence[str]] = {"urgent": URGENT, "standard": STANDARD}  # the priorities of each queue
# The steps. `begin` is when the times start to run; from `overdue` on the reporter reads that nobody read the report.
STEP_BEGIN, STEP_CLOSED, STEP_HOTLINE, STEP_BACKUP, STEP_OVERDUE, STEP_SUPERVISOR, STEP_REGIONAL, STEP_OPERATOR = (
    ESCALATION_STEPS
) = (
    "begin",
    "closed",
    "desk",
    "backup",
    "overdue",
    "supervisor",
    "regional",
    "operator",
)
TRANSFER_STEPS = (STEP_CLOSED, STEP_BACKUP, STEP_REGIONAL)  # another hotline gets the report
NOTIFY_STEPS = (STEP_HOTLINE, STEP_SUPERVISOR, STEP_OPERATOR)  # a person is notified that it waits
REPEATED_STEPS = (STEP_SUPERVISOR, STEP_OPERATOR)  # until somebody acknowledges it
LEASE_TIME = 60 * SECOND  # how long a row belongs to one worker; a worker that died delays it for no longer
LATE_AFTER = 2 * MINUTE  # a step that is overdue for so long is counted: nobody could be notified
# The longest time that each kind of row may lie ahead of now, in microseconds. Pure.
#
# A row that lies further ahead was written while the clock was wrong, or the clock has been set back since. Such a
# row is due now: otherwise it would wait for as long as the clock was wrong. docs/operating/clock-jumped.md lists
# every column that holds a time, and what a jump does to it.

# Two readings of one clock may differ by so much while NTP corrects it, without a jump
CLOCK_SLACK = 2 * SECOND
CLOCK_JUMP = MINUTE  # a clock that differs by more is reported to a person

LEASES: Mapping[str, int] = {"clock": 15 * SECOND, "replay": 30 * SECOND}  # by the name of the lease

# Until the next attempt to deliver, by priority: the longest delay of workers/retry_policy.py with its jitter, or the
# longest Retry-After that is obeyed.
DELIVERY_ATTEMPT: Mapping[str, int] = {"P1": 66 * SECOND, "P2": HOUR, "P3": 72 * MINUTE, "P4": 144 * MINUTE}

# Upper limit for `due_at` of a pending revision by its kind, not the delay; the delays are in
# gateway/submission/submitter.py.
PENDING_REVISION: Mapping[str, int] = {
    "rescue": 10 * MINUTE,
    "words": 30 * MINUTE,
    "update": 2 * MINUTE,
    "unread": 0,
}

SMS_ATTEMPT = 66 * SECOND  # until an SMS is tried again
SMS_LIFETIME = 10 * MINUTE  # until an SMS that was not sent expires
HOTLINE_PAUSE = 10 * MINUTE  # until a hotline that failed is tried again
STEP_CLAIM = 5 * MINUTE  # how long an urgent step of the escalation is claimed or postponed
ANSWER_NOTICE = 3 * DAY  # until the safe hours of a reporter, with a day between two texts


# Which priorities are urgent, and which queue takes which priorities. Pure.


def queue_of(priority: str) -> Speed:
    """Return the queue that takes deliveries of this priority."""
    return "urgent" if priority in URGENT else "standard"


@dataclass(frozen=True, slots=True)
class EscalationTimes:
    """The times of one priority.

    `quiet`: nobody is notified between 20:00 and 07:00, or while the hotline is closed.
    """

    fallback: int  # no receipt by then: the next hotline gets the report too
    received: int  # no hotline has it by then: a person is alerted
    acknowledged: int  # staff must have acknowledged it by then
    desk: int
    backup: int
    supervisor: int
    regional: int  # the operator's on-call too
    repeat: int  # between notifications of supervisor and operator
    quiet: bool

    def steps(self, priority: str) -> Iterator[tuple[str, int]]:
        """Yield (step, time after the start), in order."""
        if priority in URGENT:
            yield STEP_CLOSED, 0
        yield STEP_HOTLINE, self.desk
        yield from sorted(((STEP_BACKUP, self.backup), (STEP_OVERDUE, self.acknowledged)), key=lambda step: step[1])
        yield STEP_SUPERVISOR, self.supervisor
        yield from ((STEP_REGIONAL, self.regional), (STEP_OPERATOR, self.regional))

    def again(self, step: str, due_at: int, now: int) -> int | None:
        """Return when a step that is done is due again, on its own schedule and never in the past; None: never."""
        if step not in REPEATED_STEPS:
            return None
        missed = max(0, now - due_at) // self.repeat
        return due_at + (missed + 1) * self.repeat


ESCALATION_TIMES: Mapping[str, EscalationTimes] = {
    "P1": EscalationTimes(
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
    "P2": EscalationTimes(
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
    "P3": EscalationTimes(
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
    "P4": EscalationTimes(
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


def escalation_times(wanted: CountryTimes) -> Mapping[str, EscalationTimes]:
    """Return the table with a country's own times. A time that `escalation_faults` complains of is ignored."""
    return {
        priority: _country_times(times, priority, wanted.get(priority, {}))
        for priority, times in ESCALATION_TIMES.items()
    }


def max_step_delays(countries: Iterable[CountryTimes]) -> dict[str, int]:
    """Return, by priority, the longest that a step of any of these countries may lie ahead of now."""
    tables = [ESCALATION_TIMES, *(escalation_times(country) for country in countries)]
    return {
        priority: max(max(table[priority].regional, table[priority].repeat) for table in tables)
        for priority in PRIORITIES
    }


def _country_times(times: EscalationTimes, priority: str, minutes_by_step: Mapping[str, int]) -> EscalationTimes:
    allowed = {name: minutes for name, minutes in minutes_by_step.items() if not _fault(times, priority, name, minutes)}
    times_set = _with(times, allowed)
    return times_set if not list(_out_of_order(times_set)) else times


def _with(times: EscalationTimes, minutes: Mapping[str, int]) -> EscalationTimes:
    changed_times: dict[str, Any] = {name: count * MINUTE for name, count in minutes.items()}
    return replace(times, **changed_times)


def escalation_faults(wanted: CountryTimes) -> Iterator[str]:
    """Yield the faults of a country's own times, in words that follow `clocks.`."""
    for priority, minutes_by_step in wanted.items():
        times = ESCALATION_TIMES.get(priority)
        if times is None:
            yield f"{priority}: there is no such priority; there are P1, P2, P3 and P4."
            continue
        faults = [
            fault for name, minutes in minutes_by_step.items() if (fault := _fault(times, priority, name, minutes))
        ]
        yield from faults
        if not faults:
            yield from (f"{priority}.{fault}" for fault in _out_of_order(_with(times, minutes_by_step)))


def _fault(times: EscalationTimes, priority: str, name: str, minutes: int) -> str:
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


def late_promises(answers_within: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Yield the priorities for which a partner card promises a later answer than the policy asks for."""
    for priority, minutes in sorted(answers_within):
        limit = ESCALATION_TIMES[priority].acknowledged // MINUTE
        if minutes > limit:
            yield f"{priority} in {minutes} min is later than {limit}"
