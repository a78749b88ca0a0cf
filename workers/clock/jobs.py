"""What the clock does, duty by duty. All of it is found in the database, and works with Redis away.

Each duty may be done twice, or by two clocks at once: unique keys, leases and deletions decide, not the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from itertools import product

import structlog

from reports.escalation.policy import max_step_delays
from reports.escalation.priorities import PRIORITIES, QUEUE_PRIORITIES, queue_of
from reports.store import audit_log, circuit_breakers, outbox, pending_submissions
from reports.store.cases import case_actions, drafts
from reports.store.deliveries import UNDELIVERED
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.mailboxes import correspondence
from reports.store.operations import clock_skew, delivery_actions, drill_runs
from reports.store.sms import messages, on_call
from runtime.queue import DELIVER_JOB, SEND_SMS_JOB, JobQueue, QueueName
from runtime.time_units import HOUR, SECOND
from workers import retry_policy
from workers.jobs.answer_notices import AnswerNotices
from workers.jobs.deliver import DeliveryRunner
from workers.jobs.recipients import next_fallback
from workers.metrics import WorkerMetrics
from workers.notifications.on_call import OnCallPager
from workers.thread_pool import BackgroundPool, QueueFallback

THREADS = {"urgent": 2, "standard": 1}
CALLS_KEPT = 30 * 24 * HOUR  # ids of call-backs, against repeats; their signatures are good for minutes
SMS_KEYS_KEPT = 48 * HOUR  # what tells a repeated SMS, and what a delivery report may still come for

log = structlog.get_logger()


class ClockJobs:
    def __init__(
        self,
        *,
        database: Database,
        forwarder: DeliveryRunner,
        pager: OnCallPager,
        hurry: JobQueue,
        metrics: WorkerMetrics,
        nudger: AnswerNotices | None = None,
        furthest: Mapping[str, int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._forwarder = forwarder
        self._texter = pager.texter
        self._pager = pager
        self._job_queue = hurry
        self._metrics = metrics
        self._hurrying = {name: QueueFallback(hurry, DELIVER_JOB, monotonic) for name in QUEUE_PRIORITIES}
        self._texts = QueueFallback(hurry, SEND_SMS_JOB, monotonic)
        self._own = {name: BackgroundPool(threads) for name, threads in THREADS.items()}
        self._own_texts = BackgroundPool(1)
        self._own_pages = BackgroundPool(1)
        self._nudger = nudger
        self._furthest = furthest or max_step_delays(())
        self._reconsider = False
        self._own_nudges = BackgroundPool(1)

    def urgent(self) -> None:
        """P1 and P2 that are due."""
        self._due("urgent")

    def standard(self) -> None:
        """P3 and P4 that are due."""
        self._due("standard")

    def _due(self, speed: QueueName) -> None:
        rows = outbox.list_due(self._database, QUEUE_PRIORITIES[speed])
        left = self._hurrying[speed].not_taken([delivery_id for delivery_id, _ in rows], speed)
        for _ in left[: THREADS[speed]]:
            self._own[speed].do(lambda: self._forwarder.drain(QUEUE_PRIORITIES[speed]))

    def sms(self) -> None:
        """SMS that are due; those that are too late are dropped."""
        expired = messages.expire_old(self._database)
        if expired:
            log.info("sms_expired", count=expired)
        left = self._texts.not_taken(messages.list_due(self._database), "urgent")
        if left:
            self._own_texts.do(lambda: [self._texter.send(one) for one in left])

    def pages(self) -> None:
        """What duty phones have answered; then the next number, where none has in time."""
        for report_id, hotline in on_call.accept_replies(self._database):
            log.info("acknowledged", report_id=report_id, hotline=hotline)
        self._own_pages.do(self._pager.go_on)

    def nudges(self) -> None:
        """Reporters who may be texted that there is an answer."""
        if self._nudger is not None:
            self._own_nudges.do(self._nudger.go_on)

    def mature(self) -> None:
        """What files itself: rescue, words, answers of Add more, what nobody could read."""
        for origin_key in pending_submissions.list_due(self._database):
            made = pending_submissions.submit_due(self._database, origin_key)
            self.put(made)

    def messages(self) -> None:
        """What reporters say by My report, to whoever has the report."""
        for message_id, report_id in correspondence.list_undelivered_messages(self._database):
            self.put(correspondence.deliver_message(self._database, message_id, report_id))

    def handovers(self) -> None:
        """Reports that staff of one hotline want another one to have."""
        for one in delivery_actions.list_requested_transfers(self._database):
            if made := delivery_actions.execute_transfer(self._database, one):
                log.info("report_transferred", report_id=one.report_id, hotline=one.taker, priority=made[1])
                self.put([made])

    def receipts(self) -> None:
        """Whoever does something with a report has it, though no receipt came."""
        if count := case_actions.mark_handled_delivered(self._database):
            log.info("acknowledged", count=count)

    def fallbacks(self) -> None:
        """Whoever is next gets a report that the hotline before has not taken."""
        waits = {priority: pace.fallback for priority, pace in retry_policy.POLICIES.items()}
        for report_id in fallbacks.list_stuck(self._database, waits):
            found = next_fallback(fallbacks.load_chain(self._database, report_id))
            made = fallbacks.add_fallback(self._database, report_id, *found) if found else None
            if found and made:
                log.warning("delivery_fallback", report_id=report_id, hotline=found[0], priority=made[1])
                self.put([made])

    def bury(self) -> None:
        """What is due to a hotline that takes nothing any more."""
        for delivery_id in outbox.refuse_for_gone_hotlines(self._database):
            log.warning("delivery_refused", delivery_id=delivery_id, reason="gone")

    def chain(self) -> None:
        """Audit rows that are new."""
        audit_log.chain_entries(self._database)

    def reconsider(self) -> None:
        """The clock has jumped: the next `mend` looks at what was put off until a morning, too."""
        self._reconsider = True

    def mend(self) -> None:
        """Times that lie further ahead than any schedule sets them."""
        mended = clock_skew.repair_times(self._database, self._furthest, reconsider=self._reconsider)
        self._reconsider = False
        if mended:
            self._metrics.mended.inc(mended)
            log.warning("leases_released", count=mended, reason="clock_jump")

    def tidy(self) -> None:
        """What is not needed any more."""
        messages.delete_old_inbound(self._database, SMS_KEYS_KEPT)
        messages.delete_old_outgoing(self._database, SMS_KEYS_KEPT)
        correspondence.delete_unreadable_answers(self._database)
        case_actions.delete_old_keys(self._database, CALLS_KEPT)
        drafts.delete_old(self._database)
        on_call.delete_old(self._database, retry_policy.PARK_AFTER, SMS_KEYS_KEPT)
        drill_runs.delete_missed(self._database)

    def park(self) -> None:
        """14 days: a person takes it from here."""
        for delivery_id in outbox.park_expired(self._database, retry_policy.PARK_AFTER):
            log.warning("delivery_parked", delivery_id=delivery_id)

    def figures(self) -> None:
        """For the monitor."""
        since = audit_log.oldest_unchained_at(self._database)
        age = 0 if since is None else max(0, self._database.now() - since)
        self._metrics.unchained.set(age / SECOND)

    def undelivered(self) -> None:
        """For the monitor: what no hotline has, and which hotlines are not tried for now."""
        found = outbox.count_undelivered(self._database)
        for state, priority in product(UNDELIVERED, PRIORITIES):
            self._metrics.deliveries.labels(state, priority).set(found.get((state, priority), 0))
        for hotline, is_open in circuit_breakers.list_states(self._database).items():
            self._metrics.breaker.labels(hotline).set(is_open)

    def put(self, made: Iterable[tuple[str, str]]) -> None:
        """Hurries along what was made: (delivery_id, priority)."""
        for delivery_id, priority in made:
            self._job_queue.put(DELIVER_JOB, delivery_id, queue_of(priority))

    def finish(self) -> None:
        """What is in hand is finished; nothing new is begun."""
        for own in (*self._own.values(), self._own_texts, self._own_pages, self._own_nudges):
            own.finish()
        self._job_queue.close()
