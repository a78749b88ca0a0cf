"""What callers and staff notice while somebody attacks: how long each answer took, and how much memory it cost."""

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

from tests.faults.beside import MEASURED
from tokaut.local_stack.parent_death import die_with_parent

WITHIN = 10.0  # seconds after which a question counts as not answered
AT_A_TIME = 16
LOOKS = 0.25  # seconds between two looks at the memory


@dataclass
class Noticed:
    """`waits`: seconds to each answer, in no order; `missed`: why others had none."""

    waits: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return len(self.waits) + len(self.missed)

    def slowest(self, share: float) -> float:
        """Return the wait that this share of all questions stayed under; those without an answer wait longest."""
        ordered = sorted([*self.waits, *[WITHIN] * len(self.missed)])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def within(self, seconds: float) -> float:
        """Return the share of all questions that were answered within so many seconds."""
        return sum(wait <= seconds for wait in self.waits) / max(1, self.asked)


def ask(question: Callable[[int], None], times: int, a_second: float) -> Noticed:
    """Ask at a steady pace, however long the answers take. `question` raises where its answer is not the right one."""
    noticed, began = Noticed(), time.monotonic()

    def once(number: int) -> None:
        time.sleep(max(0.0, began + number / a_second - time.monotonic()))
        asked_at = time.monotonic()
        try:
            question(number)
        except (OSError, AssertionError) as why:
            noticed.missed.append(f"{type(why).__name__}: {why}"[:200])
        else:
            noticed.waits.append(time.monotonic() - asked_at)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(once, range(times)))
    return noticed


@contextmanager
def flooded(act: Callable[[int], None], times: int, a_second: float, at_once: int) -> Iterator[Noticed]:
    """Do this beside, at a steady pace and at most so many at once. What came of it is there at the end."""
    noticed, over = Noticed(), threading.Event()
    began = time.monotonic()

    def once(number: int) -> None:
        if over.wait(max(0.0, began + number / a_second - time.monotonic())):
            return
        asked_at = time.monotonic()
        try:
            act(number)
        except (OSError, AssertionError) as why:
            noticed.missed.append(str(why)[:200])
        else:
            noticed.waits.append(time.monotonic() - asked_at)

    with ThreadPoolExecutor(at_once) as pool:
        done = [pool.submit(once, number) for number in range(times)]
        try:
            yield noticed
        finally:
            over.set()
            wait(done)


@contextmanager
def hostile(port: int, seconds: float, connections: int, *, tls: bool) -> Iterator[dict[str, int]]:
    """Run `tests.faults.hostile` beside: most connections idle, the rest bad requests.

    What is yielded is filled with what both programs saw, added up, once they have ended.
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
            process.stdout.readline()  # all are there
            yield seen
            said, _ = process.communicate(timeout=seconds + 60)
            seen.update(json.loads(said))
        finally:
            process.kill()


class Memory:
    """The most that these processes had resident at once, in MB: `with Memory(pids) as memory:`."""

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
        while not self._over.wait(LOOKS):
            self.most = max(self.most, self._now())

    def _now(self) -> float:
        return sum(_resident(pid) for pid in self._pids)


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def tell(attack: str, noticed: Noticed, most: float, memory: Memory | None = None, **more: object) -> None:
    """Print one row of the table: how many were answered in time, the 99th percentile, the memory."""
    used = f"{memory.before:.0f} to {memory.most:.0f} MB" if memory else "-"
    others = ", ".join(f"{name} {value}" for name, value in {**more, "missed": noticed.missed[:2]}.items() if value)
    sys.stdout.write(
        f"\n{MEASURED}{attack} | {noticed.within(most):.1%} of {noticed.asked} within {most:g} s "
        f"| p50 {noticed.slowest(0.5):.2f} s, p99 {noticed.slowest(0.99):.2f} s | {used} | {others} |\n"
    )
    sys.stdout.flush()
