"""Start Python programs by fork from a process that has imported their libraries already.

The tests start thousands of processes of Tokaut. One fork server for each process of the test run serves them all.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.support.leaks import ALLOWED, PARENTS
from tokaut.local_stack.fork_server import ForkedProcess, ForkServer, can_fork
from tokaut.local_stack.parent_death import die_with_parent

ROOT = Path(__file__).parents[2]

SERVER = ForkServer()  # of this process of the test run; it starts with the first program


def start_python(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
    start_new_session: bool = False,
    cwd: Path | None = None,
) -> ForkedProcess | subprocess.Popen[bytes]:
    """Start a program as a fork if it can be one, another as subprocess does.

    It has no input, and dies with this process.
    """
    if not can_fork(command, env):
        return subprocess.Popen(
            die_with_parent(list(command)),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=start_new_session,
            cwd=cwd,
        )
    start_server()
    return SERVER.spawn(command, env=env, stdout=stdout, stderr=stderr, start_new_session=start_new_session, cwd=cwd)


def start_server() -> None:
    """Start the fork server, unless it runs. The kernel kills it together with the thread that started it."""
    if SERVER.pid is not None:
        return
    assert threading.current_thread() is threading.main_thread(), "call start_server first, in the main thread"
    SERVER.start(os.environ, cwd=ROOT)
    assert SERVER.pid is not None
    ALLOWED.servers.append(SERVER)
    ALLOWED.files.append(f"socket:[{os.fstat(SERVER.channel.fileno()).st_ino}]")
    PARENTS.append(SERVER.pid)
