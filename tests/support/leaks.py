"""Find threads, child processes, sockets and databases that a test leaves open.

The garbage collector deletes an unclosed connection during some later test, and fails that one. A thread that still
runs uses the clock, the random numbers and the log of a later test. So each test must end with the resources with which
it began, and so must each module after its fixtures (tests/conftest.py).
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

GRACE = float(os.environ.get("TEST_LEAK_GRACE", "30"))  # seconds that closed resources may need to end
ENDING = 0.05  # seconds in which most closed threads end; after that, the test's garbage is collected
ALL_GARBAGE = 0.5  # seconds after which all garbage is collected; after thousands of tests that takes half a second
DATABASES = (".db", ".db-wal", ".db-shm", ".sqlite")


@dataclass(frozen=True)
class Resources:
    """Threads, child processes and files that this process has open at one moment."""

    threads: frozenset[threading.Thread]
    children: frozenset[int]
    files: Counter[str]

    @classmethod
    def now(cls) -> Resources:
        """Return the resources that are open now."""
        return cls(
            frozenset(threading.enumerate()),
            frozenset(_children()),
            Counter(_files()),
        )

    def difference(self, before: Resources) -> Resources:
        """Return the resources that were not open `before`."""
        return Resources(self.threads - before.threads, self.children - before.children, self.files - before.files)

    def __bool__(self) -> bool:
        return bool(self.threads or self.children or self.files)

    def __str__(self) -> str:
        lines = [f"thread {thread.name!r} ({_target(thread)})" for thread in self.threads]
        lines += [f"child process {child}: {_command(child)}" for child in self.children]
        lines += [f"{count} open: {_described(name)}" for name, count in self.files.items()]
        return "\n".join(sorted(lines))


class Server(Protocol):
    """A server with a process."""

    @property
    def pid(self) -> int | None:
        """Return the process id; None while the server is stopped."""
        ...


@dataclass
class AllowedResources:
    """The servers that all tests of a worker share. A test may restart one, so its new process is allowed too."""

    servers: list[Server] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def resources(self) -> Resources:
        """Return the processes of the servers, and the connections to them that stay open."""
        children = frozenset(server.pid for server in self.servers if server.pid is not None)
        return Resources(frozenset(), children, Counter(self.files))


ALLOWED = AllowedResources()  # of this process of the test run
PARENTS: list[int] = []  # processes whose children count as children of the tests


def leaked_resources(before: Resources, allowed: AllowedResources, grace: float = GRACE) -> Resources:
    """Wait at most `grace` seconds until nothing is open beyond `before` and `allowed`; return what still is.

    Most calls return at once, with nothing. Objects that only the garbage collector can reach are collected here, so
    that its warning about an unclosed connection fails the test that forgot to close it.
    """
    begun = time.monotonic()
    leaked = _beyond(before, allowed)
    collections = [(ENDING, 1), (ALL_GARBAGE, 2)]  # generation 1 has few objects and is mostly enough
    while leaked and (waited := time.monotonic() - begun) < grace:
        if collections and waited > collections[0][0]:
            gc.collect(collections.pop(0)[1])
        time.sleep(0.002 if waited < ENDING else 0.02)
        leaked = _beyond(before, allowed)
    return leaked


def _beyond(before: Resources, allowed: AllowedResources) -> Resources:
    return Resources.now().difference(before).difference(allowed.resources)


def _children() -> Iterator[int]:
    for parent in ("self", *PARENTS):
        folder = f"/proc/{parent}/task"
        for task in _listed(folder):
            with suppress(OSError), open(f"{folder}/{task}/children", "rb") as children:
                yield from map(int, children.read().split())


def _files() -> Iterator[str]:
    for name in _listed("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith("socket:") or target.removesuffix(" (deleted)").endswith(DATABASES):
                yield target


def _listed(folder: str) -> list[str]:
    """Return the names in a folder of /proc; none if its process has ended."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(read: Callable[[], str]) -> str:
    """Read a file of /proc; return "" if its process has ended."""
    try:
        return read()
    except OSError:
        return ""


def _described(name: str) -> str:
    """Return the name of an open file; for a TCP socket, with its ports and state."""
    inode = name.removeprefix("socket:[").removesuffix("]")
    for line in _read(Path("/proc/self/net/tcp").read_text).splitlines()[1:]:
        fields = line.split()
        if fields[9] == inode:
            local_port, remote_port = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
            return f"{name} TCP from port {local_port} to port {remote_port}, state {fields[3]}"
    return name


def _command(child: int) -> str:
    return _read(Path(f"/proc/{child}/cmdline").read_text).replace("\0", " ").strip()[:200] or "(ended, not waited for)"


def _target(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None)
    return f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', type(thread).__name__)}"
