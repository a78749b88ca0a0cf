"""Start the processes of an installation on one machine by fork, from one that has imported all their modules.

Importing takes most of the processor time of a start, and each process would have the same modules in memory once more.
The fork server (`python -m tokaut.local_stack.fork_server FD`) imports them once. Each program is a fork of it with its
own environment, files and session, and runs as `python -m MODULE` does. Variables that only a new interpreter reads
(`PYTHONPATH`, `LD_LIBRARY_PATH` and the like) have the values of the fork server.

Use it only for processes of one account that trust each other, as in a demo. Production starts each process by itself,
with only the modules and rights that it needs.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import itertools
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
from typing import IO, Any, NoReturn

from tokaut.local_stack.parent_death import die_with_parent, kill_with_parent

MAX_REQUEST_BYTES = 2**17  # the settings of a whole installation take about 6,000
# What the programs run, but not their own modules, which run as __main__; and what they import by its name.
PRELOADED = (
    *("gateway.asgi", "gateway.server", "gateway.phone.page", "workers.app", "console.app"),
    *("gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "sqlalchemy.dialects.sqlite"),
    *("standardwebhooks", "tokaut.local_stack.hotline_page"),
)
PRELOADED_FOLDERS = ("gateway.channels", "workers.hotlines", "workers.recordings", "workers.senders")
FORKED = ("gunicorn", "workers.main", "tokaut.local_stack.hotline_server")  # others are executed
NOT_FLUSHED = 120  # the interpreter's exit status where its last output cannot be written
ENDS_WITHIN = 0.5  # seconds
ANSWERS_WITHIN = 60.0  # seconds; the first answer comes once it has imported
CHANGES_THE_START = "LD_PRELOAD"  # a variable that only works for a program that is executed
AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # variables that the fork server has read, with the same effect
PR_SET_NAME = 15  # linux/prctl.h: the name that `ps -e` and `top` show, 15 characters


class CannotFork(Exception):
    """A program was not started. The message gives the reason."""


class ForkServerEnded(CannotFork):
    """The fork server has ended, and with it all its programs; or it does not answer."""


def can_fork(command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Return whether `command` is `[sys.executable, "-m", MODULE, ARGUMENT…]` with a module of FORKED, on Linux."""
    is_program = list(command[:2]) == [sys.executable, "-m"] and command[2] in FORKED
    has_our_authorities = all(env.get(name) in (None, os.environ.get(name)) for name in AUTHORITIES)
    return is_program and has_our_authorities and CHANGES_THE_START not in env and sys.platform == "linux"


@dataclass
class ForkedProcess:
    """A program that the fork server started: the part of subprocess.Popen that its callers use."""

    server: ForkServer
    pid: int
    args: Sequence[str]
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal that ended it), or None while it runs."""
        if self.returncode is None:
            try:
                self.returncode = self.server.ask({"poll": self.pid})["status"]
            except ForkServerEnded:
                self.returncode = -signal.SIGKILL  # the kernel kills a program whose parent has ended
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended; raise subprocess.TimeoutExpired after `timeout` seconds."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # the program has ended with the fork server
                self._wait_for_end(timeout)
        return self.poll() or 0

    def _wait_for_end(self, timeout: float | None) -> None:
        descriptor = os.pidfd_open(self.pid)
        try:
            ended, _, _ = select.select([descriptor], [], [], timeout)
        finally:
            os.close(descriptor)
        if not ended:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)

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
    """One fork server. `start` it from a thread that lives as long as it: the kernel kills it together with that."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    @property
    def pid(self) -> int | None:
        """Return its process id; None before it has started."""
        return self._process.pid if self._process else None

    def has_ended(self) -> bool:
        """Return whether it has ended by itself, as it has a moment after it stops to answer."""
        if self._process is None:
            return False
        try:
            self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def channel(self) -> socket.socket:
        """Return the socket to it. Raises ForkServerEnded if it was never started, or is closed."""
        if self._channel is None:
            raise ForkServerEnded("the fork server does not run")
        return self._channel

    def start(self, env: Mapping[str, str], log: IO[bytes] | None = None, cwd: Path | None = None) -> None:
        """Start it. It imports while its caller continues. `log`: the file of its output (default: our own output)."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                die_with_parent([sys.executable, "-m", __spec__.name, str(theirs.fileno())]),
                env=dict(env),
                cwd=cwd,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        ours.settimeout(ANSWERS_WITHIN)
        self._channel = ours

    def spawn(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
        name: str = "",
        start_new_session: bool = False,
        cwd: Path | None = None,
    ) -> ForkedProcess:
        """Start a program for which `can_fork` is true. It has no input. `name`: what `ps -e` and `top` show.

        Raises CannotFork.
        """
        with Path(os.devnull).open("rb") as nothing:
            request = {
                "arguments": list(command[2:]),
                "environment": dict(env),
                "folder": str(cwd or Path.cwd()),
                "session": start_new_session,
                "name": name,
            }
            if len(json.dumps(request)) > MAX_REQUEST_BYTES - 100:
                raise CannotFork("its settings are too large")
            answer = self.ask(request, [file.fileno() for file in (nothing, stdout, stderr)])
        if "error" in answer:
            raise CannotFork(answer["error"])
        return ForkedProcess(self, answer["pid"], command)

    def ask(self, request: Mapping[str, Any], files: Sequence[int] = ()) -> dict[str, Any]:
        """Send a request and return the answer. Raises ForkServerEnded.

        The answer to a request that was interrupted, as by Ctrl-C, is still to be read: it has another number.
        """
        with self._lock:
            number = next(self._numbers)
            try:
                socket.send_fds(self.channel, [json.dumps({**request, "number": number}).encode()], files)
                while received := self.channel.recv(MAX_REQUEST_BYTES):
                    answer: dict[str, Any] = json.loads(received)
                    if answer["number"] == number:
                        return answer
            except OSError as error:
                raise ForkServerEnded("the fork server does not answer") from error
        raise ForkServerEnded("the fork server has ended")

    def close(self) -> None:
        """End it, once its programs have ended: it would kill them."""
        if self._channel and self._process:
            self._channel.close()
            self._process.kill()
            self._process.wait()
            self._channel = self._process = None


def _serve(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Answer requests until the other end closes. In a fork: return the request that made it, and its three files."""
    statuses: dict[int, int] = {}
    while True:
        message, files, _, _ = socket.recv_fds(channel, MAX_REQUEST_BYTES, 3)
        if not message:
            sys.exit()
        request = json.loads(message)
        if "poll" in request:
            answer: dict[str, Any] = {"status": _exit_status(request["poll"], statuses)}
        else:
            parent = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:
                answer = {"error": str(error)}
            else:
                if not pid:
                    kill_with_parent(parent)
                    channel.close()
                    return request, files
                answer = {"pid": pid}
        for file in files:
            os.close(file)
        channel.send(json.dumps({**answer, "number": request["number"]}).encode())


