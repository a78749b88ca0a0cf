"""A light client of USSD over Africa's Talking: many simulated reporters in one thread, who take little CPU time.

They share the processors with the web processes that they load, so each reporter has one bare connection on uvloop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote_plus, urlsplit

from tests.support.installation import Installation

CODE = "*111*163#"
TRY_AGAIN = "CON Sorry, try again."
FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to the reply number `step`, which took `seconds`. `is_repeated`: the screen asks for it again."""

    step: int
    seconds: float
    status: int
    screen: str
    is_repeated: bool


class Caller:
    """One reporter's call, on a connection of its own. Close it at the end."""

    def __init__(self, installation: Installation, phone: str, session: str) -> None:
        self._port = urlsplit(installation.web).port or 0
        path = f"/hooks/africastalking/{installation.token('africastalking')}/ussd"
        self._head = f"POST {path} HTTP/1.1\r\nHost: here\r\n{FORM}\r\nContent-Length: "
        self._fields = (
            f"sessionId={quote_plus(session)}&phoneNumber={quote_plus(phone)}&networkCode=54101"
            f"&serviceCode={quote_plus(CODE)}&text="
        )

    async def walk(self, replies: Sequence[str], *, thinks: float, patience: float) -> AsyncIterator[Answer]:
        """Dial, give each reply after `thinks` seconds, and yield the answers until one ends the call.

        A reply that is asked for again is given once more. Raises OSError or TimeoutError if an answer does not come
        within `patience` seconds.
        """
        waiting = deque(enumerate(replies))
        path: list[str] = []
        last_repeated = -1
        began = time.monotonic()
        async with asyncio.timeout(patience):
            connection = await _connect(self._port)
        try:
            while waiting:
                step, reply = waiting.popleft()
                path += [reply] if reply else []
                body = self._fields + quote_plus("*".join(path))
                async with asyncio.timeout(patience - (time.monotonic() - began if step == 0 else 0)):
                    status, screen = await connection.ask(f"{self._head}{len(body)}\r\n\r\n{body}".encode())
                is_repeated = screen.startswith(TRY_AGAIN) and last_repeated != step
                if is_repeated:
                    waiting.appendleft((step, reply))
                    last_repeated = step
                yield Answer(step, time.monotonic() - began, status, screen, is_repeated)
                if status != 200 or not screen.startswith("CON "):
                    return
                await asyncio.sleep(thinks)
                began = time.monotonic()
        finally:
            connection.close()


class _Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[int, str]] | None = None
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if separator and len(body) >= int(length) and self._answer and not self._answer.done():
            self._answer.set_result((int(head[9:12]), body.decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("web closed the connection"))

    async def ask(self, request: bytes) -> tuple[int, str]:
        """Send a request and return status and body. Raises OSError."""
        if self._transport is None:
            raise ConnectionResetError("web closed the connection")
        self._received, self._answer = b"", asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def _connect(port: int) -> _Connection:
    return (await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port))[1]
