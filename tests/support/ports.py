"""Find free ports on the loopback interface."""

from __future__ import annotations

import os
import socket
from functools import cache
from itertools import count, islice
from pathlib import Path

from tests.support.leaks import ALLOWED
from tokaut.local_stack.valkey import is_free

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, STEP, EACH = 12_000, 8, 500  # a demo uses the following ports too; EACH: ports per process of a test run
_calls = count(os.getpid() % (EACH // STEP))
_held: list[socket.socket] = []


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which nothing listens and which no other running test gets.

    It is below the ephemeral ports, so the kernel does not use it for outgoing connections before the test listens.
    """
    first = _claimed_range()
    each_once = (first + n * STEP % (EACH - STEP) for n in islice(_calls, EACH // STEP))
    return next(filter(is_free, each_once))


@cache
def _claimed_range() -> int:
    """Return the first port of a range that no other process of a test run uses.

    A socket bound to the last port of the range reserves it as long as this process lives. So simultaneous runs, and
    the processes of one run, never start servers on the same port between the check and the bind.
    """
    for first in range(LOWEST, _ephemeral() - EACH + 1, EACH):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", first + EACH - 1))
        except OSError:
            held.close()
        else:
            _held.append(held)
            ALLOWED.files.append(f"socket:[{os.fstat(held.fileno()).st_ino}]")
            return first
    raise RuntimeError(f"every range of {EACH} ports from {LOWEST} on is held by the process of a test run: end one")


def _ephemeral() -> int:
    """Return the lowest port that the kernel uses for outgoing connections."""
    try:
        return int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError):  # not Linux
        return 49_152
