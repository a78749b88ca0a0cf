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
from tests.faults.fuzz.raw_connection import Line
from tests.faults.fuzz.stored_words import StoredWords
from tests.faults.fuzz.tally import Tally
from tests.faults.fuzz.webhooks import OPEN, ways

AT_A_TIME = 8
LOOKED_AT_EACH = 1000
WARM = 5000  # requests after which web's memory is stable
GROWTH = 0.10
PAGE = 4096
LATE = 60.0  # seconds in which the spool is emptied


def fuzz(count: int, seed: int, watch: Callable[[Tally], None] = lambda tally: None) -> Tally:
    """Send `count` requests; end early if too much is wrong."""
    installation = FaultyInstallation(web_processes=2, settings=OPEN).up()
    try:
        run = Run(installation, count, Tally(seed), watch)
        run.go()
        return run.tally
    finally:
        installation.down()


class Run:
    """One run."""

    def __init__(
        self, installation: FaultyInstallation, count: int, tally: Tally, watch: Callable[[Tally], None]
    ) -> None:
        self.tally = tally
        self._installation = installation
        self._count = count
        self._watch = watch
        self._mark = f"zqfz{tally.seed}x"  # part of every random text, address and header
        self._ways = ways(installation)
        self._kept = StoredWords(installation)
        self._read = dict.fromkeys(TOKAUT_PROCESSES, 0)  # bytes of each log

    def go(self) -> None:
        """Send all requests and check."""
        began, tally = time.monotonic(), self.tally
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            while tally.requests < self._count and not tally.full:
                goal = min(self._count, tally.requests + LOOKED_AT_EACH)
                list(pool.map(self._call_until, [goal] * AT_A_TIME))
                self._look()
                tally.seconds = time.monotonic() - began
                if not tally.memory[0] and tally.requests >= min(WARM, self._count // 2):
                    tally.memory = (self._memory(), 0)
                self._watch(tally)
        self._finish()
        self._kept.close()

    def _call_until(self, goal: int) -> None:
        line = Line(urlsplit(self._installation.web).port or 80)
        while self.tally.requests < goal:
            Caller(self.tally, self._ways, line, self._mark).call()
        line.close()

    def _look(self) -> None:
        self.tally.found(self._kept.without(self.tally.waiting))
        self._call_honestly()
        for part in TOKAUT_PROCESSES:
            self._look_into_log(part)

    def _call_honestly(self) -> None:
        self.tally.callers += 1
        phone = self._installation.ussd_phone("africastalking", f"+67877{self.tally.callers:05d}")
        try:
            seen = phone.dial()
            for reply in (*TO_SEND, "1"):
                seen = phone.type(reply)
        except (requests.RequestException, AssertionError) as error:
            self.tally.find(f"an honest caller got {error!r}")
        else:
            if not is_sent(seen):
                self.tally.find(f"an honest caller saw {seen.text!r}")

    def _look_into_log(self, part: str) -> None:
        with self._installation.log(part).open("rb") as log:
            log.seek(self._read[part])
            text = log.read()
        self._read[part] += len(text)
        for needle, what in ((self._mark, "what was sent"), ("pleaselisten", "words"), ("Traceback", "a fault")):
            at = text.find(needle.encode())
            if at >= 0:
                self.tally.find(f"{what} in the log of {part}", text[max(0, at - 2000) : at + 4000])

    def _finish(self) -> None:
        tally, end = self.tally, time.monotonic() + LATE
        while tally.waiting and time.monotonic() < end:
            time.sleep(1)
            self._look()
        tally.found(self._kept.without(tally.waiting, everything=True))
        for told in tally.waiting:
            tally.find(f"words lost that came by {told.channel}", repr(told).encode("utf-8", "surrogatepass"))
        tally.memory = (tally.memory[0], self._memory())
        if self._count >= 2 * WARM and tally.growth > GROWTH:
            tally.find(f"memory grew by {tally.growth:.0%}")
        figures = requests.get(f"{self._installation.web}/metrics", timeout=10).text
        if self._mark in figures:
            tally.find("what was sent in /metrics", figures.encode())

    def _memory(self) -> int:
        """Return the resident bytes of all web processes."""
        return sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE for pid in self._installation.web_workers()
        )
