"""A crowd: simulated reporters who all dial at the same moment, each on its own connection, and go on to Send."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from tests.faults.conversations import TO_SEND
from tests.support.installation import Installation

WITHIN = 60.0  # seconds; more than five is a failure, but the longer limit lets the test measure the delay
CODE = "*111*163#"
TRY_AGAIN = "Sorry, try again."


@dataclass
class Crowd:
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


def all_at_once(installation: Installation, phones: list[str]) -> Crowd:
    """Let all phones dial at once, and return what they saw."""
    crowd = Crowd()
    began = time.monotonic()
    asyncio.run(_all(crowd, installation, phones))
    crowd.lasted = time.monotonic() - began
    return crowd


async def _all(crowd: Crowd, installation: Installation, phones: list[str]) -> None:
    await asyncio.gather(*(_Caller(crowd, installation, phone).walk() for phone in phones))


class _Caller:
    def __init__(self, crowd: Crowd, installation: Installation, phone: str) -> None:
        self._crowd = crowd
        self._phone = phone
        self._path = f"/hooks/africastalking/{installation.token('africastalking')}/ussd"
        self._port = urlsplit(installation.web).port

    async def walk(self) -> None:
        path: list[str] = []
        replies = deque(enumerate(("", *TO_SEND, "1")))
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while replies:
                step, reply = replies.popleft()
                path += [reply] if reply else []
                began = time.monotonic()
                status, screen = await self._ask(reader, writer, "*".join(path))
                self._crowd.waits.append((step, time.monotonic() - began))
                self._crowd.statuses[status] += 1
                if screen.startswith(f"CON {TRY_AGAIN}") and path[-2:] != [reply, reply]:
                    self._crowd.asked_again += 1
                    replies.appendleft((step, reply))
                if status != 200 or not screen.startswith("CON "):
                    break
            self._crowd.sent[self._phone] = screen
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> tuple[int, str]:
        who = {"sessionId": f"ATUid_{self._phone}", "phoneNumber": self._phone, "networkCode": "54101"}
        body = urlencode(who | {"serviceCode": CODE, "text": text}).encode()
        kind = "Content-Type: application/x-www-form-urlencoded"
        writer.write(
            f"POST {self._path} HTTP/1.1\r\nHost: here\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        async with asyncio.timeout(WITHIN):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            size = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
            said = await reader.readexactly(size)
        return int(head.split()[1]), said.decode()
