"""The scheduler's periodic jobs. They read the work to do from the database, and run without Redis.

Each job may run twice, or in two schedulers at once: unique keys, leases and deletions prevent double work.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import TypeVar

import structlog

from reports import call_volume
from reports.countries.country import Countries
from reports.delivery import UNDELIVERED
from reports.escalation import PRIORITIES, QUEUE_PRIORITIES, Priority, max_step_delays, queue_of
from reports.store import audit_log, circuit_breakers, idempotency_keys, outbox, pending_submissions, tombstones
from reports.store.cases import case_actions, drafts, presence
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.mailboxes import correspondence
from reports.store.operations import call_hours, clock_skew, delivery_actions, drill_runs, spool_status
from reports.store.operations.call_hours import ChannelKey, QuietChannel
from reports.store.operations.delivery_actions import Transfer
from reports.store.row_isolation import process_each
from reports.store.sms import duty_phones, messages
from reports.store.sms.duty_phones import PhoneReply
from runtime.queue import DELIVER_JOB, SEND_SMS_JOB, JobQueue, QueueName
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from workers import retry_policy
from workers.jobs.answer_notices import AnswerNotices
from workers.jobs.deliver import DeliveryRunner
from workers.jobs.recipients import is_open, next_fallback
from workers.metrics import WorkerMetrics
from workers.notifications.duty_phones import DutyPhoneNotifier
from workers.row_pages import RowPages
from workers.thread_pool import BackgroundPool, QueueFallback

THREADS = {"urgent": 2, "standard": 1}
CALLS_KEPT = 30 * 24 * HOUR  # idempotency keys of callbacks; a signature is valid for minutes only
# Rows of one round; the other jobs run in between.
PENDING_AT_ONCE, MESSAGES_AT_ONCE, TRANSFERS_AT_ONCE, FALLBACKS_AT_ONCE, CHAINED_AT_ONCE = 50, 200, 50, 200, 500
REPLIES_AT_ONCE = 100
PAGED_JOBS = ("submit_pending", "messages", "transfers", "fallbacks", "on_call")
TOMBSTONES_KEPT = 400 * DAY  # a host's disk, with its spool, may come back after months
CALL_HOURS_KEPT = 30 * 24  # hours; the newest four weeks and a day are read
CALL_HOUR_MARGIN = 5 * MINUTE  # after an hour, until web has stored its calls
SMS_KEYS_KEPT = 48 * HOUR  # for duplicate SMS and late delivery reports

# The deletions of old rows, each a transaction of its own.
DELETIONS: tuple[Callable[[Database], object], ...] = (
    lambda database: messages.delete_old_inbound(database, SMS_KEYS_KEPT),
    lambda database: messages.delete_old_outgoing(database, SMS_KEYS_KEPT),
    correspondence.delete_unreadable_answers,
    lambda database: idempotency_keys.delete_old_keys(database, CALLS_KEPT),
    drafts.delete_old,
    presence.delete_old,
    lambda database: duty_phones.delete_old(database, retry_policy.PARK_AFTER, SMS_KEYS_KEPT),
    drill_runs.delete_missed,
    lambda database: tombstones.delete_old(database, TOMBSTONES_KEPT),
    lambda database: call_hours.delete_old(database, database.now() // HOUR - CALL_HOURS_KEPT),
)

Row = TypeVar("Row", bound=Hashable)

log = structlog.get_logger()


class ClockJobs:
    """The periodic jobs; `workers.clock.scheduler` calls each at its interval.

    Deliveries and SMS go to the queue first. The scheduler's own threads process those that no worker takes in time.
    """

    def __init__(
        self,
        *,
        database: Database,
        delivery_runner: DeliveryRunner,
        duty_phone_notifier: DutyPhoneNotifier,
        job_queue: JobQueue,
        metrics: WorkerMetrics,
        notices_job: AnswerNotices | None = None,
        max_delays: Mapping[Priority, int] | None = None,
        countries: Countries | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the jobs.

        `max_delays`: priority → the longest time that a step of its escalation may be ahead, in microseconds.
        `countries`: hotlines and countries that are not in them have no metrics, and are never open; None: all have,
        and are.
        """
        self._database = database
        self._delivery_runner = delivery_runner
        self._dispatcher = duty_phone_notifier.sms_dispatcher
        self._duty_phone_notifier = duty_phone_notifier
        self._job_queue = job_queue
        self._metrics = metrics
        self._delivery_fallbacks = {name: QueueFallback(job_queue, DELIVER_JOB, monotonic) for name in QUEUE_PRIORITIES}
        self._sms_fallback = QueueFallback(job_queue, SEND_SMS_JOB, monotonic)
        self._pools = {name: BackgroundPool(threads) for name, threads in THREADS.items()}
        self._sms_pools: dict[str, BackgroundPool] = {}
        self._stopping = threading.Event()
        self._duty_phone_pool = BackgroundPool(1)
        self._answer_notices = notices_job
        self._countries = countries
        self._measured: set[ChannelKey] = set()  # the channels that have a metric of call volume
        self._max_delays = max_delays or max_step_delays(())
        self._reconsider = False
        self._notice_pool = BackgroundPool(1)
        self._deletions = deque(DELETIONS)
        self._pages = {job: RowPages(job, partial(self._count_fault, job), monotonic) for job in PAGED_JOBS}

    def urgent(self) -> None:
        """Queue the due deliveries of P1 and P2."""
        self._queue_due("urgent")

    def standard(self) -> None:
        """Queue the due deliveries of P3 and P4."""
        self._queue_due("standard")

    def _queue_due(self, speed: QueueName) -> None:
        rows = outbox.list_due(self._database, QUEUE_PRIORITIES[speed])
        untaken = self._delivery_fallbacks[speed].queue_ids([delivery_id for delivery_id, _ in rows], speed)
        for _ in untaken[: THREADS[speed]]:
            self._pools[speed].do(lambda: self._delivery_runner.drain(QUEUE_PRIORITIES[speed]))

    def sms(self) -> None:
        """Queue the due SMS, and expire those that are too old."""
        for by, count in messages.expire_old(self._database)._asdict().items():
            if count:
                log.info("sms_expired", by=by, count=count)
        due = messages.list_due_by_channel(self._database)
        ids = [sms_id for sms_ids in due.values() for sms_id in sms_ids]
        untaken = set(self._sms_fallback.queue_ids(ids, "urgent"))
        for channel, sms_ids in due.items():
            if channel_ids := [sms_id for sms_id in sms_ids if sms_id in untaken]:
                # One thread for each channel: a provider that hangs must not delay the SMS of another.
                self._sms_pools.setdefault(channel, BackgroundPool(1)).do(partial(self._send_sms, channel_ids))

    def _send_sms(self, sms_ids: Sequence[str]) -> None:
        self._process_each("sms", sms_ids, lambda sms_id: self._stopping.is_set() or self._dispatcher.send(sms_id))

    def text_duty_phones(self) -> None:
        """Process the replies of duty phones, then text the next number where no reply came in time."""
        self._pages["on_call"].process(
            lambda skip: duty_phones.list_replies(self._database, REPLIES_AT_ONCE, skip),
            REPLIES_AT_ONCE,
            self._accept_reply,
        )
        self._duty_phone_pool.do(self._duty_phone_notifier.text_next)

    def _accept_reply(self, reply: PhoneReply) -> bool:
        if report_id := duty_phones.accept_reply(self._database, reply):
            log.info("acknowledged", report_id=report_id, hotline=reply.hotline)
        return True

    def answer_notices(self) -> None:
        """Schedule and send the SMS that ask reporters to dial, because a hotline has answered."""
        if self._answer_notices is not None:
            self._notice_pool.do(self._answer_notices.process_due)

    def submit_pending(self) -> bool:
        """Submit the pending revisions that are due. Returns whether there may be more, as after an outage.

        These are incomplete reports, first texts, answers given after Send, and texts that could not be parsed.
        """
        return self._pages["submit_pending"].process(
            lambda skip: pending_submissions.list_due(self._database, PENDING_AT_ONCE, skip),
            PENDING_AT_ONCE,
            self._submit_pending,
        )

    def _submit_pending(self, origin_key: bytes) -> bool:
        self.put(pending_submissions.submit_due(self._database, origin_key))
        return True

    def messages(self) -> bool:
        """Create the deliveries of messages from "My report", for each hotline that has the report.

        Returns whether there may be more.
        """
        return self._pages["messages"].process(
            lambda skip: correspondence.list_undelivered_messages(self._database, MESSAGES_AT_ONCE, skip),
            MESSAGES_AT_ONCE,
            self._deliver_message,
            lambda row: row[1],
        )

    def _deliver_message(self, row: tuple[str, str]) -> bool:
        self.put(correspondence.deliver_message(self._database, *row))
        return True

    def transfers(self) -> bool:
        """Carry out the transfers to another hotline that staff asked for. Returns whether there may be more."""
        return self._pages["transfers"].process(
            lambda skip: delivery_actions.list_requested_transfers(self._database, TRANSFERS_AT_ONCE, skip),
            TRANSFERS_AT_ONCE,
            self._execute_transfer,
            lambda transfer: transfer.report_id,
        )

    def _execute_transfer(self, transfer: Transfer) -> bool:
        if delivery := delivery_actions.execute_transfer(self._database, transfer):
            log.info("report_transferred", report_id=transfer.report_id, hotline=transfer.taker, priority=delivery[1])
            self.put([delivery])
        return True

    def receipts(self) -> None:
        """Mark a delivery as received if the hotline's staff work on the report although no receipt came."""
        if count := case_actions.mark_handled_delivered(self._database):
            log.info("acknowledged", count=count)

    def fallbacks(self) -> bool:
        """Deliver reports to their next fallback if the hotlines before it did not accept them.

        Returns whether there may be more.
        """
        waits = {priority: policy.fallback_after for priority, policy in retry_policy.POLICIES.items()}
        return self._pages["fallbacks"].process(
            lambda skip: fallbacks.list_due(self._database, waits, FALLBACKS_AT_ONCE, skip),
            FALLBACKS_AT_ONCE,
            self._give_to_fallback,
            lambda report_id: report_id,
        )

    def _give_to_fallback(self, report_id: str) -> bool:
        """Return whether the report was given to its next fallback."""
        fallback = next_fallback(fallbacks.load_chain(self._database, report_id), self._is_open)
        delivery = fallbacks.add_fallback(self._database, report_id, *fallback) if fallback else None
        if not fallback or not delivery:
            return False
        log.warning("delivery_fallback", report_id=report_id, hotline=fallback[0], priority=delivery[1])
        self.put([delivery])
        return True

    def _is_open(self, hotline: str) -> bool:
        if self._countries is None:
            return True
        country = self._countries.country_of_hotline(hotline)
        return country is not None and is_open(country, hotline, self._database.now())

    def _process_each(self, job: str, rows: Iterable[Row], process: Callable[[Row], object]) -> None:
        process_each(job, rows, process, on_fault=lambda _: self._count_fault(job))

    def _count_fault(self, job: str) -> None:
        self._metrics.faults.labels(job).inc()

    def refuse_gone(self) -> None:
        """Refuse the due deliveries to hotlines that answered 410 (gone)."""
        for delivery_id in outbox.refuse_for_gone_hotlines(self._database):
            log.warning("delivery_refused", delivery_id=delivery_id, reason="gone")

    def chain(self) -> bool:
        """Add the new audit entries to the hash chain. Returns whether there may be more."""
        return audit_log.chain_entries(self._database, CHAINED_AT_ONCE) == CHAINED_AT_ONCE

    def reconsider(self) -> None:
        """Let the next `repair_times` also check steps that were postponed to a morning: the clock has jumped."""
        self._reconsider = True

    def repair_times(self) -> None:
        """Repair times that lie further ahead than any schedule sets them."""
        repaired = clock_skew.repair_times(self._database, self._max_delays, reconsider=self._reconsider)
        self._reconsider = False
        if repaired:
            self._metrics.repaired.inc(repaired)
            log.warning("leases_released", count=repaired, reason="clock_jump")

    def delete_old(self) -> None:
        """Delete old rows: SMS, callback keys, staff drafts, texts to duty phones, unreadable answers and more.

        Raises DatabaseUnavailable. The next round begins after the deletion that raised it: it may be the only one that
        is always too slow.
        """
        self._process_each("delete_old", range(len(self._deletions)), lambda _: self._delete_next())

    def _delete_next(self) -> None:
        deletion = self._deletions[0]
        self._deletions.rotate(-1)
        deletion(self._database)

    def park(self) -> None:
        """Park the deliveries that were not accepted within 14 days; a person has to decide about them."""
        for delivery_id in outbox.park_expired(self._database, retry_policy.PARK_AFTER):
            log.warning("delivery_parked", delivery_id=delivery_id)

    def audit_metrics(self) -> None:
        """Set the metric of the age of the oldest audit entry that is not chained."""
        since = audit_log.oldest_unchained_at(self._database)
        age = 0 if since is None else max(0, self._database.now() - since)
        self._metrics.unchained.set(age / SECOND)

    def undelivered(self) -> None:
        """Set the metrics of undelivered reports, of open circuit breakers and of missing hosts."""
        self._metrics.missing_hosts.set(sum(status.is_missing for status in spool_status.list_statuses(self._database)))
        counts = outbox.count_undelivered(self._database)
        for state, priority in product(UNDELIVERED, PRIORITIES):
            self._metrics.deliveries.labels(state, priority).set(counts.get((state, priority), 0))
        for hotline, is_paused in circuit_breakers.list_states(self._database).items():
            if self._countries is None or hotline in self._countries.names:  # nobody can repair one that has left
                self._metrics.breaker.labels(hotline).set(is_paused)

    def call_volume(self) -> None:
        """Find the channels on which unusually few calls came in until the last full hour that web has counted."""
        until = (self._database.now() - CALL_HOUR_MARGIN) // HOUR
        quiet = []
        isos = None if self._countries is None else {country.iso for country in self._countries}
        hours = call_hours.load_hours(self._database, until - call_volume.HOURS_READ)
        served = {key: counts for key, counts in hours.items() if isos is None or key[0] in isos}
        for country, channel in self._measured - served.keys():
            self._metrics.quiet.labels(country, channel).set(0)  # no call for a month: it is no longer in use
        self._measured = set(served)
        for (country, channel), counts in served.items():
            volume = call_volume.measure(counts, until)
            is_quiet = volume is not None and volume.is_quiet
            self._metrics.quiet.labels(country, channel).set(is_quiet)
            if volume is not None and is_quiet:
                quiet.append(QuietChannel(country, channel, until * HOUR, volume))
        call_hours.replace_quiet(self._database, quiet)

    def put(self, deliveries: Iterable[tuple[str, Priority]]) -> None:
        """Queue deliveries that were just created: (delivery_id, priority)."""
        for delivery_id, priority in deliveries:
            self._job_queue.put(DELIVER_JOB, delivery_id, queue_of(priority))

    def finish(self) -> None:
        """Wait until the running tasks have ended, and close the connection to Redis."""
        self._stopping.set()
        for pool in (*self._pools.values(), *self._sms_pools.values(), self._duty_phone_pool, self._notice_pool):
            pool.finish()
        self._job_queue.close()
