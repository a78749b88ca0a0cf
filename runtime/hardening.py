"""Process hardening at start: private files, no core dumps, and a server's checks before its first fork."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from collections.abc import Callable

from runtime.operator_error import OperatorError

M_ARENA_MAX = -8  # glibc's malloc.h


def harden() -> None:
    """Set umask 0077 and forbid core files. The operator has to turn off or encrypt swap (docs/operating.md)."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _use_one_arena()


def _use_one_arena() -> None:
    """Make glibc's malloc use one arena.

    By default each thread has its own arena, which fragments: 20,000 requests made web 15 % larger. Python runs one
    thread at a time, so a single arena delays none. Other C libraries have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


# A server's checks run in a child process, before its first fork.
#
# Neither SQLite's connections nor threads and their locks survive a fork: a process that inherits an open database
# believes that it holds locks which it does not, and a process that inherits a lock taken by a thread waits for ever.


def prepare_fork(load: Callable[[], object], check: Callable[[], object]) -> None:
    """Call `load` here and `check` in a child process; exit if one of them fails.

    What is in memory then stays shared with the processes that are forked later: a garbage collection in them would
    otherwise copy it. Call this before any thread is started.
    """
    try:
        load()
    except OperatorError as error:
        sys.exit(str(error))
    run_in_child(check)
    gc.collect()
    gc.freeze()


def run_in_child(check: Callable[[], object]) -> None:
    """Call `check` in a child process; if it fails, exit with the same code, or name the signal that killed it.

    Call this before any thread is started.
    """
    child = os.fork()
    if child == 0:
        _run_and_exit(check)
    _, status = os.waitpid(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(code if code > 0 else f"The check before the start was killed by signal {-code}. Start again.")


def _run_and_exit(check: Callable[[], object]) -> None:
    code = 1
    try:
        check()
        code = 0
    except SystemExit as error:
        if isinstance(error.code, str) and sys.stderr is not None:
            sys.stderr.write(f"{error.code}\n")
        elif isinstance(error.code, int):
            code = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # None if the shell has closed it
                stream.flush()
        os._exit(code)
