"""Start Python programs by fork from a process that has already imported their libraries.

The tests start thousands of Tokaut processes. Each process of the test run has one fork server for them, and a second
one for processes with a movable clock: its library must be loaded before the interpreter starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

from tests.support import moved_clocks
from tests.support.leaks import ALLOWED, PARENTS
from tokaut.local_stack.fork_server import ForkedProcess, ForkServer, can_fork
from tokaut.local_stack.parent_death import die_with_parent

ROOT = Path(__file__).parents[2]

SERVER = ForkServer()  # of this process of the test run; it starts with the first program
OF_MOVED_CLOCKS = ForkServer()
OURS = ("tests.faults.faulty_hotline",)  # forked as well; mutants change modules that a fork has already imported


def start_python(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
    start_new_session: bool = False,
    cwd: Path | None = None,
) -> ForkedProcess | subprocess.Popen[bytes]:
    """Start a program by fork if possible, else as a subprocess.

    It has no input, and dies with this process.
    """
    moved = moved_clocks.LOADED if moved_clocks.LOADED.items() <= env.items() else {}
    is_ours = list(command[:2]) == [sys.executable, "-m"] and command[2] in OURS
    if not is_ours and not can_fork(command, {name: value for name, value in env.items() if name not in moved}):
        return subprocess.Popen(
            die_with_parent(list(command)),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=start_new_session,
            cwd=cwd,
        )
    server = OF_MOVED_CLOCKS if moved else SERVER
    start_server(server, moved)
    return server.spawn(command, env=env, stdout=stdout, stderr=stderr, start_new_session=start_new_session, cwd=cwd)


def start_servers() -> None:
    """Start both fork servers, for a program whose threads start processes."""
    start_server(SERVER)
    if moved_clocks.LIBRARY is not None:
        start_server(OF_MOVED_CLOCKS, moved_clocks.LOADED)


def start_server(server: ForkServer = SERVER, settings: Mapping[str, str] = MappingProxyType({})) -> None:
    """Start the fork server, unless it runs. The kernel kills it when the thread that started it ends."""
    if server.pid is not None:
        return
    assert threading.current_thread() is threading.main_thread(), "call start_server first, in the main thread"
    server.start({**os.environ, **settings}, cwd=ROOT)
    assert server.pid is not None
    ALLOWED.servers.append(server)
    ALLOWED.files.append(f"socket:[{os.fstat(server.channel.fileno()).st_ino}]")
    PARENTS.append(server.pid)
