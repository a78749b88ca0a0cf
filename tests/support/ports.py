"""Free ports on the loopback."""

from __future__ import annotations

import os
from itertools import count, islice
from pathlib import Path

from tokaut.local_stack.ports import is_free

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, STEP, EACH = 12_000, 8, 2_000  # a demo takes the next ones too; ports for each of the runner's processes
_asked = count(os.getpid() % (EACH // STEP))


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nobody listens now, and that no other test of this run is given meanwhile.

    Nor does the kernel give it to somebody who calls out, before its test has come to listen on it.
    """
    runner = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = LOWEST + runner * EACH
    assert first + EACH <= _ephemeral(), "more of the runner's processes than there are ports for"
    each_once = (first + n * STEP % EACH for n in islice(_asked, EACH // STEP))
    return next(filter(is_free, each_once))


def _ephemeral() -> int:
    """The lowest port that the kernel takes by itself."""
    try:
        return int(EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError):  # not Linux
        return 49_152
