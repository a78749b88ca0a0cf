"""Sends one SMS of `outgoing`. What cannot go within its ten minutes does not go at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from flows.gsm7 import segments
from reports.crypto import DecryptError, SealContext, SealedBody, open_body
from reports.crypto.key_files import SENDER_KEY
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.sms import answer_notices, messages, opt_outs
from reports.store.sms.answer_notices import NoticePermission
from reports.store.sms.messages import LeasedSms
from workers import retry_policy
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.retry_policy import random_jitter, retry_commit
from workers.sms.outcomes import Accepted, DoNotRetry, RetryLater, SmsMessage, SmsOutcome, SmsSender

SLOW_PROVIDER_SECONDS, PAUSE_SECONDS = 1, 30

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SmsDispatcher:
    """All that sending needs; `senders` by channel."""

    database: Database
    keys: KeyRing
    senders: Mapping[str, SmsSender]
    mode: str
    holder: str
    metrics: WorkerMetrics
    chance: Callable[[], float] = random_jitter
    pause: Callable[[float], object] = time.sleep

    def send(self, sms_id: str) -> bool:
        """False: it was not its time, somebody else has it, it has expired, or the database is away."""
        try:
            leased = messages.lease(self.database, sms_id, self.holder)
            if leased is None:
                return False
            self._send(leased)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return False
        return True

    def send_next(self) -> None:
        """The one that has waited longest, where one is due."""
        try:
            due = messages.list_due(self.database, at_most=1)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return
        for sms_id in due:
            self.send(sms_id)

    def _send(self, leased: LeasedSms) -> None:
        outcome, caller = self._hand_over(leased)
        self.metrics.sms.labels(leased.channel, outcome.why).inc()
        if isinstance(outcome, Accepted):
            self._mark_sent(leased, outcome)
        else:
            messages.mark_failed(self.database, leased, outcome.why, self._delay(leased, outcome), self.holder)
        if outcome.why == "opt_out" and caller:
            opt_outs.add(self.database, caller)
        event = "sms_sent" if isinstance(outcome, Accepted) else "sms_failed"
        log.info(event, channel=leased.channel, attempt=leased.attempt, reason=outcome.why)

    def _mark_sent(self, leased: LeasedSms, outcome: Accepted) -> None:
        """Sent again it would be an old screen after newer ones, and its "1" is another answer there.

        Raises DatabaseUnavailable.
        """
        retry_commit(lambda: messages.mark_sent(self.database, leased, outcome.provider_id, outcome.why), self.pause)

    def _hand_over(self, leased: LeasedSms) -> tuple[SmsOutcome, bytes]:
        if leased.mode != self.mode:
            return DoNotRetry("wrong_mode"), b""  # training and live never meet (S-40)
        sender = self.senders.get(leased.channel)
        if sender is None:
            return DoNotRetry("provider"), b""
        try:
            text, caller, body = self._open(leased)
            if why := self._taken_back(body):
                return DoNotRetry(why), b""
            outcome = sender.send(text)
            if isinstance(outcome, Accepted):
                self.metrics.segments.labels(leased.channel).inc(segments(text.words))
            return outcome, caller
        except DecryptError:
            return RetryLater("no_key"), b""
        except DatabaseUnavailable:  # nothing unasked goes without having asked; this one is tried again
            raise
        except Exception:  # one SMS that we cannot handle must not stop the others
            log.exception("job_failed", channel=leased.channel)
            return DoNotRetry("our_fault"), b""

    def _taken_back(self, body: Mapping[str, Any]) -> str:
        """Why what nobody asked for may not go any more, looked at before each try; empty: it may.

        Raises DatabaseUnavailable.
        """
        unless = _optouts(body)
        if unless and opt_outs.is_opted_out(self.database, unless):
            return "opt_out"
        yes = body.get("yes")
        return (
            answer_notices.WITHDRAWN
            if yes and not answer_notices.is_still_permitted(self.database, NoticePermission(**yes))
            else ""
        )

    def _open(self, leased: LeasedSms) -> tuple[SmsMessage, bytes, Mapping[str, Any]]:
        """The text; whose it is, to keep an opt-out that the provider tells of; and all that was sealed."""
        context = SealContext(leased.mode, leased.id, 1, SENDER_KEY)
        box = SealedBody(leased.key_id, leased.wrap, b"", leased.sealed)
        body = json.loads(open_body(self.keys.of(SENDER_KEY, leased.key_id), context, box))
        text = SmsMessage(
            to=body["to"],
            sender=body["from"],
            words=body["text"],
            link=body.get("link", ""),
            id=leased.id,
            seconds=leased.lives // 1_000_000,
        )
        caller = bytes.fromhex(body.get("caller", ""))
        return text, caller or next(iter(_optouts(body)), b""), body

    def _delay(self, leased: LeasedSms, outcome: RetryLater | DoNotRetry) -> int | None:
        if isinstance(outcome, DoNotRetry) or (outcome.once and leased.attempt > 1):
            return None
        return retry_policy.delay_after_failure("P1", leased.attempt, 0, self.chance())


def _optouts(body: Mapping[str, Any]) -> list[bytes]:
    return [bytes.fromhex(one) for one in body.get("unless", ())]


class InterleavedSms:
    """One SMS between two reports of a backlog: somebody waits for it with the phone in the hand.

    Not while the provider is slow, or it would hold up the reports.
    """

    def __init__(self, texter: SmsDispatcher, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._texter = texter
        self._monotonic = monotonic
        self._not_before = 0.0

    def __call__(self) -> None:
        began = self._monotonic()
        if began < self._not_before:
            return
        self._texter.send_next()
        if (now := self._monotonic()) - began > SLOW_PROVIDER_SECONDS:
            self._not_before = now + PAUSE_SECONDS


def send(texter: SmsDispatcher, sms_id: str) -> None:
    """The job."""
    texter.send(sms_id)
