"""An SMS and the outcomes of sending it. Unlike hotlines, SMS providers have no idempotency key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

MSISDN = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164 with its +, which every provider accepts


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """An SMS to send.

    `sender`: the short code the person wrote to. `link`: what the provider wants back with a reply, or "". `id`: ours;
    a provider that returns no id can be asked to name it in its delivery report. `seconds`: how long it is worth
    sending.
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
    why: str = "delivered"


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The SMS was certainly not sent, or with `once` most likely not: then there is only one more attempt."""

    why: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class DoNotRetry:
    """The SMS must not be tried again: it cannot be sent, or it is not known whether it was."""

    why: str


SmsOutcome = Accepted | RetryLater | DoNotRetry

# Faults that only the operator can correct.
OPERATOR_FAULTS = ("credit", "sender_id", "locked_out", "account")


class SmsSender(Protocol):
    """How one provider sends SMS. Each is a module of workers/senders/ with the channel's name."""

    def send(self, text: SmsMessage) -> SmsOutcome:
        """Send the SMS and return the outcome. Raises nothing for a failure at the provider."""
        ...
