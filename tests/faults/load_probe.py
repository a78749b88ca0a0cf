"""Measure the effect of an attack on reporters and staff: seconds to each answer, and the memory of processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.other_parts import TABLE_ROW
from tokaut.local_stack.parent_death import die_with_parent

WITHIN = 10.0  # seconds after which a request counts as unanswered
CONCURRENCY = 16
SAMPLE_SECONDS = 0.25  # between two readings of the memory


@dataclass
class Latencies:
    """`waits`: seconds to each answer, unordered; `failures`: why the other requests got no answer."""

    waits: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.waits) + len(self.failures)

    def slowest(self, share: float) -> float:
        """Return the wait below which this share of requests stayed; a missing answer counts as the longest."""
        ordered = sorted([*self.waits, *[WITHIN] * len(self.failures)])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def within(self, seconds: float) -> float:
        """Return the share of all requests that were answered within this number of seconds."""
        return sum(wait <= seconds for wait in self.waits) / max(1, self.count)


def probe(question: Callable[[int], None], times: int, a_second: float) -> Latencies:
    """Send requests at a steady rate, however long the answers take. `question` raises if its answer is wrong."""
    latencies, began = Latencies(), time.monotonic()

    def once(number: int) -> None:
        time.sleep(max(0.0, began + number / a_second - time.monotonic()))
        asked_at = time.monotonic()
        try:
            question(number)
        except (OSError, AssertionError) as why:
            latencies.failures.append(f"{type(why).__name__}: {why}"[:200])
        else:
            latencies.waits.append(time.monotonic() - asked_at)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(once, range(times)))
    return latencies


@contextmanager
def flood(act: Callable[[int], None], times: int, a_second: float, at_once: int) -> Iterator[Latencies]:
    """Repeat `act` during the block, at a steady rate, at most `at_once` at a time. The result is complete after it."""
    latencies, over = Latencies(), threading.Event()
    began = time.monotonic()

    def once(number: int) -> None:
        if over.wait(max(0.0, began + number / a_second - time.monotonic())):
            return
        asked_at = time.monotonic()
        try:
            act(number)
        except (OSError, AssertionError) as why:
            latencies.failures.append(str(why)[:200])
        else:
            latencies.waits.append(time.monotonic() - asked_at)

    with ThreadPoolExecutor(at_once) as pool:
        done = [pool.submit(once, number) for number in range(times)]
        try:
            yield latencies
        finally:
            over.set()
            wait(done)


@contextmanager
def hostile_connections(port: int, seconds: float, connections: int, *, tls: bool) -> Iterator[dict[str, int]]:
    """Run `tests.faults.hostile` during the block: most connections idle, the others with bad requests.

    The yielded counts are the sums of both programs, and are filled in at the end of the block.
    """
    seen: Counter[str] = Counter()
    bad = connections // 4
    with (
        _program(port, seconds, connections - bad, "idle") as idle,
        _program(port, seconds, bad, "tls" if tls else "plain") as others,
    ):
        yield seen
    for one in (idle, others):
        seen.update(one)


@contextmanager
def _program(port: int, seconds: float, connections: int, how: str) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.faults.hostile", str(port), str(seconds), str(connections), how]
    seen: dict[str, Any] = {}
    with subprocess.Popen(die_with_parent(command), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            process.stdout.readline()  # all connections were tried
            yield seen
            said, _ = process.communicate(timeout=seconds + 60)
            seen.update(json.loads(said))
        finally:
            process.kill()


class Memory:
    """The highest resident memory of all these processes together, in MB: `with Memory(pids) as memory:`."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.before = self.most = self._now()

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.most = max(self.most, self._now())

    def _now(self) -> float:
        return sum(_resident(pid) for pid in self._pids)


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def print_row(attack: str, latencies: Latencies, most: float, memory: Memory | None = None, **more: object) -> None:
    """Print a row of the table: how many were answered in time, the 99th percentile, the memory."""
    used = f"{memory.before:.0f} to {memory.most:.0f} MB" if memory else "-"
    others = ", ".join(f"{name} {value}" for name, value in {**more, "missed": latencies.failures[:2]}.items() if value)
    sys.stdout.write(
        f"\n{TABLE_ROW}{attack} | {latencies.within(most):.1%} of {latencies.count} within {most:g} s "
        f"| p50 {latencies.slowest(0.5):.2f} s, p99 {latencies.slowest(0.99):.2f} s | {used} | {others} |\n"
    )
    sys.stdout.flush()
