"""Run a program that cannot outlive whoever started it: `python -I -S leash.py PARENT PROGRAM [ARGUMENT…]`.

On Linux the kernel kills the program when its parent dies, even by SIGKILL; elsewhere the next start cleans up
(tokaut.local_stack.processes). A file of its own, without our imports: it is in the way of every start.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; kept over exec, cleared by a change of the account


def die_with_parent(command: list[str]) -> list[str]:
    """The command line that ties `command` to this process. Start it from a thread that lives as long as you do."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def run_bound(parent: int, command: list[str]) -> None:
    """Becomes `command`, whose first word is a path. Ends instead when `parent` is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    run_bound(int(sys.argv[1]), sys.argv[2:])
