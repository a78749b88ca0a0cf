"""Find free ports on the loopback."""

from __future__ import annotations

import os
from itertools import count, islice
from pathlib import Path

from tokaut.local_stack.valkey import is_free

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, STEP, EACH = 12_000, 8, 2_000  # a demo uses the following ports too; EACH: ports per process of the test runner
_calls = count(os.getpid() % (EACH // STEP))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which nobody listens, and which no other test of this run gets.

    It is below the ephemeral ports, so the kernel does not use it for outgoing connections before the test listens.
    """
    runner = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = LOWEST + runner * EACH
    assert first + EACH <= _ephemeral(), "more of the runner's processes than there are ports for"
    each_once = (first + n * STEP % EACH for n in islice(_calls, EACH // STEP))
    return next(filter(is_free, each_once))


def _ephemeral() -> int:
    """Return the lowest port that the kernel uses for outgoing connections."""
    try:
        return int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError):  # not Linux
        return 49_152
