"""Be the first process of a namespace: run a program, reap ended orphans, and end with the program.

Without this an orphan stays a zombie, and Patroni takes the zombie of a killed server for the running server.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tokaut.local_stack.parent_death import die_with_parent


def main(command: list[str]) -> int:
    """Return the exit status of the program."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C also reaches the program, which cleans up
    program = subprocess.Popen(die_with_parent(command))
    while True:
        pid, status = os.wait()
        if pid == program.pid:
            return max(0, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