def _exit_status(pid: int, statuses: dict[int, int]) -> int | None:
    """Return the exit status of a program, or None while it runs. The kernel gives it once; `statuses` keeps it."""
    if pid not in statuses:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # the process that started us ignored SIGCHLD, so the kernel keeps no exit status
            ended, status = pid, 0
        if not ended:
            return None
        statuses[pid] = os.waitstatus_to_exitcode(status)
    return statuses[pid]


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
    if request["name"]:
        ctypes.CDLL(None).prctl(PR_SET_NAME, request["name"].encode()[:15])
    # The library decides when it is imported whether processes share their metrics.
    metric_values: Any = importlib.import_module("prometheus_client.values")
    metric_values.ValueClass = metric_values.get_value_class()
    module = request["arguments"][0]
    sys.argv = list(request["arguments"])
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run_and_exit(request: Mapping[str, Any], files: Sequence[int]) -> NoReturn:
    """Run the program and end as the interpreter does, but without taking its objects apart.

    That would copy all memory that it shares with the others. So a file or a database that the program left open is
    not closed by Python. After an exception that nobody caught the interpreter ends the process itself.
    """
    status = 0
    try:
        _run(request, files)
    except SystemExit as error:
        status = _status_of(error.code)
    threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing does: waits for threads that are no daemons
    atexit._run_exitfuncs()
    os._exit(status if _are_flushed() else status or NOT_FLUSHED)


def _are_flushed() -> bool:
    """Flush the output; return False if it cannot be written, as to a full disk."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        return False
    return True


def _status_of(code: object) -> int:
    """Return the exit status of a SystemExit."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    with suppress(AttributeError, OSError, ValueError):  # no stderr, or a closed one
        sys.stderr.write(f"{code}\n")
    return 1


def _preload() -> None:
    """Import, and do what libraries do at their first use: a fork has that memory in common with the others."""
    packages = [importlib.import_module(name) for name in PRELOADED_FOLDERS]
    modules = [
        f"{package.__name__}.{module.name}" for package in packages for module in pkgutil.iter_modules(package.__path__)
    ]
    for name in (*PRELOADED, *modules):
        importlib.import_module(name)
    for name in ("gateway.app", "console.app"):
        importlib.import_module(name).load_texts()
    importlib.import_module("reports.crypto").PrivateKey.generate()  # OpenSSL takes some MB
    importlib.import_module("workers.network.http_client").HttpClient()  # reads the authorities of this system


def _main() -> None:
    _preload()
    gc.collect()
    gc.freeze()  # a collection in a forked process leaves the shared memory alone
    _run_and_exit(*_serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    _main()
