"""Start Python programs by fork from a process that has imported their libraries already.

The tests start thousands of processes of Tokaut, and importing takes most of the processor time of such a start. One
fork server for each process of the test run (`python -m tests.support.fork_server FD`) imports the libraries once;
each program is a fork of it with its own environment, files and session, and runs as `python -m MODULE` does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.support.leaks import ALLOWED, PARENTS
from tokaut.local_stack.parent_death import die_with_parent, kill_with_parent

ROOT = Path(__file__).parents[2]
LARGEST = 2**17  # bytes of a request; a settings file of a whole town takes about 6,000
PRELOADED_PACKAGES = ("runtime", "reports", "flows", "gateway", "workers", "console")
# All that these packages import, too. Two libraries, and the modules that need them, are left to each program:
# prometheus_client decides from the environment of its own import whether processes share their metrics, and the
# settings of the console change a constant of gunicorn before its other modules copy it.
NOT_PRELOADED = ("prometheus_client", "gunicorn")
PRELOADED_LIBRARIES = ("uvicorn", "twilio.rest.api.v2010", "africastalking")
FORKED = ("gunicorn", "workers.main", "tokaut.local_stack.hotline_server")  # programs; another changes what it imports
CHANGES_THE_START = "LD_PRELOAD"  # a variable that only works for a program that is executed


@dataclass
class ForkedProcess:
    """A program that the fork server started: what tests use of subprocess.Popen."""

    server: ForkServer
    pid: int
    args: Sequence[str]
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal that ended it), or None while it runs."""
        if self.returncode is None:
            self.returncode = self.server.ask({"poll": self.pid})["status"]
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended; raise subprocess.TimeoutExpired after `timeout` seconds."""
        if self.returncode is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                ended, _, _ = select.select([descriptor], [], [], timeout)
            finally:
                os.close(descriptor)
            if not ended:
                assert timeout is not None
                raise subprocess.TimeoutExpired(list(self.args), timeout)
        status = self.poll()
        assert status is not None
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The fork server of this process of the test run; it starts with the first program."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Return its process id; None before the first program."""
        return self._process.pid if self._process else None

    def ask(self, request: Mapping[str, Any], files: Sequence[int] = ()) -> dict[str, Any]:
        """Send a request and return the answer."""
        with self._lock:
            if self._channel is None:
                self._channel = self._start()
            socket.send_fds(self._channel, [json.dumps(request).encode()], files)
            answer = self._channel.recv(LARGEST)
        assert answer, "the fork server has ended; what it printed is in the output of the test run"
        return dict(json.loads(answer))

    def _start(self) -> socket.socket:
        # The kernel kills it together with the thread that started it.
        assert threading.current_thread() is threading.main_thread(), "start the first program from the main thread"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", __spec__.name, str(theirs.fileno())]
            self._process = subprocess.Popen(
                die_with_parent(command), cwd=ROOT, pass_fds=[theirs.fileno()], start_new_session=True
            )
        ALLOWED.servers.append(self)
        ALLOWED.files.append(f"socket:[{os.fstat(ours.fileno()).st_ino}]")
        PARENTS.append(self._process.pid)
        return ours


SERVER = ForkServer()


def start_python(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
    start_new_session: bool = False,
    cwd: Path | None = None,
) -> ForkedProcess | subprocess.Popen[bytes]:
    """Start a program of FORKED (`[sys.executable, "-m", MODULE, ARGUMENT…]`) as a fork, another as subprocess does.

    It has no input, and dies with this process.
    """
    is_forked = list(command[:2]) == [sys.executable, "-m"] and command[2] in FORKED
    if not is_forked or CHANGES_THE_START in env or sys.platform != "linux":
        return subprocess.Popen(
            die_with_parent(list(command)),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=start_new_session,
            cwd=cwd,
        )
    with Path(os.devnull).open("rb") as nothing:
        request = {
            "arguments": list(command[2:]),
            "environment": dict(env),
            "folder": str(cwd or Path.cwd()),
            "session": start_new_session,
        }
        answer = SERVER.ask(request, [file.fileno() for file in (nothing, stdout, stderr)])
    return ForkedProcess(SERVER, answer["pid"], command)


def _serve(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Answer requests until the test run ends. In a forked process: return what it is to run, and its three files."""
    while True:
        message, files, _, _ = socket.recv_fds(channel, LARGEST, 3)
        if not message:
            sys.exit()
        request = json.loads(message)
        if "poll" in request:
            ended, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = {"status": os.waitstatus_to_exitcode(status) if ended else None}
        else:
            parent = os.getpid()
            pid = os.fork()
            if not pid:
                kill_with_parent(parent)
                channel.close()
                return request, files
            answer = {"pid": pid}
        for file in files:
            os.close(file)
        channel.send(json.dumps(answer).encode())


def _run(request: Mapping[str, Any], files: Sequence[int]) -> None:
    if request["session"]:
        os.setsid()
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    module = request["arguments"][0]
    sys.argv = list(request["arguments"])
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class _Refusal:
    """Refuses the libraries of NOT_PRELOADED while the fork server imports."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for these libraries and all in them; leave other modules to the other finders."""
        if name.partition(".")[0] in NOT_PRELOADED:
            raise ImportError(name)


def _preload() -> None:
    refusal = _Refusal()
    sys.meta_path.insert(0, refusal)
    packages = [importlib.import_module(name) for name in PRELOADED_PACKAGES]
    names = [
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.ispkg and "migrations" not in module.name and not module.name.endswith("__main__")
    ]
    for name in (*PRELOADED_LIBRARIES, *names):
        with suppress(ImportError):
            importlib.import_module(name)
    sys.meta_path.remove(refusal)
    # Both keep what they have parsed, as for web's processes, which are forks of its master.
    importlib.import_module("flows.loader").load()
    importlib.import_module("flows.catalogues").load(importlib.import_module("locales").FOLDER)


def _main() -> None:
    _preload()
    gc.collect()
    gc.freeze()  # a collection in a forked process leaves the shared memory alone
    _run(*_serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    _main()
