"""Hostile clients, as a program: `python -m tests.faults.hostile PORT SECONDS CONNECTIONS HOW`.

It holds CONNECTIONS connections to 127.0.0.1:PORT, from four addresses and in several ways in turn, reopens each one a
second after it was closed, and ends by itself. Loopback only. It prints a line once it has tried all connections, and
at the end a line of JSON: the most it held at once, how many it opened, and how many were closed.

HOW is "idle" for connections that send nothing or half of a handshake, at almost no cost to the client; "tls" or
"plain" for bad requests of several kinds, with TLS or without.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import select
import socket
import ssl
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
EACH = 2.0  # seconds between two bytes of a slow client
FILES = 20_000
WRONG = "x" * 43
KIND = "Content-Type: application/x-www-form-urlencoded"
SIGNATURE = "X-Twilio-Signature: RSOYDt4T1cUTdK1PDd93/VVr8B8="
HALF_A_HEAD = b"POST /hooks/ussd/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


def _post(path: str, length: int, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", KIND, f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


HALF_A_HANDSHAKE = b"\x16\x03\x01\x02\x00\x01"
# Sent at once; then a byte every two seconds.
WAYS = {
    "half a head": HALF_A_HEAD,
    "wrong token, dripping body": _post(f"/hooks/ussd/{WRONG}", 262_143) + b"x",
    "wrong token, large body": _post(f"/hooks/africastalking/{WRONG}/ussd", 262_143) + b"x" * 250_000,
    "forged signature, dripping body": _post("/hooks/twilio/sms", 32_000, SIGNATURE) + b"Body=" + b"x" * 30_000,
}
OPENED_WITHIN = 20.0  # seconds
UNTIL_OPEN = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLONESHOT


@dataclass
class Seen:
    """Counts of connections."""

    held: int = 0
    most_held: int = 0
    opened: int = 0
    cut: int = 0
    refused: int = 0  # connections that could not be opened


class Hostile:
    """Connections that send bad requests, on an event loop."""

    def __init__(self, port: int, seconds: float, *, tls: bool) -> None:
        self.port = port
        self.seen = Seen()
        self._until = time.monotonic() + seconds
        self._tls = ssl.create_default_context() if tls else None
        if self._tls:
            self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    async def attack(self, connections: int) -> Seen:
        """Hold this number of connections until the time is over."""
        ways = itertools.cycle(WAYS.items())
        addresses = itertools.cycle(ADDRESSES)
        tasks = []
        for number in range(connections):
            tasks.append(asyncio.create_task(self._hold(next(addresses), next(ways)[1])))
            if number % 50 == 49:
                await asyncio.sleep(0.05)  # a thousand a second
        end = time.monotonic() + OPENED_WITHIN
        while self.seen.opened + self.seen.refused < connections and time.monotonic() < end:
            await asyncio.sleep(0.1)
        say("all are there")
        await asyncio.wait(tasks)
        return self.seen

    async def _hold(self, address: str, first: bytes) -> None:
        while (left := self._until - time.monotonic()) > 0:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(left):
                    await self._once(address, first)
            await asyncio.sleep(1)

    async def _once(self, address: str, first: bytes) -> None:
        secured = {"ssl": self._tls, "server_hostname": "localhost"} if self._tls else {}
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                self.port,
                local_addr=(address, 0),
                **secured,  # type: ignore[arg-type]
            )
        except OSError:
            self.seen.refused += 1
            raise
        self.seen.opened += 1
        self.seen.held += 1
        self.seen.most_held = max(self.seen.most_held, self.seen.held)
        drip = asyncio.create_task(self._drip(writer, first))
        try:
            while await reader.read(65536):
                pass
            self.seen.cut += 1
        finally:
            drip.cancel()
            self.seen.held -= 1
            writer.transport.abort()

    async def _drip(self, writer: asyncio.StreamWriter, first: bytes) -> None:
        with suppress(OSError):
            writer.write(first)
            while first:
                await asyncio.sleep(EACH)
                writer.write(b"x")


class Idle:
    """Idle connections on plain sockets, in one thread that waits only for closed ones."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.seen = Seen()
        self._until = time.monotonic() + seconds
        self._epoll = select.epoll()
        self._held: dict[int, socket.socket] = {}
        self._addresses = itertools.cycle(ADDRESSES)
        self._firsts = itertools.cycle((b"", HALF_A_HANDSHAKE))

    def attack(self, connections: int) -> Seen:
        """Hold this number of connections until the time is over."""
        for number in range(connections):
            self._open()
            if number % 50 == 49:
                self._wait(0.02)
        say("all are there")
        while time.monotonic() < self._until:
            self._wait(0.2)
            for _ in range(min(100, connections - len(self._held))):
                self._open()
        for line in self._held.values():
            line.close()
        self._epoll.close()
        return self.seen

    def _open(self) -> None:
        line = socket.socket()
        line.setblocking(False)
        try:
            line.bind((next(self._addresses), 0))
            line.connect_ex(("127.0.0.1", self.port))
            self._epoll.register(
                line.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLONESHOT
            )
        except OSError:
            line.close()
            self.seen.refused += 1
            return
        self._held[line.fileno()] = line

    def _wait(self, seconds: float) -> None:
        for number, event in self._epoll.poll(seconds):
            if event & ~select.EPOLLOUT:
                self._held.pop(number).close()
                self.seen.cut += 1
                continue
            self.seen.opened += 1
            with suppress(OSError):
                self._held[number].send(next(self._firsts))
            self._epoll.modify(number, select.EPOLLIN | select.EPOLLRDHUP)
        self.seen.most_held = max(self.seen.most_held, len(self._held))


def main(arguments: list[str]) -> None:
    port, seconds, connections, how = arguments
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))
    if how == "idle":
        seen = Idle(int(port), float(seconds)).attack(int(connections))
    else:
        seen = asyncio.run(Hostile(int(port), float(seconds), tls=how == "tls").attack(int(connections)))
    say(json.dumps(asdict(seen)))


def say(line: str) -> None:
    """Print a line without buffering."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
