"""Exit with 0 if a process works: the health check of a container, `python -m tokaut.healthcheck WHAT`.

WHAT is the address at which web or the console listens (`unix:` and a path, or host:port), or the name of a worker:
urgent, standard, clock. A worker works while its main loop runs; TOKAUT_DATA has its file. A process is healthy also
while the database or Redis is unavailable: it still does its other work, and a restart would not help.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

ANSWERS_WITHIN: Final = 5.0  # seconds; a reporter's network waits no longer either
UNIX: Final = "unix:"
WORKERS: Final = ("urgent", "standard", "clock")
USAGE: Final = "Usage: python -m tokaut.healthcheck unix:PATH|HOST:PORT|urgent|standard|clock"


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWERS_WITHIN)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWERS_WITHIN)
        self.sock.connect(self._path)


def fetch(address: str, path: str) -> tuple[int, bytes]:
    """Return the status and the body of a server's answer. Raises HTTPException, OSError."""
    if address.startswith(UNIX):
        connection: HTTPConnection = UnixConnection(address.removeprefix(UNIX))
    else:
        connection = HTTPConnection(address, timeout=ANSWERS_WITHIN)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def server_fault(address: str) -> str | None:
    """Ask a server for /healthz. Return its fault, or None."""
    try:
        status, _ = fetch(address, "/healthz")
    except (HTTPException, OSError) as error:
        return f"{address} does not answer: {type(error).__name__}"
    return None if status == 200 else f"{address} answers {status}"


def worker_fault(kind: str, data: Path) -> str | None:
    """Return the fault of a worker process, or None. `data`: its TOKAUT_DATA."""
    heartbeat: Any = importlib.import_module("workers.heartbeat")  # with SQLAlchemy, which the other checks do not need
    try:
        age = heartbeat.Heartbeat(data, f"{kind}-1").age_seconds()
    except OSError as error:
        return f"{kind} has not started: {error.strerror}"
    return f"{kind} has done nothing for {age:.0f} s" if age > heartbeat.STALE_SECONDS else None


def main(arguments: list[str]) -> None:
    """Check one process. Raises SystemExit with one line if it does not work."""
    match arguments:
        case [kind] if kind in WORKERS:
            fault = worker_fault(kind, Path(os.environ.get("TOKAUT_DATA", "var")))
        case [address] if ":" in address:
            fault = server_fault(address)
        case _:
            sys.exit(USAGE)
    if fault:
        sys.exit(fault)


if __name__ == "__main__":
    main(sys.argv[1:])
