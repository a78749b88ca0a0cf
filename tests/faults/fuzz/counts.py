"""Counts and findings of a run, from many threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.conversations import MAX_ANSWER_SECONDS
from tests.faults.fuzz.raw_connection import Answer
from tests.faults.fuzz.stored_words import SentWords

RESULTS = Path(__file__).parents[3] / "var" / "faults"
MAX_FINDINGS = 20
LATER = 503  # answer to an SMS that cannot be stored now: the provider repeats it
MEGABYTE = 1 << 20


@dataclass
class FuzzCounts:
    """`memory`: bytes of all web processes, when warm and at the end. `findings`: faults."""

    seed: int
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    words: int = 0  # found in the store
    callers: int = 0  # valid calls that reached Sent
    slowest: float = 0.0
    memory: tuple[int, int] = (0, 0)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    waiting: list[SentWords] = field(default_factory=list)  # words not looked for yet

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = 0

    def next(self) -> int:
        """Return the next number."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def note(self, answer: Answer, what: str) -> None:
        """Count an answer; record a finding if it is a fault."""
        with self._lock:
            self.requests += 1
            self.statuses[answer.status] += 1
            self.slowest = max(self.slowest, 0.0 if what == "garbage" else answer.seconds)
        if answer.status >= 500 and answer.status != LATER:
            self.find(f"{answer.status} to {what}", answer.sent)
        elif not answer.status and what != "garbage":
            self.find(f"no answer to {what}", answer.sent)
        if (
            answer.seconds > MAX_ANSWER_SECONDS and what != "garbage"
        ):  # web waits five seconds for the rest of a request
            self.find(f"{answer.seconds:.1f} s for {what}", answer.sent)

    def heard(self, summary: Sequence[SentWords]) -> None:
        """Add words that must be found in the store."""
        with self._lock:
            self.waiting.extend(summary)

    def found(self, without: Sequence[SentWords]) -> None:
        """Count the waiting words except these as found."""
        self.words += len(self.waiting) - len(without)
        self.waiting = list(without)

    def find(self, what: str, evidence: bytes = b"") -> None:
        """Record a finding, with the request that shows it."""
        with self._lock:
            self.findings.append(what)
            if len(self.findings) <= MAX_FINDINGS:
                RESULTS.mkdir(parents=True, exist_ok=True)
                (RESULTS / f"fuzz-{self.seed}-{len(self.findings)}.txt").write_bytes(what.encode() + b"\n\n" + evidence)

    @property
    def full(self) -> bool:
        """Return whether there are too many findings."""
        return len(self.findings) >= MAX_FINDINGS

    @property
    def growth(self) -> float:
        """Return the growth of memory as a share."""
        warm, now = self.memory
        return now / warm - 1 if warm else 0.0

    def summary(self) -> str:
        """Return two lines of figures."""
        statuses = "  ".join(f"{status or 'closed'} {count:,}" for status, count in sorted(self.statuses.items()))
        warm, now = (size / MEGABYTE for size in self.memory)
        rate = self.requests / self.seconds if self.seconds else 0.0
        return (
            f"seed {self.seed}  {self.requests:,} requests in {self.seconds:.0f} s ({rate:.0f}/s)  "
            f"answered {statuses}\n"
            f"words found again {self.words:,}  honest callers sent {self.callers:,}  slowest {self.slowest:.2f} s  "
            f"memory of web {warm:.0f} -> {now:.0f} MB ({self.growth:+.1%})  findings {len(self.findings)}"
        )
