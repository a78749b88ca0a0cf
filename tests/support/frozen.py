"""Stop processes with SIGSTOP, so that they hang."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.wait import until


def freeze(pid: int) -> None:
    """Stop a process; return when all its threads are stopped. A thread stops only once it has handled the signal."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: all(map(_is_stopped, Path(f"/proc/{pid}/task").iterdir())), f"process {pid} does not stop")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Freeze a process for the duration of the context."""
    try:
        freeze(pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_stopped(task: Path) -> bool:
    """Return whether a thread is stopped; False if it has just ended, so that the caller looks again."""
    with suppress(OSError):
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"  # proc_pid_stat(5)
    return False
