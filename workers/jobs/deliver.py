"""Gives reports to their hotlines: lease, open, give the connection back, call, say how it went.

A queued id only hurries a row along. One job drains what else is due for its queue, so that the queue's own cost is
not paid for each report.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from reports.crypto import DecryptError as DoesNotOpen
from reports.crypto import SealContext, SealedBody, open_body
from reports.escalation.priorities import QUEUE_PRIORITIES
from reports.json_bodies import envelope, without_contact
from reports.store import outbox
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.outbox import DeliveryFailure, DeliveryReceipt, LeasedDelivery
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
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.retry_policy import random_jitter, retry_commit

DRAIN_SECONDS = 15  # of a job; no new row after that: one more call still ends within its 40 s

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliveryRunner:
    """All that a delivery needs. `holder` is host/slot/boot: whose leases these are."""

    database: Database
    keys: KeyRing
    hotlines: Mapping[str, HotlineConnector]
    mode: str
    holder: str
    actor: str  # worker or clock, for the audit
    metrics: WorkerMetrics
    chance: Callable[[], float] = random_jitter
    pause: Callable[[float], object] = time.sleep
    stopping: Callable[[], bool] = field(default=lambda: False)
    between: Callable[[], object] = field(default=lambda: None)  # what a backlog of reports must not hold up

    def deliver(self, delivery_id: str) -> bool:
        """One row, where it is due and free. False: it was not, or the database is away."""
        try:
            leased = outbox.lease(self.database, delivery_id, self.holder)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return False
        if leased is not None:
            self._forward(leased)
        return leased is not None

    def drain(self, priorities: Sequence[str], seconds: float = DRAIN_SECONDS) -> int:
        """What is due, the most urgent first, for so many seconds."""
        until = time.monotonic() + seconds
        count = 0
        while time.monotonic() < until and not self.stopping():
            self.between()
            if time.monotonic() >= until:  # it may take as long as a report
                break
            try:
                leased = outbox.lease_next(self.database, priorities, self.holder)
            except DatabaseUnavailable:
                log.warning("database_unavailable")
                break
            if leased is None:
                break
            self._forward(leased)
            count += 1
        return count

    def _forward(self, leased: LeasedDelivery) -> None:
        began = time.monotonic()
        parcel = self._pack(leased)
        outcome = self._hand_over(parcel, leased.hotline) if isinstance(parcel, DeliveryRequest) else parcel
        body = parcel.body if isinstance(parcel, DeliveryRequest) else b""
        self.metrics.attempts.labels(leased.hotline, outcome.why).inc()
        try:
            retry_commit(lambda: self._mark(leased, outcome, body), self.pause)
        except DatabaseUnavailable:
            # Not known to be marked: the lease runs out and it goes again, under the same key.
            log.warning("database_unavailable", delivery_id=leased.delivery_id)
        _log(leased, outcome, round((time.monotonic() - began) * 1000))

    def _pack(self, leased: LeasedDelivery) -> DeliveryRequest | Undeliverable:
        if leased.mode != self.mode:
            return Undeliverable("wrong_mode")  # training and live never meet (S-40)
        if leased.body is None:
            return Undeliverable("no_body")
        box = SealedBody(leased.body.key_id, leased.body.wrap, leased.body.head, leased.body.sealed)
        try:
            private = self.keys.of(leased.hotline, leased.body.key_id)
        except DoesNotOpen:
            return Undeliverable("no_key")
        try:
            data = open_body(private, _context(leased, leased.body.message_id), box)
        except DoesNotOpen:
            return Undeliverable("not_sealed_to_us")
        if leased.withdrawn:
            data = without_contact(data)
        # The time of the event, not of the attempt: the same bytes each time, until a number is withdrawn.
        body = envelope(f"report.{leased.type}", leased.created_at // SECOND, data)
        return DeliveryRequest(
            leased.delivery_id, leased.type, leased.hotline, body, leased.attempt, leased.priority, leased.report_id
        )

    def _hand_over(self, parcel: DeliveryRequest, name: str) -> DeliveryOutcome:
        hotline = self.hotlines.get(name)
        if hotline is None:
            return Undeliverable("no_hotline")
        try:
            return hotline.deliver(parcel)
        except Exception:  # one parcel that we cannot handle must not stop the others
            log.exception("job_failed", delivery_id=parcel.delivery_id)
            return Undeliverable("our_fault")

    def _mark(self, leased: LeasedDelivery, outcome: DeliveryOutcome, body: bytes) -> None:
        if isinstance(outcome, Delivered):
            receipt = DeliveryReceipt(outcome.why, outcome.status, hashlib.sha256(body).digest())
            if outbox.mark_delivered(self.database, leased, receipt, self.actor):
                waited = self.database.now() - leased.created_at
                self.metrics.send_to_hotline.observe(max(0, waited) / SECOND)
            return
        if not outbox.mark_failed(self.database, leased, self._failure(leased, outcome), self.holder, self.actor):
            log.warning("delivery_lease_lost", delivery_id=leased.delivery_id)

    def _failure(self, leased: LeasedDelivery, outcome: Unavailable | Refused | Undeliverable) -> DeliveryFailure:
        if isinstance(outcome, Undeliverable):
            return DeliveryFailure(outcome.why, None, retry_policy.delay_after_own_fault(leased.priority))
        if isinstance(outcome, Unavailable):
            waited = leased.now - leased.created_at
            delay = retry_policy.delay_after_failure(
                leased.priority, leased.attempt, waited, self.chance(), retry_after=outcome.retry_after
            )
            return DeliveryFailure(outcome.why, outcome.status, delay, counts=True)
        tries = refusal_count(leased.last_class) + 1
        if outcome.at_once or tries >= retry_policy.MAX_REFUSALS:
            return DeliveryFailure(outcome.why, outcome.status, None, gone=outcome.gone)
        delay = retry_policy.delay_after_refusal(leased.priority, tries, self.chance())
        return DeliveryFailure(f"{outcome.why} {tries}", outcome.status, delay)


def _context(leased: LeasedDelivery, message_id: str) -> SealContext:
    if message_id:
        return SealContext.of_message(leased.mode, leased.report_id, message_id, leased.hotline)
    return SealContext(leased.mode, leased.report_id, leased.revision, leased.hotline)


def refusal_count(last_class: str | None) -> int:
    """How often in a row it was refused: `refused 2` → 2."""
    why, _, count = (last_class or "").partition(" ")
    return int(count) if why == "refused" and count.isdigit() else 0


def deliver(forwarder: DeliveryRunner, queue: str, delivery_id: str) -> None:
    """The job: this id first, then whatever else is due for the queue."""
    began = time.monotonic()
    forwarder.deliver(delivery_id)
    forwarder.drain(QUEUE_PRIORITIES[queue], DRAIN_SECONDS - (time.monotonic() - began))


_EVENTS = {
    Delivered: "delivered",
    Unavailable: "delivery_unavailable",
    Refused: "delivery_refused",
    Undeliverable: "delivery_undeliverable",
}


def _log(leased: LeasedDelivery, outcome: DeliveryOutcome, ms: int) -> None:
    log.info(
        _EVENTS[type(outcome)],
        delivery_id=leased.delivery_id,
        hotline=leased.hotline,
        priority=leased.priority,
        attempt=leased.attempt,
        status=None if isinstance(outcome, Undeliverable) else outcome.status,
        reason=outcome.why,
        ms=ms,
    )
