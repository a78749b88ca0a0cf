"""Callers, many at a time, who walk to "Sent" while things break, and write down what they did and saw."""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from tests.faults.city import City
from tests.faults.ledger import Ledger
from tests.faults.lines import Dialled, Line, Request, Seen, Simulated, Texted
from tests.faults.story import ALREADY_SENT, OWN_WORDS, Story, kept_words, tell

REPEATS_FOR = 30.0  # seconds that a provider repeats a request; then the caller dials anew
MOST_SCREENS = 45
MOST_CALLS = 12
TWICE, SEND_TWICE = 0.05, 0.20  # of the requests, of the Sends
AT_ONCE = 0.5  # of those: at the same moment
DROPS = 0.02  # of the calls


class Gone(Exception):
    """This call came to nothing: no answer, or an end that is not "Sent". `anew`: nobody knows what became of it."""

    def __init__(self, why: str, *, anew: bool) -> None:
        super().__init__(why)
        self.anew = anew


@dataclass
class Callers:
    """`posted` and `sent` are told each Send that goes off and each "Sent" that comes: what aims the kills."""

    city: City
    ledger: Ledger
    seed: int
    posted: Callable[[str], None]
    sent: Callable[[str], None]
    count: int = 0
    gave_up: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, reports: int, at_a_time: int) -> ThreadPoolExecutor:
        self.second = ThreadPoolExecutor(at_a_time)
        pool = ThreadPoolExecutor(at_a_time)
        for index in range(reports):
            pool.submit(self._guarded, index)
        return pool

    def _guarded(self, index: int) -> None:
        try:
            self._report(index)
        except Exception as error:  # a fault of the experiment must not pass for a caller that gave up
            self.ledger.add(event="fault", index=index, why=repr(error))
        with self.lock:
            self.count += 1

    def _report(self, index: int) -> None:
        """Call until "Sent" is seen."""
        marker = 0
        for attempt in range(MOST_CALLS):
            story = tell(self.seed, index, marker)
            chance = random.Random(f"call {self.seed} {index} {attempt}")
            try:
                Call(self, story, self._line(story), chance, may_drop=attempt == 0).walk()
                return
            except Gone as gone:
                self.ledger.add(event="gone", marker=story.phone, why=str(gone), at=time.time())
                marker += gone.anew or story.in_danger  # who dropped in danger has been heard already
                time.sleep(0.3)
        with self.lock:
            self.gave_up += 1

    def _line(self, story: Story) -> Line:
        city = self.city
        door = f"{city.web}/hooks/africastalking/{city.token('africastalking')}"
        if not story.sms:
            return Dialled(f"{door}/ussd", story.phone)
        if story.index % 4 == 0:
            return Simulated(f"{city.web}/hooks/simulator", story.phone)
        return Texted(f"{door}/sms", story.phone, city.provider)


@dataclass
class Call:
    callers: Callers
    story: Story
    line: Line
    chance: random.Random
    may_drop: bool
    is_sent: bool = False
    send_posted_at: float = 0.0

    def walk(self) -> None:
        """Raises Gone."""
        drops = self.may_drop and not self.story.sms and not self.story.in_danger and self.chance.random() < DROPS
        drops_after = self.chance.randint(2, 6) if drops else MOST_SCREENS
        with requests.Session() as http:
            seen = self._take(http, self.line.begin(), "")
            for screens in range(MOST_SCREENS):
                if not seen.goes_on:
                    break
                if screens == drops_after:
                    raise Gone("dropped", anew=False)
                seen = self._next(http, seen, self._reply(seen.text))
        if not self.is_sent:
            raise Gone(seen.text[:30] or "no reply", anew=bool(self.send_posted_at))

    def _reply(self, screen: str) -> str:
        """Until "Sent" what is asked; after it, on USSD, the words that were meant to be added, and then leave."""
        if not self.is_sent or self.story.sms or screen.startswith((ALREADY_SENT, *OWN_WORDS)):
            return self.story.reply(screen)
        return "00"

    def _next(self, http: requests.Session, before: Seen, reply: str) -> Seen:
        sends = before.text.startswith("Send to") and reply == "1"
        if sends:
            self.send_posted_at = self.send_posted_at or time.time()
            self.callers.posted(self.story.phone)
        seen = self._take(http, self.line.say(reply), "send" if sends else "")
        if seen.text.startswith(ALREADY_SENT) and not self.is_sent:
            self._saw_sent(seen)
        if self.is_sent and reply == self.story.words and kept_words(before.text, seen.text):
            self.callers.ledger.add(event="kept", marker=self.story.phone, words=reply, at=time.time())
        return seen

    def _saw_sent(self, seen: Seen) -> None:
        self.is_sent = True
        self.callers.sent(self.story.phone)
        code = code_in(seen.text)
        self.callers.ledger.add(
            event="sent", marker=self.story.phone, code=code, posted_at=self.send_posted_at, at=time.time()
        )

    def _take(self, http: requests.Session, request: Request, what: str) -> Seen:
        """Send it, now and then twice; the phone shows the first answer."""
        twice = self.chance.random() < (SEND_TWICE if what else TWICE)
        at_once = self.chance.random() < AT_ONCE
        second = self.callers.second.submit(self._again, request) if twice and at_once else None
        answer = self._until_answered(http, request, what)
        seen = self.line.read(answer)
        if twice:
            other = second.result() if second else self._again(request)
            if other is not None:
                self._compare(answer, other, at_once=at_once)
        if seen is None:
            raise Gone("no reply", anew=True)
        return seen

    def _compare(self, one: requests.Response, other: requests.Response, *, at_once: bool) -> None:
        codes = [code_in(answer.text) for answer in (one, other)]
        self.callers.ledger.add(
            event="twice", marker=self.story.phone, at_once=at_once, equal=one.content == other.content, codes=codes
        )

    def _again(self, request: Request) -> requests.Response | None:
        try:
            answer = requests.post(request.url, data=request.data, timeout=10)
        except requests.RequestException:
            return None
        return answer if answer.status_code == 200 else None

    def _until_answered(self, http: requests.Session, request: Request, what: str) -> requests.Response:
        end = time.monotonic() + REPEATS_FOR
        while True:
            began = time.time()
            try:
                answer = http.post(request.url, data=request.data, timeout=10)
                failed = "" if answer.status_code == 200 else str(answer.status_code)
            except requests.RequestException as error:
                failed = type(error).__name__
            if not failed:
                self._note(began, what, hash=hashlib.sha256(answer.content).hexdigest()[:16])
                return answer
            self._note(began, what, failed=failed)
            if time.monotonic() > end:
                raise Gone("no answer", anew=True)
            time.sleep(0.2)

    def _note(self, began: float, what: str, **more: str) -> None:
        self.callers.ledger.add(
            event="request", marker=self.story.phone, what=what, at=began, took=time.time() - began, **more
        )


def code_in(text: str) -> str | None:
    found = re.search(r"Code (\d{4} \d{4})\nPIN (\d{4})", text)
    return " ".join(found.groups()) if found else None
