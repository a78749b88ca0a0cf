"""Send the SMS of the table `outgoing`. One that cannot be sent within its ten minutes is dropped."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, Protocol, runtime_checkable

import structlog

from flows.pagination import segments
from reports.crypto import DecryptError, SealContext, SealedBody, open_body
from reports.crypto.key_files import SENDER_KEY
from reports.escalation import Priority
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.sms import answer_notices, messages, opt_outs
from reports.store.sms.answer_notices import NoticePermission
from reports.store.sms.messages import LeasedSms
from runtime.settings import Mode
from runtime.time_units import SECOND
from workers import retry_policy
from workers.failures import SmsFailure
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.retry_policy import random_jitter, retry_commit

MSISDN = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164 with its +, which every provider accepts
SLOW_PROVIDER_SECONDS, PAUSE_SECONDS = 1, 30

log = structlog.get_logger()


# An SMS and the outcomes of sending it. Unlike hotlines, SMS providers have no idempotency key.


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """An SMS to send.

    `sender`: our number or short code, which the phone shows. `link`: the provider's value to return with a reply, or
    "". `id`: ours; a provider that returns no id can be asked to name it in its delivery report. `seconds`: until it
    expires.
    """

    to: str = field(repr=False)
    sender: str
    words: str = field(repr=False)
    link: str = field(default="", repr=False)
    id: str = ""
    seconds: int = 600


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider accepted the SMS.

    `provider_id`: the provider's name for it in its delivery report; None if there was none.
    """

    provider_id: str | None = None
    reason: Literal["accepted"] = "accepted"


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The SMS was certainly not sent, or with `once` most likely not: then there is only one more attempt."""

    reason: SmsFailure
    once: bool = False


@dataclass(frozen=True, slots=True)
class DoNotRetry:
    """The SMS must not be tried again: it cannot be sent, or it is not known whether it was."""

    reason: SmsFailure


SmsOutcome = Accepted | RetryLater | DoNotRetry

# A 2xx that does not say what became of the SMS, as the page of a proxy. It may have been sent, so it is not repeated;
# nobody counts as notified by it.
NOT_UNDERSTOOD: Final = DoNotRetry("not_understood")

# Faults that only the operator can correct.
OPERATOR_FAULTS: tuple[SmsFailure, ...] = ("credit", "sender_id", "locked_out", "account")


# The bearer of a text, for metrics and log. It is in the sealed body, so it is unknown if that does not open.
Bearer = Literal["sms", "ussd", "unknown"]
SMS: Final = "sms"
USSD: Final = "ussd"


class SmsSender(Protocol):
    """Sends SMS through one provider. Each is a module of workers/senders/ with the channel's name."""

    def send(self, sms: SmsMessage) -> SmsOutcome:
        """Send the SMS and return the outcome. Raises nothing for a failure at the provider."""
        ...


@runtime_checkable
class UssdSender(Protocol):
    """A sender that can also show a text by network-initiated USSD, which stays in no inbox."""

    @property
    def can_notify(self) -> bool:
        """Return whether the operator has set this up, with delivery reports: without them nothing shows a failure."""
        ...

    def notify(self, sms: SmsMessage) -> SmsOutcome:
        """Show the text on the phone and return the outcome. Raises nothing for a failure at the provider."""
        ...


