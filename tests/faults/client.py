"""A small HTTP client for many simulated reporters in one process: a larger one would dominate the measurements."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    """A request as the provider sends and repeats it."""

    path: str
    body: bytes
    content_type: str = FORM
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self, host: str) -> bytes:
        """Return its bytes."""
        told = {"Host": host, "Content-Type": self.content_type, "Content-Length": str(len(self.body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body


@dataclass(frozen=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes


class NoAnswer(Exception):
    """Raised if the connection broke, or nothing arrived in time."""


class Client:
    """One connection, kept open as long as the server keeps it.

    `address`: http or https, name and port. `trust`: how the server's certificate is checked.
    """

    def __init__(self, address: str, trust: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(address)
        self._host, self._name = parts.netloc, parts.hostname or ""
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._trust = trust if parts.scheme == "https" else None
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request, seconds: float = 10) -> Answer:
        """Send a request and return its answer. Raises NoAnswer."""
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(request)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise NoAnswer(type(error).__name__) from None
        except BaseException:
            self.close()
            raise

    async def _ask(self, request: Request) -> Answer:
        if self._line is None or self._line[0].at_eof():
            self.close()
            self._line = await asyncio.open_connection(self._name, self._port, ssl=self._trust)
        reader, writer = self._line
        writer.write(request.raw(self._host))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        first, *rest = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in rest)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(first.split(" ")[1]), body)

    def close(self) -> None:
        """Close the connection."""
        if self._line is not None:
            self._line[1].close()
            self._line = None
