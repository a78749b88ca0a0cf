"""Overload: simulated reporters who dial at a steady rate, however long answers take (open loop).

A reporter reads each screen for `THINKS` seconds and waits `PATIENCE` seconds for each answer, as a network does; then
the call is dropped. Capacity is the rate of "Sent" while each reporter waits for the one before (closed loop).
"""

from __future__ import annotations

import asyncio
import math
import random
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from tests.faults.conversations import TO_SEND
from tests.support.installation import Installation

CODE = "*111*163#"
REPLIES = ("", *TO_SEND, "1")
THINKS = 0.5
PATIENCE = 5.0


@dataclass
class Seen:
    """Counts between `begins` and `ends`, in monotonic seconds, of calls that were dialled at any time.

    `sent`: calls that reached "Sent". `put_off`: ended at the first screen. `broken`: until the last call was over.
    `waits`: seconds to each answer.
    """

    begins: float = 0.0
    ends: float = math.inf

    sent: int = 0
    put_off: int = 0
    broken: int = 0
    in_danger_broken: int = 0
    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether the present time is counted."""
        return self.begins <= time.monotonic() <= self.ends

    @property
    def goodput(self) -> float:
        """Return the calls per second that reached "Sent"."""
        return self.sent / self.seconds

    def row(self, name: str, best: float) -> str:
        """Return a row of the table."""
        waits = sorted(self.waits) or [0.0]
        calls = self.sent + self.put_off + self.broken
        p99 = waits[int(0.99 * (len(waits) - 1))]
        rates = f"{calls / self.seconds:.0f} | {self.goodput:.1f} | {self.goodput / best:.2f}"
        return f"| {name} | {rates} | {self.put_off} | {self.broken} | {p99:.2f} | {waits[-1]:.2f} |"


HEAD = "| load | calls a second | sent a second | of the best | put off | broken | p99, s | slowest, s |"


def capacity(installation: Installation, callers: int, seconds: float) -> Seen:
    """Let `callers` reporters call repeatedly, without a pause."""
    return asyncio.run(_closed(_Calls(installation, thinks=0.0), callers, seconds))


def open_loop(installation: Installation, rate: float, seconds: float, warm: float) -> Seen:
    """Let `rate` reporters a second dial. The first `warm` seconds are not counted."""
    return asyncio.run(_open(_Calls(installation, thinks=THINKS), rate, seconds, warm))


async def _closed(calls: _Calls, callers: int, seconds: float) -> Seen:
    seen, until = Seen(), time.monotonic() + seconds
    began = time.monotonic()

    async def again() -> None:
        while time.monotonic() < until:
            await calls.one(seen)

    await asyncio.gather(*(again() for _ in range(callers)))
    seen.seconds = time.monotonic() - began
    return seen


async def _open(calls: _Calls, rate: float, seconds: float, warm: float) -> Seen:
    chance = random.Random(1)
    began = due = time.monotonic()
    seen = Seen(seconds=seconds, begins=began + warm, ends=began + warm + seconds)
    async with asyncio.TaskGroup() as group:
        while (due := due + chance.expovariate(rate)) < began + warm + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(calls.one(seen))
    return seen


class _Calls:
    def __init__(self, installation: Installation, thinks: float) -> None:
        self._address = urlsplit(installation.web)
        self._path = f"/hooks/africastalking/{installation.token('africastalking')}/ussd"
        self._thinks = thinks
        self._number = 0
        self._run = uuid.uuid4().hex[:8]

    async def one(self, seen: Seen) -> None:
        self._number += 1
        phone = f"+67875{self._number % 100_000:05d}"
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(self._address.hostname, self._address.port), PATIENCE
            )
        except (OSError, TimeoutError):
            seen.broken += 1
            return
        try:
            await self._walk(phone, reader, writer, seen)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _walk(self, phone: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        path: list[str] = []
        for reply in REPLIES:
            path += [reply] if reply else []
            began = time.monotonic()
            try:
                screen = await asyncio.wait_for(self._ask(reader, writer, phone, "*".join(path)), PATIENCE)
            except (OSError, TimeoutError, EOFError, asyncio.IncompleteReadError):
                seen.broken += time.monotonic() >= seen.begins
                seen.in_danger_broken += bool(path)
                return
            if seen.is_open:
                seen.waits.append(time.monotonic() - began)
            if screen.startswith("END "):
                seen.put_off += seen.is_open and not path
                seen.broken += bool(path)
                return
            await asyncio.sleep(self._thinks)
        seen.sent += seen.is_open and screen.startswith("CON Sent")
        seen.broken += not screen.startswith("CON Sent")

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, phone: str, text: str) -> str:
        who = {"sessionId": f"ATUid_{self._run}_{phone}", "phoneNumber": phone, "networkCode": "54101"}
        body = urlencode(who | {"serviceCode": CODE, "text": text}).encode()
        head = f"POST {self._path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        size = next(int(line[15:]) for line in answer.split("\r\n") if line.lower().startswith("content-length:"))
        return (await reader.readexactly(size)).decode()


def levels(installation: Installation, write: Callable[[str], None], seconds: float = 20) -> list[tuple[float, Seen]]:
    """Measure capacity, then 100, 200, 300 and 400 % of it; write a row for each."""
    best = capacity(installation, callers=24, seconds=10)
    write(HEAD)
    write(best.row("closed loop", best.goodput))
    found = []
    for times in (1.0, 2.0, 3.0, 4.0):
        seen = open_loop(installation, best.goodput * times, seconds, warm=10)
        write(seen.row(f"{times:.0%}", best.goodput))
        found.append((best.goodput, seen))
    return found