class _Attempt(NamedTuple):
    """One attempt. `number_hash`: the hash for an opt-out that the provider reports; empty if there is none."""

    outcome: SmsOutcome
    bearer: Bearer = "unknown"
    number_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class SmsDispatcher:
    """Send due SMS. `senders`: by channel."""

    database: Database
    keys: KeyRing
    senders: Mapping[str, SmsSender]
    mode: Mode
    holder: str
    metrics: WorkerMetrics
    chance: Callable[[], float] = random_jitter
    pause: Callable[[float], object] = time.sleep

    def send(self, sms_id: str, without: Collection[str] = ()) -> str:
        """Send one SMS, and return its channel.

        Returns "" if it was not due, was leased by another process, has expired, is of a channel in `without`, or the
        database is unavailable.
        """
        try:
            leased = messages.lease(self.database, sms_id, self.holder, without)
            if leased is None:
                return ""
            self._send(leased)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return ""
        return leased.channel

    def next_due(self, without: Collection[str] = ()) -> str:
        """Return the id of the SMS that has been due the longest, or "". `without`: the channels that are left out."""
        try:
            return next(iter(messages.list_due(self.database, at_most=1, without=without)), "")
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return ""

    def _send(self, leased: LeasedSms) -> None:
        outcome, bearer, number_hash = self._send_by_provider(leased)
        self.metrics.sms.labels(leased.channel, outcome.reason, bearer).inc()
        if isinstance(outcome, Accepted):
            self._mark_sent(leased, outcome)
        else:
            messages.mark_failed(self.database, leased, outcome.reason, self._delay(leased, outcome), self.holder)
        if outcome.reason == "opt_out" and number_hash:
            opt_outs.add(self.database, number_hash)
        event = "sms_sent" if isinstance(outcome, Accepted) else "sms_failed"
        log.info(event, channel=leased.channel, by=bearer, attempt=leased.attempt, reason=outcome.reason)

    def _mark_sent(self, leased: LeasedSms, outcome: Accepted) -> None:
        """Record that the SMS was sent. Raises DatabaseUnavailable.

        Sent twice, an old screen would arrive after newer ones, and a "1" in reply would answer another question.
        """
        retry_commit(lambda: messages.mark_sent(self.database, leased, outcome.provider_id, outcome.reason), self.pause)

    def _send_by_provider(self, leased: LeasedSms) -> _Attempt:
        if leased.mode != self.mode:
            return _Attempt(DoNotRetry("wrong_mode"))  # training and live data are never mixed (S-40)
        sender = self.senders.get(leased.channel)
        if sender is None:
            return _Attempt(DoNotRetry("provider"))
        bearer: Bearer = "unknown"
        try:
            sms, number_hash, body = self._open(leased)
            bearer = USSD if body.get("ussd") else SMS
            if why := self._withdrawn_reason(body):
                return _Attempt(DoNotRetry(why), bearer)
            outcome = _notify(sender, sms) if bearer == USSD else sender.send(sms)
            if isinstance(outcome, Accepted) and bearer == SMS:
                self.metrics.segments.labels(leased.channel).inc(segments(sms.words))
            return _Attempt(outcome, bearer, number_hash)
        except DecryptError:
            return _Attempt(RetryLater("no_key"))
        except DatabaseUnavailable:  # opt-outs could not be checked, so the SMS is not sent now; it is retried
            raise
        except Exception:  # one failed SMS must not stop the others
            log.exception("job_failed", channel=leased.channel)
            return _Attempt(DoNotRetry("our_fault"), bearer)

    def _withdrawn_reason(self, body: Mapping[str, Any]) -> SmsFailure | None:
        """Return why an unsolicited SMS may not be sent any more; None if it may. Checked before each attempt.

        Raises DatabaseUnavailable.
        """
        hashes = _optout_hashes(body)
        if hashes and opt_outs.is_opted_out(self.database, hashes):
            return "opt_out"
        permission = body.get("yes")
        return (
            answer_notices.WITHDRAWN
            if permission and not answer_notices.is_still_permitted(self.database, NoticePermission(**permission))
            else None
        )

    def _open(self, leased: LeasedSms) -> tuple[SmsMessage, bytes, Mapping[str, Any]]:
        """Return the SMS, the hash of its number for an opt-out that the provider reports, and the opened body."""
        context = SealContext(leased.mode, leased.id, 1, SENDER_KEY)
        sealed_body = SealedBody(leased.key_id, leased.wrap, b"", leased.sealed)
        body = json.loads(open_body(self.keys.of(SENDER_KEY, leased.key_id), context, sealed_body))
        sms = SmsMessage(
            to=body["to"],
            sender=body["from"],
            words=body["text"],
            link=body.get("link", ""),
            id=leased.id,
            seconds=leased.time_left // SECOND,
        )
        number_hash = bytes.fromhex(body.get("caller", ""))
        return sms, number_hash or next(iter(_optout_hashes(body)), b""), body

    def _delay(self, leased: LeasedSms, outcome: RetryLater | DoNotRetry) -> int | None:
        if isinstance(outcome, DoNotRetry) or (outcome.once and leased.attempt > 1):
            return None
        return retry_policy.delay_after_failure(Priority.P1, leased.attempt, 0, self.chance())


USSD_SECONDS = 60  # a text that is shown later may be seen by another person


def _notify(sender: SmsSender, sms: SmsMessage) -> SmsOutcome:
    """Show a text by USSD. Never falls back to SMS: the scheduler decides that."""
    if not (isinstance(sender, UssdSender) and sender.can_notify):
        return DoNotRetry("provider")
    return sender.notify(replace(sms, seconds=min(sms.seconds, USSD_SECONDS)))


def _optout_hashes(body: Mapping[str, Any]) -> list[bytes]:
    return [bytes.fromhex(hex_hash) for hex_hash in body.get("unless", ())]


class WorkerSms:
    """Sends SMS in a worker, which delivers reports meanwhile: queued ones, and one between two reports of a backlog.

    After a provider was slow its channel is paused, so that it delays neither reports nor the SMS of other channels.
    The scheduler has a thread for each channel, and sends what waits here for 5 seconds.
    """

    def __init__(self, sms_dispatcher: SmsDispatcher, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sms_dispatcher = sms_dispatcher
        self._monotonic = monotonic
        self._paused_until: dict[str, float] = {}

    def send_next(self) -> None:
        """Send the SMS that has been due the longest, of the channels that are not paused."""
        if sms_id := self._sms_dispatcher.next_due(self._paused(self._monotonic())):
            self.send(sms_id)

    def send(self, sms_id: str) -> None:
        """Send one SMS, unless its channel is paused."""
        started_at = self._monotonic()
        channel = self._sms_dispatcher.send(sms_id, self._paused(started_at))
        if channel and (now := self._monotonic()) - started_at > SLOW_PROVIDER_SECONDS:
            self._paused_until[channel] = now + PAUSE_SECONDS

    def _paused(self, now: float) -> tuple[str, ...]:
        return tuple(channel for channel, until in self._paused_until.items() if now < until)


def send(worker_sms: WorkerSms, sms_id: str) -> None:
    """Run the queued job `SEND_SMS_JOB`, which names this function."""
    worker_sms.send(sms_id)
