"""Run the escalation steps of each report that nobody acknowledges: remind the hotline, ask others, notify people.

Transfers to another hotline run in the scheduler's own thread. People are notified from two other threads, one for
urgent and one for standard priorities. They take one step at a time, claim it before sending, and then look for the
next due step. So a mail server that hangs delays an urgent step by no more than the step in progress, and two
schedulers notify once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from reports.countries.country import Countries, Country
from reports.countries.hotline import Hotline
from reports.countries.opening_hours import OpeningHours, hotline_hours, parse_zone
from reports.delivery import DeliveryState
from reports.escalation import (
    ESCALATION_TIMES,
    LATE_AFTER,
    NOTIFY_STEPS,
    REPEATED_STEPS,
    STANDARD,
    TRANSFER_STEPS,
    URGENT,
    EscalationTimes,
    Priority,
    StepName,
    StepOutcome,
    escalation_times,
)
from reports.store.cases import follow_ups
from reports.store.engine.database import Database
from reports.store.escalation import steps
from reports.store.escalation.steps import EscalationState, EscalationStep
from reports.store.row_isolation import process_each
from runtime.time_units import MINUTE, SECOND
from workers.jobs import recipients
from workers.metrics import WorkerMetrics
from workers.notifications import texts
from workers.notifications.duty_phones import DutyPhoneNotifier
from workers.notifications.notifier import Notifier
from workers.notifications.texts import ALERT_ADVICE, Alert
from workers.thread_pool import BackgroundPool

CLAIM_SECONDS = 120  # time to notify all people of one step; after that another process may claim it
RETRY_DELAY = MINUTE
MAX_NEW_REPORTS, MAX_STEPS = 200, 50  # reports and steps of one run
BATCH_SIZE = 25  # reports of one transaction; requests may wait for it
CLOCK_STEPS = (*TRANSFER_STEPS, StepName.OVERDUE)  # run in the scheduler's own thread

log = structlog.get_logger()


@dataclass(slots=True)
class EscalationJob:
    """Runs the steps that are due.

    `alert_operator`: sends an alert to the operator. `put`: queues deliveries. `pools`: the thread pool that notifies
    people, for each group of priorities.
    """

    database: Database
    countries: Countries
    notifier: Notifier
    duty_phone_notifier: DutyPhoneNotifier
    metrics: WorkerMetrics
    alert_operator: Callable[[Alert], None]
    put: Callable[[Iterable[tuple[str, Priority]]], None]
    pools: Mapping[tuple[Priority, ...], BackgroundPool] = field(
        default_factory=lambda: {URGENT: BackgroundPool(1), STANDARD: BackgroundPool(1)}
    )
    # Hotlines that were notified in a step that is retried for others.
    _notified: dict[tuple[str, Priority, StepName], set[str]] = field(default_factory=dict, init=False)

    def escalate(self) -> bool:
        """Run one page of due steps. Returns whether there may be more. Raises DatabaseUnavailable."""
        new = steps.list_unstarted(self.database, MAX_NEW_REPORTS)
        step_times = [(report_id, priority, self._times(iso)[priority]) for report_id, priority, iso in new]
        for begin in range(0, len(step_times), BATCH_SIZE):
            steps.start_steps(self.database, step_times[begin : begin + BATCH_SIZE])
        steps.stop_acknowledged(self.database)
        due = steps.list_due(self.database, CLOCK_STEPS, MAX_STEPS)
        unchanged: list[tuple[EscalationStep, StepOutcome]] = []
        self._each(due, partial(self._run_transfer, unchanged))
        self._complete_unchanged(unchanged)
        # Separate from the transfers: people who cannot be notified must not delay a report's next hotline.
        for priorities, pool in self.pools.items():
            if steps.list_due(self.database, NOTIFY_STEPS, 1, priorities):
                pool.do(partial(self._notify_due, priorities))
        return len(new) == MAX_NEW_REPORTS or len(due) == MAX_STEPS

    def _notify_due(self, priorities: tuple[Priority, ...]) -> None:
        # A failed step is retried after its claim: some people may have been notified.
        self._each(self._due_one_by_one(priorities), self._notify, CLAIM_SECONDS * SECOND)

    def _due_one_by_one(self, priorities: tuple[Priority, ...]) -> Iterator[EscalationStep]:
        """Yield one due step at a time, so that a more urgent one that becomes due meanwhile comes next."""
        for _ in range(MAX_STEPS):
            due = steps.list_due(self.database, NOTIFY_STEPS, 1, priorities)
            if not due:
                return
            yield from due

    def _each(
        self, due: Iterable[EscalationStep], do: Callable[[EscalationStep], None], again: int = RETRY_DELAY
    ) -> None:
        """Run each step. A failed one does not stop the others, and is retried after `again` microseconds.

        Raises DatabaseUnavailable.
        """
        process_each(
            "escalate",
            due,
            do,
            ids=lambda step: {"report_id": step.report_id},
            on_fault=lambda step: steps.postpone(self.database, step, steps.database_time(self.database) + again),
        )

    def set_metrics(self) -> None:
        """Set the metrics of overdue reports, overdue follow-ups and late steps. Raises DatabaseUnavailable."""
        overdue, due_again = steps.count_overdue(self.database), follow_ups.count_overdue(self.database)
        for priority in ESCALATION_TIMES:
            self.metrics.overdue.labels(priority).set(overdue.get(priority, 0))
            self.metrics.follow_ups.labels(priority).set(due_again.get(priority, 0))
        self.metrics.late.set(steps.count_late(self.database, LATE_AFTER))

    def finish(self) -> None:
        """Wait until the notifications in progress have ended."""
        for pool in self.pools.values():
            pool.finish()

    def _times(self, iso: str) -> Mapping[Priority, EscalationTimes]:
        country = self.countries.get(iso)
        return escalation_times(country.clocks) if country else ESCALATION_TIMES

    def _run_transfer(self, unchanged: list[tuple[EscalationStep, StepOutcome]], step: EscalationStep) -> None:
        """Run a step that needs no notification. A step that ends without a transfer is added to `unchanged`."""
        if step.step not in TRANSFER_STEPS:
            unchanged.append((step, StepOutcome.PASSED))
            return
        state, country = self._load_state(step)
        result = StepOutcome.NOBODY if country is None else self._next_hotline(step, state, country)
        if isinstance(result, StepOutcome):
            unchanged.append((step, result))
        else:
            # A transfer may wait for a lock; by then the collected results would be out of date.
            self._complete_unchanged(unchanged)
            self._deliver_to(step, *result)

    def _complete_unchanged(self, unchanged: list[tuple[EscalationStep, StepOutcome]]) -> None:
        if unchanged:
            steps.complete_many(self.database, unchanged)
        for step, result in unchanged:
            self.metrics.steps.labels(step.step, result).inc()
        unchanged.clear()

    def _deliver_to(self, step: EscalationStep, hotline: str, why: str) -> None:
        delivery = steps.give_to_fallback(self.database, step, hotline, why)
        if delivery:
            self.metrics.steps.labels(step.step, StepOutcome.GIVEN).inc()
            log.warning("escalation_step_taken", report_id=step.report_id, hotline=hotline, priority=step.priority)
            self.put([delivery])

    def _complete(self, step: EscalationStep, result: StepOutcome, again: int | None = None) -> None:
        steps.complete(self.database, step, result, again)
        self.metrics.steps.labels(step.step, result).inc()

    def _next_hotline(
        self, step: EscalationStep, state: EscalationState, country: Country
    ) -> tuple[str, str] | StepOutcome:
        return recipients.next_hotline(step.step, state, country, steps.database_time(self.database))

    def _load_state(self, step: EscalationStep) -> tuple[EscalationState, Country | None]:
        state = steps.load_state(self.database, step.report_id)
        return state, self.countries.get(state.country)

    def _notify(self, step: EscalationStep) -> None:
        state, country = self._load_state(step)
        now = steps.database_time(self.database)
        until = self._next_notify_time(step, state, country, now)
        if until > now:
            steps.postpone(self.database, step, until)
        elif steps.claim(self.database, step, CLAIM_SECONDS):
            result = self._notify_people(step, state, country, now)
            if result:
                self._complete(step, result, self._next_round(step, result, state, now))
            else:
                steps.postpone(self.database, step, now + RETRY_DELAY)

    def _next_round(self, step: EscalationStep, result: StepOutcome, state: EscalationState, now: int) -> int | None:
        """Return when the step is due again. A hotline that gets the report late is reminded too."""
        times = self._times(state.country)[step.priority]
        is_under_way = any(recipient.state == DeliveryState.DUE for recipient in state.recipients)
        if step.step == StepName.HOTLINE and result is StepOutcome.NOT_THERE and is_under_way:
            return now + times.desk
        return times.again(step.step, step.due_at, now)

    def _next_notify_time(self, step: EscalationStep, state: EscalationState, country: Country | None, now: int) -> int:
        """Return when people may be notified of this step; urgent steps never wait.

        The hours are those of the first hotline that has not responded, or of the country for the operator's contacts.
        """
        if country is None or not ESCALATION_TIMES[step.priority].quiet:
            return now
        silent = recipients.silent_hotlines(state, country)
        if step.step == StepName.OPERATOR or not silent:
            return OpeningHours(parse_zone(country.time_zone)).next_notify_time(now)
        return hotline_hours(silent[0].card, country.time_zone).next_notify_time(now)

    def _notify_people(
        self, step: EscalationStep, state: EscalationState, country: Country | None, now: int
    ) -> StepOutcome | None:
        """Notify people and return the outcome of the step; None if it has to be retried: nobody could be reached.

        A step that is not repeated is also retried for a hotline whose reminder raised, and for it alone.
        """
        if step.step == StepName.OPERATOR or country is None:
            text = texts.operator_reminder(state, country, now)
            max_contacts = step.round + 1  # one more contact in each round
            return StepOutcome.NOTIFIED if self.notifier.notify(self.notifier.contacts, text, max_contacts) else None
        silent = recipients.silent_hotlines(state, country)
        if not silent:
            return StepOutcome.NOT_THERE
        key = (step.report_id, step.priority, step.step)
        notified, failed = self._notified.pop(key, set()), list[Hotline]()
        results: set[StepOutcome | None] = {StepOutcome.NOTIFIED} if notified else set()

        def notify(hotline: Hotline) -> None:
            result = self._notify_hotline(step, state, country, hotline.id, now)
            results.add(result)
            if result is StepOutcome.NOTIFIED:
                notified.add(hotline.id)

        process_each(
            "escalate",
            [hotline for hotline in silent if hotline.id not in notified],
            notify,
            ids=lambda hotline: {"report_id": step.report_id, "hotline": hotline.id},
            on_fault=failed.append,
        )
        if failed and step.step not in REPEATED_STEPS:
            self._notified[key] = notified
            return None
        results |= {None} if failed else set()
        return next(
            (result for result in (StepOutcome.NOTIFIED, None, StepOutcome.NOBODY) if result in results),
            StepOutcome.NOBODY,
        )

    def _notify_hotline(
        self, step: EscalationStep, state: EscalationState, country: Country, hotline: str, now: int
    ) -> StepOutcome | None:
        listed = country.hotlines[hotline]
        people = recipients.contacts(step.step, listed, country, now)
        if step.step == StepName.HOTLINE and hotline in self.duty_phone_notifier.registered_phones:
            if self.duty_phone_notifier.text_again(step.report_id, hotline):
                return StepOutcome.NOTIFIED
            # A hotline without an e-mail address is texted again.
            people = tuple(contact for contact in people if "@" in contact)
        elif not people:
            return StepOutcome.NOBODY
        text = texts.hotline_reminder(state, listed, country, now)
        if self.notifier.notify(people, text, step.round + 1):
            return StepOutcome.NOTIFIED
        self.alert_operator(Alert(hotline, "not_told", step.priority, ALERT_ADVICE["not_told"]))
        return None
