"""Run a program that dies with its parent process: `python -I -S parent_death.py PARENT PROGRAM [ARGUMENT…]`.

On Linux the kernel kills the program when its parent dies, even by SIGKILL. On other systems the next start of a demo
cleans up (tokaut.local_stack.processes). This file imports none of our modules, because every start has to run it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; survives exec, cleared when the account changes


def die_with_parent(command: list[str]) -> list[str]:
    """Return the command line that ties `command` to this process.

    Start it from a thread that lives as long as this process: the kernel watches the thread that started the program.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def run_bound(parent: int, command: list[str]) -> None:
    """Replace this process with `command`, whose first word is a path. Exit if `parent` is already dead."""
    kill_with_parent(parent)
    os.execv(command[0], command)


def kill_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` dies. Exit if it is already dead."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before prctl
        sys.exit(1)


if __name__ == "__main__":
    run_bound(int(sys.argv[1]), sys.argv[2:])
