"""Find threads, child processes, sockets and databases that a test leaves behind for the tests after it.

A connection that nobody closed is deleted by the garbage collector in some later test, and fails that one; a thread
that goes on uses the clock, the random numbers and the log of whichever test runs then. So each test, and each module
for its fixtures, has to end with what it began with (tests/conftest.py).
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

GRACE = float(os.environ.get("TEST_LEAK_GRACE", "10"))  # seconds for what was asked to end and has not ended yet
DATABASES = (".db", ".db-wal", ".db-shm", ".sqlite")


@dataclass(frozen=True)
class Resources:
    """What this process has open at one moment."""

    threads: frozenset[threading.Thread]
    children: frozenset[int]
    files: Counter[str]

    @classmethod
    def now(cls) -> Resources:
        return cls(
            frozenset(threading.enumerate()),
            frozenset(_children()),
            Counter(_files()),
        )

    def beyond(self, before: Resources) -> Resources:
        """Return what is here and was not there before."""
        return Resources(self.threads - before.threads, self.children - before.children, self.files - before.files)

    def __bool__(self) -> bool:
        return bool(self.threads or self.children or self.files)

    def __str__(self) -> str:
        lines = [f"thread {thread.name!r} ({_target(thread)})" for thread in self.threads]
        lines += [f"child process {child}: {_command(child)}" for child in self.children]
        lines += [f"{count} open: {_described(name)}" for name, count in self.files.items()]
        return "\n".join(sorted(lines))


class Server(Protocol):
    @property
    def pid(self) -> int | None: ...


@dataclass
class Allowed:
    """The servers that all tests of a worker share. A test may restart one: the process that it is then is allowed."""

    servers: list[Server] = field(default_factory=list)

    @property
    def resources(self) -> Resources:
        children = frozenset(server.pid for server in self.servers if server.pid is not None)
        return Resources(frozenset(), children, Counter())


ALLOWED = Allowed()  # of this process of the test run


def left(before: Resources, allowed: Allowed, grace: float = GRACE) -> Resources:
    """Return what is still open beyond `before` and `allowed` once `grace` seconds have passed; mostly at once nothing.

    Objects that only the garbage collector can reach are collected here, so that a connection which it has to close
    warns in the test that forgot it.
    """
    end = time.monotonic() + grace
    found = _beyond(before, allowed)
    if found:
        gc.collect()
    while found and time.monotonic() < end:
        time.sleep(0.02)
        found = _beyond(before, allowed)
    return found


def _beyond(before: Resources, allowed: Allowed) -> Resources:
    return Resources.now().beyond(before).beyond(allowed.resources)


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").glob("*/children"):
        yield from map(int, _read(task.read_text).split())


def _files() -> Iterator[str]:
    for name in Path("/proc/self/fd").iterdir():
        target = _read(lambda name=name: str(name.readlink()))  # type: ignore[misc]
        if target.startswith("socket:") or target.removesuffix(" (deleted)").endswith(DATABASES):
            yield target


def _read(one: Callable[[], str]) -> str:
    """Return "" where it ended while we looked."""
    try:
        return one()
    except OSError:
        return ""


def _described(name: str) -> str:
    """Return a socket's addresses beside its inode, where it is TCP."""
    inode = name.removeprefix("socket:[").removesuffix("]")
    for line in _read(Path("/proc/self/net/tcp").read_text).splitlines()[1:]:
        fields = line.split()
        if fields[9] == inode:
            here, there = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
            return f"{name} TCP from port {here} to port {there}, state {fields[3]}"
    return name


def _command(child: int) -> str:
    return _read(Path(f"/proc/{child}/cmdline").read_text).replace("\0", " ").strip()[:200] or "(ended, not waited for)"


def _target(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None)
    return f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', type(thread).__name__)}"
