"""A crowd: simulated reporters who all dial at the same moment, each on its own connection, and go on to Send."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import uvloop

from tests.faults.conversations import TO_SEND
from tests.faults.light_client import Caller
from tests.support.installation import Installation

WITHIN = 60.0  # seconds; more than five is a failure, but the longer limit lets the test measure the delay


@dataclass
class LoadBurst:
    """Answers to all reporters. `waits`: step and seconds of each answer."""

    waits: list[tuple[int, float]] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    sent: dict[str, str] = field(default_factory=dict)  # phone → the last screen
    asked_again: int = 0  # screens that were shown again because no thread was free
    lasted: float = 0.0

    def slowest(self, share: float = 1.0, step: int | None = None) -> float:
        """Return the seconds that this share of all answers, or of those of one step, stayed below."""
        ordered = sorted(seconds for at, seconds in self.waits if step in (None, at))
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def summary(self) -> str:
        """Return one line of figures."""
        return (
            f"{len(self.sent):,} callers, {len(self.waits):,} answers in {self.lasted:.1f} s "
            f"({len(self.waits) / self.lasted:.0f}/s): p50 {self.slowest(0.5):.2f} s, p99 {self.slowest(0.99):.2f} s, "
            f"slowest {self.slowest():.2f} s, home {self.slowest(step=0):.2f} s, Send {self.slowest(step=8):.2f} s, "
            f"statuses {dict(self.statuses)}, "
            f"{self.asked_again:,} asked again"
        )


def all_at_once(installation: Installation, phones: list[str]) -> LoadBurst:
    """Let all phones dial at once, and return what they saw."""
    burst = LoadBurst()
    began = time.monotonic()
    uvloop.run(_all(burst, installation, phones))
    burst.lasted = time.monotonic() - began
    return burst


async def _all(burst: LoadBurst, installation: Installation, phones: list[str]) -> None:
    await asyncio.gather(*(_call(burst, installation, phone) for phone in phones))


async def _call(burst: LoadBurst, installation: Installation, phone: str) -> None:
    caller = Caller(installation, phone, f"ATUid_{phone}")
    async for answer in caller.walk(("", *TO_SEND, "1"), thinks=0, patience=WITHIN):
        burst.waits.append((answer.step, answer.seconds))
        burst.statuses[answer.status] += 1
        burst.asked_again += answer.is_repeated
        burst.sent[phone] = answer.screen
