"""The state of the experiment for its steps: the installation, the ledger of faults, and the measurements."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.experiment import ExperimentFailed
from tests.faults.json_lines import JsonLinesFile
from tests.hosts.installation import InstallationOnHosts

TICK = 0.1
MAX_LEADERLESS = 15.0  # seconds until another clock leads
FINDS_AGAIN = 12.0  # seconds until nginx uses a host again: after a failure it does not use it for ten


@dataclass
class ExperimentState:
    """`hit`: times when a web host was killed, frozen or cut off, from begin to end: its open requests are lost.

    `broken`: promises that were not kept.
    """

    installation: InstallationOnHosts
    ledger: JsonLinesFile
    look: Callable[[], None]
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    hit: list[tuple[float, float]] = field(default_factory=list)
    leaderless: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        """Let reporters call for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(TICK)

    def until(self, true: Callable[[], bool], otherwise: str, seconds: float = 90) -> float:
        """Wait for a condition and return the seconds until it was true. Raises ExperimentFailed if it stays false."""
        began = time.monotonic()
        while not true():
            if time.monotonic() > began + seconds:
                raise ExperimentFailed(f"after {seconds:.0f} s {otherwise}")
            self.look()
            time.sleep(TICK)
        return time.monotonic() - began

    def note(self, what: str) -> None:
        """Add a line to the step's output."""
        self.notes.append(f"  {what}")

    def promise(self, kept: bool, otherwise: str) -> None:
        """Record a broken promise."""
        if not kept:
            self.broken.append(otherwise)

    def killed(self, process: str) -> None:
        """Write into the ledger that a process or host was killed, frozen or cut off."""
        self.ledger.add(event="killed", at=time.time(), process=process)

    def back(self, process: str) -> None:
        """Write into the ledger that it is back."""
        self.ledger.add(event="back", at=time.time(), process=process)

    @contextmanager
    def web_is_hit(self, process: str) -> Iterator[None]:
        """Record a fault of a web host, from the begin of the block until nginx uses the host again."""
        self.killed(process)
        began = time.time()
        yield
        self.back(process)
        self.hit.append((began, time.time() + FINDS_AGAIN))
        if not self.installation.small:  # the next step hits the other web host
            self.wait(FINDS_AGAIN)

    def until_another_leads(self, host: str) -> None:
        """Wait until the clock of another host leads, and record how long that took."""
        took = self.until(
            lambda: self.installation.leader() not in ("", host), f"no clock but that of {host} leads", 60
        )
        self.leaderless.append(took)
        self.promise(took <= MAX_LEADERLESS, f"another clock led only after {took:.1f} s")

    def until_the_leader(self) -> str:
        """Wait until a clock leads, and return its host."""
        self.until(lambda: bool(self.installation.leader()), "no clock leads", 60)
        return self.installation.leader()
