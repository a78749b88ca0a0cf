"""Deliver reports to hotlines: lease a row, open the body, call the hotline, record the outcome.

No database connection is held during the call. A queued id only speeds up a delivery that the database already holds.
After its own id a job also delivers the other due rows of its queue, so that not every report costs a queued job.

A worker starts a further delivery while one waits for its hotline. So a quick hotline gets one after another, and a
hotline with a latency of 0.4 s gets eight at once (`workers/delivery/under_way.py`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from reports.crypto import DecryptError, SealContext, SealedBody, open_body
from reports.delivery import DeliveryType
from reports.escalation import QUEUE_PRIORITIES, Priority
from reports.json_bodies import MessageKind, envelope, with_sound, without_contact
from reports.store import outbox
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes import recordings
from reports.store.outbox import DeliveryFailure, DeliveryReceipt, LeasedDelivery
from runtime import tracing
from runtime.queue import QueueName
from runtime.settings import Mode
from runtime.time_units import SECOND
from workers import retry_policy
from workers.delivery.outcomes import (
    Delivered,
    DeliveryOutcome,
    DeliveryRequest,
    HotlineConnector,
    Refused,
    Unavailable,
    Undeliverable,
)
from workers.delivery.under_way import DeliveriesUnderWay
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.retry_policy import random_jitter, retry_commit
from workers.thread_pool import run_logged

DRAIN_SECONDS = 15  # a job leases no row after this; its running calls still end within the job's 40 s
START_NEXT_SECONDS = 0.03  # how long a worker waits for a hotline before it starts a further delivery
IDLE_SECONDS = 0.1  # between two queries while deliveries run and no other is due

TRACED = ("delivery_id", "report_id", "hotline", "type", "priority", "attempt")  # ids and codes, no content

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliveryRunner:
    """Deliver due rows, with everything that a delivery needs.

    `holder`: host/slot/boot, the owner of the leases. `actor`: worker or clock, for the audit. `between`: called before
    each delivery of a backlog, for work that the backlog must not delay. `under_way`: the threads of a worker; without
    them, deliveries run one after another.
    """

    database: Database
    keys: KeyRing
    hotlines: Mapping[str, HotlineConnector]
    mode: Mode
    holder: str
    actor: str
    metrics: WorkerMetrics
    chance: Callable[[], float] = random_jitter
    pause: Callable[[float], object] = time.sleep
    stopping: Callable[[], bool] = field(default=lambda: False)
    between: Callable[[], object] = field(default=lambda: None)
    under_way: DeliveriesUnderWay | None = None

    def deliver(self, delivery_id: str) -> bool:
        """Deliver one row if it is due and not leased, and a thread is free.

        Returns False if it was not, or if the database is unavailable.
        """
        if self.under_way is not None and self.under_way.is_full:
            return False
        try:
            leased = outbox.lease(self.database, delivery_id, self.holder)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return False
        if leased is not None:
            self._begin(leased)
        return leased is not None

    def drain(self, priorities: Sequence[Priority], seconds: float = DRAIN_SECONDS) -> int:
        """Deliver the due rows, the most urgent first. Returns the number begun.

        Begins none after `seconds`, and then does not wait for running ones.
        """
        deadline = time.monotonic() + seconds
        count = 0
        while time.monotonic() < deadline and not self.stopping():
            if self.under_way is not None and self.under_way.is_full:
                self.under_way.wait_for_one(IDLE_SECONDS)
                continue
            self.between()
            if time.monotonic() >= deadline:  # `between` may take as long as a delivery
                break
            try:
                full = self.under_way.full_hotlines() if self.under_way is not None else ()
                leased = outbox.lease_next(self.database, priorities, self.holder, full)
            except DatabaseUnavailable:
                log.warning("database_unavailable")
                break
            if leased is not None:
                self._begin(leased)
                count += 1
            elif self.under_way:
                self.under_way.wait_for_one(IDLE_SECONDS)
            elif not full:  # else a full hotline may have a free thread again
                break
        return count

    def _begin(self, leased: LeasedDelivery) -> None:
        if self.under_way is None:
            run_logged(lambda: self._attempt(leased))
        else:
            self.under_way.start(leased.hotline, lambda: self._attempt(leased), START_NEXT_SECONDS)

    def finish(self) -> None:
        """Wait until the running deliveries have ended."""
        if self.under_way is not None:
            self.under_way.finish()

    def _attempt(self, leased: LeasedDelivery) -> None:
        fields = {name: getattr(leased, name) for name in TRACED}
        with tracing.span("delivery", **fields):
            outcome = self._try(leased)
            status = None if isinstance(outcome, Undeliverable) else outcome.status
            tracing.annotate(outcome=outcome.reason, status=status)

    def _try(self, leased: LeasedDelivery) -> DeliveryOutcome:
        started_at = time.monotonic()
        request = self._build_request(leased)
        outcome = self._send(request, leased.hotline) if isinstance(request, DeliveryRequest) else request
        body = request.body if isinstance(request, DeliveryRequest) else b""
        self.metrics.attempts.labels(leased.hotline, outcome.reason).inc()
        try:
            retry_commit(lambda: self._record_outcome(leased, outcome, body), self.pause)
        except DatabaseUnavailable:
            # Not recorded: the lease expires, and the report is sent again under the same idempotency key.
            log.warning("database_unavailable", delivery_id=leased.delivery_id)
        _log(leased, outcome, round((time.monotonic() - started_at) * 1000))
        return outcome

    def _build_request(self, leased: LeasedDelivery) -> DeliveryRequest | Undeliverable:
        """Return the request to the hotline, or why there is none. Raises DatabaseUnavailable.

        That leaves the lease to expire: the delivery is not the cause.
        """
        try:
            return self._build_or_refuse(leased)
        except DatabaseUnavailable:
            raise
        except Exception:  # such as a body that is no JSON
            log.exception("job_failed", delivery_id=leased.delivery_id)
            return Undeliverable("our_fault")

    def _build_or_refuse(self, leased: LeasedDelivery) -> DeliveryRequest | Undeliverable:
        if leased.mode != self.mode:
            return Undeliverable("wrong_mode")  # training and live data are never mixed (S-40)
        if leased.body is None:
            return Undeliverable("no_body")
        sealed_body = SealedBody(leased.body.key_id, leased.body.wrap, leased.body.head, leased.body.sealed)
        try:
            private_key = self.keys.of(leased.hotline, leased.body.key_id)
        except DecryptError:
            return Undeliverable("no_key")
        try:
            report = open_body(private_key, _seal_context(self.mode, leased, leased.body.message_id), sealed_body)
        except DecryptError:
            return Undeliverable("not_sealed_to_us")
        if leased.withdrawn:
            report = without_contact(report)
        if leased.type == DeliveryType.MESSAGE:
            report = self._with_sound(leased, report)
        # The event's time, not the attempt's: all attempts send the same bytes until a number is withdrawn.
        body = envelope(f"report.{leased.type}", leased.created_at // SECOND, report)
        return DeliveryRequest(
            leased.delivery_id, leased.type, leased.hotline, body, leased.attempt, leased.priority, leased.report_id
        )

    def _with_sound(self, leased: LeasedDelivery, message: bytes) -> bytes:
        """Add the sound to a message about a recording, if the hotline's system stores sound; return others unchanged.

        If the sound was deleted meanwhile or does not open, the message only says that somebody spoke.
        """
        body = json.loads(message)
        if body["kind"] != MessageKind.RECORDING:
            return message
        connector = self.hotlines.get(leased.hotline)
        if connector is None or not connector.takes_sound:
            return message
        recording_id = body["message_id"]
        copy = recordings.load_copy(self.database, recording_id, leased.hotline)
        if copy is None:
            return message
        context = SealContext.of_recording(self.mode, leased.report_id, recording_id, leased.hotline)
        try:
            key = self.keys.of(leased.hotline, copy.key_id)
            return with_sound(message, open_body(key, context, SealedBody(copy.key_id, copy.wrap, b"", copy.sealed)))
        except DecryptError:
            return message

    def _send(self, request: DeliveryRequest, hotline_id: str) -> DeliveryOutcome:
        connector = self.hotlines.get(hotline_id)
        if connector is None:
            return Undeliverable("no_hotline")
        try:
            return connector.deliver(request)
        except Exception:  # one failed delivery must not stop the others
            log.exception("job_failed", delivery_id=request.delivery_id)
            return Undeliverable("our_fault")

    def _record_outcome(self, leased: LeasedDelivery, outcome: DeliveryOutcome, body: bytes) -> None:
        if isinstance(outcome, Delivered):
            receipt = DeliveryReceipt(
                outcome.reason, outcome.status, hashlib.sha256(body).digest(), is_notice=outcome.is_notice
            )
            if outbox.mark_delivered(self.database, leased, receipt, self.actor):
                waited = self.database.now() - leased.created_at
                self.metrics.send_to_hotline.observe(max(0, waited) / SECOND)
            return
        if not outbox.mark_failed(self.database, leased, self._failure(leased, outcome), self.holder, self.actor):
            log.warning("delivery_lease_lost", delivery_id=leased.delivery_id)

    def _failure(self, leased: LeasedDelivery, outcome: Unavailable | Refused | Undeliverable) -> DeliveryFailure:
        if isinstance(outcome, Undeliverable):
            return DeliveryFailure(outcome.reason, None, retry_policy.delay_after_own_fault(leased.priority))
        if isinstance(outcome, Unavailable):
            waited = leased.now - leased.created_at
            delay = retry_policy.delay_after_failure(
                leased.priority, leased.attempt, waited, self.chance(), retry_after=outcome.retry_after
            )
            return DeliveryFailure(outcome.reason, outcome.status, delay, counts=True)
        refusals = refusal_count(leased.last_class) + 1
        if outcome.is_final or refusals >= max(retry_policy.MAX_REFUSALS, outcome.addresses):
            return DeliveryFailure(outcome.reason, outcome.status, None, gone=outcome.is_gone)
        delay = retry_policy.delay_after_refusal(leased.priority, refusals, self.chance())
        return DeliveryFailure(f"{outcome.reason} {refusals}", outcome.status, delay)


def _seal_context(mode: Mode, leased: LeasedDelivery, message_id: str) -> SealContext:
    if message_id:
        return SealContext.of_message(mode, leased.report_id, message_id, leased.hotline)
    return SealContext(mode, leased.report_id, leased.revision, leased.hotline)


def refusal_count(last_class: str | None) -> int:
    """Return how many times in a row the hotline refused the report: `refused 2` → 2."""
    why, _, count = (last_class or "").partition(" ")
    return int(count) if why == "refused" and count.isdigit() else 0


def deliver(delivery_runner: DeliveryRunner, queue: QueueName, delivery_id: str) -> None:
    """Run the queued job `DELIVER_JOB`, which names this function.

    It delivers this id, then the other due rows of the queue.
    """
    started_at = time.monotonic()
    delivery_runner.deliver(delivery_id)
    deliver_due(delivery_runner, queue, DRAIN_SECONDS - (time.monotonic() - started_at))


def deliver_due(delivery_runner: DeliveryRunner, queue: QueueName, seconds: float = DRAIN_SECONDS) -> None:
    """Deliver the due rows of the queue, for at most `seconds`."""
    delivery_runner.drain(QUEUE_PRIORITIES[queue], seconds)


_LOG_EVENTS = {
    Delivered: "delivered",
    Unavailable: "delivery_unavailable",
    Refused: "delivery_refused",
    Undeliverable: "delivery_undeliverable",
}


def _log(leased: LeasedDelivery, outcome: DeliveryOutcome, ms: int) -> None:
    log.info(
        _LOG_EVENTS[type(outcome)],
        delivery_id=leased.delivery_id,
        hotline=leased.hotline,
        priority=leased.priority,
        attempt=leased.attempt,
        status=None if isinstance(outcome, Undeliverable) else outcome.status,
        reason=outcome.reason,
        ms=ms,
    )
