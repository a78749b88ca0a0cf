"""Send requests to the webhooks, and check after each thousand and at the end how they were handled."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.faults.conversations import TO_SEND, is_sent
from tests.faults.faulty_installation import TOKAUT_PROCESSES, FaultyInstallation
from tests.faults.fuzz.caller import Caller
from tests.faults.fuzz.counts import FuzzCounts
from tests.faults.fuzz.raw_connection import RawConnection
from tests.faults.fuzz.stored_words import StoredWords
from tests.faults.fuzz.webhooks import OPEN, ways

AT_A_TIME = 8
LOOKED_AT_EACH = 1000
WARM = 5000  # requests after which web's memory is stable
GROWTH = 0.10
PAGE = 4096
LATE = 60.0  # seconds in which the spool is emptied


def fuzz(count: int, seed: int, watch: Callable[[FuzzCounts], None] = lambda counts: None) -> FuzzCounts:
    """Send `count` requests; end early if too much is wrong."""
    installation = FaultyInstallation(web_processes=2, settings=OPEN).up()
    try:
        run = Run(installation, count, FuzzCounts(seed), watch)
        run.go()
        return run.counts
    finally:
        installation.down()


class Run:
    """One run."""

    def __init__(
        self, installation: FaultyInstallation, count: int, counts: FuzzCounts, watch: Callable[[FuzzCounts], None]
    ) -> None:
        self.counts = counts
        self._installation = installation
        self._count = count
        self._watch = watch
        self._mark = f"zqfz{counts.seed}x"  # part of every random text, address and header
        self._ways = ways(installation)
        self._kept = StoredWords(installation)
        self._read = dict.fromkeys(TOKAUT_PROCESSES, 0)  # bytes of each log

    def go(self) -> None:
        """Send all requests and check."""
        began, counts = time.monotonic(), self.counts
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            while counts.requests < self._count and not counts.full:
                goal = min(self._count, counts.requests + LOOKED_AT_EACH)
                list(pool.map(self._call_until, [goal] * AT_A_TIME))
                self._look()
                counts.seconds = time.monotonic() - began
                if not counts.memory[0] and counts.requests >= min(WARM, self._count // 2):
                    counts.memory = (self._memory(), 0)
                self._watch(counts)
        self._finish()
        self._kept.close()

    def _call_until(self, goal: int) -> None:
        line = RawConnection(urlsplit(self._installation.web).port or 80)
        while self.counts.requests < goal:
            Caller(self.counts, self._ways, line, self._mark).call()
        line.close()

    def _look(self) -> None:
        self.counts.found(self._kept.without(self.counts.waiting))
        self._call_honestly()
        for part in TOKAUT_PROCESSES:
            self._look_into_log(part)

    def _call_honestly(self) -> None:
        self.counts.callers += 1
        phone = self._installation.ussd_phone("africastalking", f"+67877{self.counts.callers:05d}")
        try:
            seen = phone.dial()
            for reply in (*TO_SEND, "1"):
                seen = phone.type(reply)
        except (requests.RequestException, AssertionError) as error:
            self.counts.find(f"an honest caller got {error!r}")
        else:
            if not is_sent(seen):
                self.counts.find(f"an honest caller saw {seen.text!r}")

    def _look_into_log(self, part: str) -> None:
        with self._installation.log(part).open("rb") as log:
            log.seek(self._read[part])
            text = log.read()
        self._read[part] += len(text)
        for needle, what in ((self._mark, "what was sent"), ("pleaselisten", "words"), ("Traceback", "a fault")):
            at = text.find(needle.encode())
            if at >= 0:
                self.counts.find(f"{what} in the log of {part}", text[max(0, at - 2000) : at + 4000])

    def _finish(self) -> None:
        counts, end = self.counts, time.monotonic() + LATE
        while counts.waiting and time.monotonic() < end:
            time.sleep(1)
            self._look()
        counts.found(self._kept.without(counts.waiting, everything=True))
        for told in counts.waiting:
            counts.find(f"words lost that came by {told.channel}", repr(told).encode("utf-8", "surrogatepass"))
        counts.memory = (counts.memory[0], self._memory())
        if self._count >= 2 * WARM and counts.growth > GROWTH:
            counts.find(f"memory grew by {counts.growth:.0%}")
        figures = requests.get(f"{self._installation.web}/metrics", timeout=10).text
        if self._mark in figures:
            counts.find("what was sent in /metrics", figures.encode())

    def _memory(self) -> int:
        """Return the resident bytes of all web processes."""
        return sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE for pid in self._installation.web_workers()
        )
