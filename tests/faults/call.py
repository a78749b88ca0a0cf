"""Make one call, from the first screen to "Sent". Some requests are repeated, some calls drop."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.caller_script import ALREADY_SENT, HOME, OWN_WORDS, CallerScript, kept_words
from tests.faults.client import Answer, NoAnswer, Request
from tests.faults.handset_channels import PhoneChannel, Seen, without_lines_above

if TYPE_CHECKING:
    from tests.faults.callers import Callers

REPEATS_FOR = 30.0  # seconds for which a provider repeats a request; after that the reporter dials again
MAX_SCREENS = 45
REPEATED, REPEATED_AT_ONCE, SEND_REPEATED = (
    0.05,
    0.01,
    0.20,
)  # shares: of requests, after the answer; of requests, at the same time; of Sends
DROPS = 0.02  # share of calls
MARKERS = re.compile(r"note \d{5} [a-z0-9]{4}|6785\d{6}")


class CallFailed(Exception):
    """Raised if no answer came or the call ended without "Sent". `is_uncertain`: the report may be submitted."""

    def __init__(self, why: str, *, is_uncertain: bool) -> None:
        super().__init__(why)
        self.is_uncertain = is_uncertain


@dataclass
class Call:
    callers: Callers
    script: CallerScript
    line: PhoneChannel
    chance: random.Random
    may_drop: bool
    is_sent: bool = False
    began_anew: bool = False  # the answer to Send was the home screen
    wrote: str = ""
    send_posted_at: float = 0.0

    async def walk(self) -> None:
        """Make the call. Raises CallFailed."""
        drops = self.may_drop and not self.script.sms and not self.script.in_danger and self.chance.random() < DROPS
        drops_after = self.chance.randint(2, 6) if drops else MAX_SCREENS
        self._client = self.callers.client()
        try:
            await self._walk(drops_after)
        except CallFailed:
            if not self.is_sent:
                raise
        finally:
            self._client.close()
        if not self.is_sent:
            raise CallFailed(self._last.text[:30] or "no reply", is_uncertain=bool(self.send_posted_at))

    async def _walk(self, drops_after: int) -> None:
        self._last = await self._take(self.line.begin(), "")
        for screens in range(MAX_SCREENS):
            if not self._last.expects_reply:
                return
            if screens == drops_after:
                raise CallFailed("dropped", is_uncertain=False)
            self._last = await self._next(self._last, self._reply(self._last.text))

    def _reply(self, screen: str) -> str:
        """Return the answer to a screen. After "Sent", on USSD, add the words that were planned, then leave."""
        if not self.is_sent or self.script.sms or without_lines_above(screen).startswith((ALREADY_SENT, *OWN_WORDS)):
            return self.script.reply(screen)
        return "00"

    async def _next(self, before: Seen, reply: str) -> Seen:
        sends = without_lines_above(before.text).startswith("Send to") and reply == "1"
        if sends:
            self.send_posted_at = self.send_posted_at or time.time()
            self.callers.said("posted", self.script.phone)
            if self.is_sent or self.began_anew:  # this is a second report of the same reporter
                self._add(event="resent", at=time.time())
        self.wrote = reply if reply == self.script.words else self.wrote
        seen = await self._take(self.line.say(reply), "send" if sends else "")
        self.began_anew |= sends and without_lines_above(seen.text).startswith(HOME)
        if without_lines_above(seen.text).startswith(ALREADY_SENT) and not self.is_sent:
            self._saw_sent(seen)
        if self.is_sent and reply == self.script.words and kept_words(before.text, seen.text):
            self._add(event="kept", words=reply, at=time.time())
        return seen

    def _saw_sent(self, seen: Seen) -> None:
        self.is_sent = True
        times = {"posted_at": self.send_posted_at, "at": time.time()}
        self._add(event="sent", code=code_in(seen.text), words=self.wrote, **times)
        self.callers.ledger.sync()
        self.callers.said("sent", self.script.phone)

    async def _take(self, request: Request, what: str) -> Seen:
        """Send a request, sometimes twice. The phone shows the first answer."""
        at_once = self.chance.random() < (SEND_REPEATED / 2 if what else REPEATED_AT_ONCE)
        after = not at_once and self.chance.random() < (SEND_REPEATED / 2 if what else REPEATED)
        began = time.time()
        second = asyncio.create_task(self._again(request)) if at_once else None
        answer = await self._until_answered(request, what)
        other = await second if second else await self._again(request) if after else None
        if other is not None and other.status == 200:
            self._compare(answer, other, at_once, began)
        seen = await self.line.hear(answer)
        if seen is None:
            raise CallFailed("no reply", is_uncertain=True)
        self._look_for_others(seen.text)
        return seen

    def _compare(self, one: Answer, other: Answer, at_once: bool, began: float) -> None:
        texts = [answer.body.decode() for answer in (one, other)]
        found = {"one": "", "other": ""} if texts[0] == texts[1] else {"one": texts[0], "other": texts[1]}
        codes = [code_in(text) for text in texts]
        kind, span = type(self.line).__name__, {"began": began, "at": time.time()}
        self._add(event="twice", at_once=at_once, equal=texts[0] == texts[1], codes=codes, kind=kind, **span, **found)

    def _look_for_others(self, text: str) -> None:
        own = (self.script.words, self.script.phone.removeprefix("+"))
        for marker in MARKERS.findall(text):
            if marker not in own:
                self._add(event="foreign", found=marker, at=time.time())

    async def _again(self, request: Request) -> Answer | None:
        client = self.callers.client()
        try:
            return await client.ask(request)
        except NoAnswer:
            return None
        finally:
            client.close()

    async def _until_answered(self, request: Request, what: str) -> Answer:
        end = time.monotonic() + REPEATS_FOR
        while True:
            began = time.time()
            try:
                answer = await self._client.ask(request)
                failed = "" if answer.status == 200 else str(answer.status)
            except NoAnswer as error:
                failed = str(error)
            if not failed:
                self._note(began, what, hash=hashlib.sha256(answer.body).hexdigest()[:16])
                return answer
            self._note(began, what, failed=failed)
            if time.monotonic() > end:
                raise CallFailed("no answer", is_uncertain=True)
            await asyncio.sleep(0.2)

    def _note(self, began: float, what: str, **more: str) -> None:
        self._add(event="request", what=what, at=began, took=time.time() - began, **more)

    def _add(self, *, event: str, **more: object) -> None:
        self.callers.ledger.write(event=event, marker=self.script.phone, **more)


def code_in(text: str) -> str | None:
    """Return code and PIN on the screen after "Sent", separated by a space; None if there are none."""
    found = re.search(r"Code (\d{4} \d{4})(?:\n|\\n)PIN (\d{4})", text)
    return " ".join(found.groups()) if found else None
