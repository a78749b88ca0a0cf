"""Climbs the ladder of each report that nobody takes on: asks the same desk again, then others, then wakes people.

What gives a report to another hotline is done in the clock's own thread; people are told in others, of what is urgent
and of what can wait apart, one step after another, each claimed before and the next one looked for after it: a mail
server that hangs holds up no more urgent step for longer than the one in hand, and two clocks tell once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from reports.countries.country import Countries, Country
from reports.countries.opening_hours import OpeningHours, hotline_hours, parse_zone
from reports.escalation.policy import (
    ESCALATION_TIMES,
    LATE_AFTER,
    NOTIFY_STEPS,
    STEP_HOTLINE,
    STEP_OPERATOR,
    STEP_OVERDUE,
    TRANSFER_STEPS,
    EscalationTimes,
    escalation_times,
)
from reports.escalation.priorities import STANDARD, URGENT
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.escalation import steps
from reports.store.escalation.steps import EscalationState, EscalationStep
from runtime.time_units import MINUTE, SECOND
from workers.jobs import recipients
from workers.metrics import WorkerMetrics
from workers.notifications import texts
from workers.notifications.notifier import Notifier
from workers.notifications.on_call import OnCallPager
from workers.notifications.texts import ALERT_ADVICE, Alert
from workers.thread_pool import BackgroundPool

CLAIM_SECONDS = 120  # seconds for telling everybody of one step; then it is free again
RETRY_DELAY = MINUTE
MAX_NEW_REPORTS, MAX_STEPS = 200, 50  # reports and steps of one look
BATCH_SIZE = 25  # reports of one transaction, for which callers may have to wait
CLOCK_STEPS = (*TRANSFER_STEPS, STEP_OVERDUE)  # done by the clock itself
NOT_THERE, NOBODY, PASSED, TOLD = "not_there", recipients.NOBODY, recipients.PASSED, "told"

log = structlog.get_logger()


@dataclass(slots=True)
class EscalationJob:
    """`worry`: what the operator is told of; `put`: hurries deliveries along; `hands`: who tells, by priorities."""

    database: Database
    countries: Countries
    teller: Notifier
    pager: OnCallPager
    metrics: WorkerMetrics
    alert_operator: Callable[[Alert], None]
    put: Callable[[Iterable[tuple[str, str]]], None]
    hands: Mapping[tuple[str, ...], BackgroundPool] = field(
        default_factory=lambda: {URGENT: BackgroundPool(1), STANDARD: BackgroundPool(1)}
    )

    def escalate(self) -> bool:
        """A page of all that is due, and whether there may be more of it. Raises DatabaseUnavailable."""
        new = steps.list_unstarted(self.database, MAX_NEW_REPORTS)
        clocks = [(report_id, priority, self._clocks(iso)[priority]) for report_id, priority, iso in new]
        for begin in range(0, len(clocks), BATCH_SIZE):
            steps.start_steps(self.database, clocks[begin : begin + BATCH_SIZE])
        steps.stop_acknowledged(self.database)
        due = steps.list_due(self.database, CLOCK_STEPS, MAX_STEPS)
        nothing: list[tuple[EscalationStep, str]] = []
        self._each(due, partial(self._climb, nothing))
        self._pass_over(nothing)
        # asked for apart: however many people cannot be told, no report waits behind them for its next hotline
        for priorities, own in self.hands.items():
            if steps.list_due(self.database, NOTIFY_STEPS, 1, priorities):
                own.do(partial(self._tell_of, priorities))
        return len(new) == MAX_NEW_REPORTS or len(due) == MAX_STEPS

    def _tell_of(self, priorities: tuple[str, ...]) -> None:
        self._each(self._in_turn(priorities), self._tell, CLAIM_SECONDS * SECOND)  # some of them may have been told

    def _in_turn(self, priorities: tuple[str, ...]) -> Iterator[EscalationStep]:
        """Looked for one by one: what became due meanwhile and is more urgent comes next."""
        for _ in range(MAX_STEPS):
            found = steps.list_due(self.database, NOTIFY_STEPS, 1, priorities)
            if not found:
                return
            yield from found

    def _each(
        self, due: Iterable[EscalationStep], do: Callable[[EscalationStep], None], again: int = RETRY_DELAY
    ) -> None:
        """One that fails keeps none of the others from being done, and is tried again later.

        Raises DatabaseUnavailable.
        """
        for step in due:
            try:
                do(step)
            except DatabaseUnavailable:
                raise
            except Exception:
                log.exception("job_failed")
                steps.postpone(self.database, step, steps.database_time(self.database) + again)

    def figures(self) -> None:
        """For the monitor. Raises DatabaseUnavailable."""
        overdue = steps.count_overdue(self.database)
        for priority in ESCALATION_TIMES:
            self.metrics.overdue.labels(priority).set(overdue.get(priority, 0))
        self.metrics.late.set(steps.count_late(self.database, LATE_AFTER))

    def finish(self) -> None:
        for own in self.hands.values():
            own.finish()

    def _clocks(self, iso: str) -> Mapping[str, EscalationTimes]:
        country = self.countries.get(iso)
        return escalation_times(country.clocks) if country else ESCALATION_TIMES

    def _climb(self, nothing: list[tuple[EscalationStep, str]], step: EscalationStep) -> None:
        """`nothing`: where what is over without anybody doing anything is put."""
        if step.step not in TRANSFER_STEPS:
            nothing.append((step, PASSED))
            return
        waiting, country = self._found(step)
        hotline, why = ("", NOBODY) if country is None else self._next(step, waiting, country)
        if hotline:
            self._pass_over(nothing)  # a gift may wait for the lock, and what was decided would be old by then
            self._give(step, hotline, why)
        else:
            nothing.append((step, why))

    def _pass_over(self, nothing: list[tuple[EscalationStep, str]]) -> None:
        if nothing:
            steps.complete_many(self.database, nothing)
        for step, came_to in nothing:
            self.metrics.steps.labels(step.step, came_to).inc()
        nothing.clear()

    def _give(self, step: EscalationStep, hotline: str, why: str) -> None:
        made = steps.give_to_fallback(self.database, step, hotline, why)
        if made:
            self.metrics.steps.labels(step.step, "given").inc()
            log.warning("escalation_step_taken", report_id=step.report_id, hotline=hotline, priority=step.priority)
            self.put([made])

    def _done(self, step: EscalationStep, came_to: str, again: int | None = None) -> None:
        steps.complete(self.database, step, came_to, again)
        self.metrics.steps.labels(step.step, came_to).inc()

    def _next(self, step: EscalationStep, waiting: EscalationState, country: Country) -> tuple[str, str]:
        return recipients.next_hotline(step.step, waiting, country, steps.database_time(self.database))

    def _found(self, step: EscalationStep) -> tuple[EscalationState, Country | None]:
        waiting = steps.load_state(self.database, step.report_id)
        return waiting, self.countries.get(waiting.country)

    def _tell(self, step: EscalationStep) -> None:
        waiting, country = self._found(step)
        now = steps.database_time(self.database)
        until = self._asleep_until(step, waiting, country, now)
        if until > now:
            steps.postpone(self.database, step, until)
        elif steps.claim(self.database, step, CLAIM_SECONDS):
            came_to = self._say(step, waiting, country, now)
            if came_to:
                again = self._clocks(waiting.country)[step.priority].again(step.step, step.due_at, now)
                self._done(step, came_to, again)
            else:
                steps.postpone(self.database, step, now + RETRY_DELAY)

    def _asleep_until(self, step: EscalationStep, waiting: EscalationState, country: Country | None, now: int) -> int:
        """What can wait wakes nobody: by the clock of the first desk, or of the country for who is on call."""
        if country is None or not ESCALATION_TIMES[step.priority].quiet:
            return now
        silent = recipients.silent_hotlines(waiting, country)
        if step.step == STEP_OPERATOR or not silent:
            return OpeningHours(parse_zone(country.time_zone)).next_notify_time(now)
        return hotline_hours(silent[0].card, country.time_zone).next_notify_time(now)

    def _say(self, step: EscalationStep, waiting: EscalationState, country: Country | None, now: int) -> str:
        """What the step came to; empty where somebody was to be told and nobody could be."""
        if step.step == STEP_OPERATOR or country is None:
            said = texts.operator_reminder(waiting, country, now)
            most = step.round + 1  # each time one more of those on call
            return TOLD if self.teller.say(self.teller.contacts, said, most) else ""
        silent = recipients.silent_hotlines(waiting, country)
        if not silent:
            return NOT_THERE
        came = {self._say_at(step, waiting, country, hotline.id, now) for hotline in silent}
        return next((one for one in (TOLD, "", NOBODY) if one in came), NOBODY)

    def _say_at(self, step: EscalationStep, waiting: EscalationState, country: Country, hotline: str, now: int) -> str:
        listed = country.hotlines[hotline]
        people = recipients.contacts(step.step, listed, country, now)
        if step.step == STEP_HOTLINE and hotline in self.pager.registered_phones:
            if self.pager.again(step.report_id, hotline):
                return TOLD
            people = tuple(one for one in people if "@" in one)  # where there is none, its phones are tried again
        elif not people:
            return NOBODY
        said = texts.hotline_reminder(waiting, listed, country, now)
        if self.teller.say(people, said, step.round + 1):
            return TOLD
        self.alert_operator(Alert(hotline, "not_told", step.priority, ALERT_ADVICE["not_told"]))
        return ""
