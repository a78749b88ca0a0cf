"""Run a server's checks before its first process in a child process.

Neither SQLite's connections nor threads and their locks survive a fork: a process that inherits an open database
believes that it holds locks which it does not, and a process that inherits a lock taken by a thread waits for ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def run_in_child(check: Callable[[], object]) -> None:
    """Call `check` in a child process; if it exits with an error, exit with the same code.

    Call this before any thread is started.
    """
    child = os.fork()
    if child == 0:
        _run_and_exit(check)
    _, status = os.waitpid(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(code)


def _run_and_exit(check: Callable[[], object]) -> None:
    code = 1
    try:
        check()
        code = 0
    except SystemExit as error:
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
        elif isinstance(error.code, int):
            code = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
