"""Processes that hang."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.wait import until


def freeze(pid: int) -> None:
    """Returns when none of its threads runs: one of them is told, and until it has a core the others go on."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: all(map(_is_stopped, Path(f"/proc/{pid}/task").iterdir())), f"process {pid} does not stop")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    try:
        freeze(pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_stopped(task: Path) -> bool:
    """Looked at again where it has just ended."""
    with suppress(OSError):
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"  # proc_pid_stat(5)
    return False
