"""One SMS and what can come of giving it to a provider. Providers have no key for a repeat, unlike hotlines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

MSISDN = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164 with its +: what every provider takes


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """`sender` is the short code the person wrote to; `link` is what the provider wants back with a reply, or "".

    `id` is ours: a provider that gives none back can be asked to name it in its delivery report. `seconds`: for how
    long it is still worth sending.
    """

    to: str = field(repr=False)
    sender: str
    words: str = field(repr=False)
    link: str = field(default="", repr=False)
    id: str = ""
    seconds: int = 600


@dataclass(frozen=True, slots=True)
class Accepted:
    """`provider_id`: by which the provider's delivery report will call it; None where it gave none."""

    provider_id: str | None = None
    why: str = "delivered"


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It was surely not sent, or, where `once`, most likely not: then one more try and no further."""

    why: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class DoNotRetry:
    """Never again: it cannot be sent, or nobody knows whether it was."""

    why: str


SmsOutcome = Accepted | RetryLater | DoNotRetry

# What only the operator can mend.
OPERATOR_FAULTS = ("credit", "sender_id", "locked_out", "account")


class SmsSender(Protocol):
    """One provider's way to send. One file a channel in workers/senders/, by the channel's name."""

    def send(self, text: SmsMessage) -> SmsOutcome:
        """Raises nothing for what the other end does."""
        ...
