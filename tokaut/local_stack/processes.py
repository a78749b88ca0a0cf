"""The processes of a demo: started, watched and stopped together. Also kills the processes of an earlier run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runtime.operator_error import OperatorError
from tokaut.local_stack.fork_server import CannotFork, ForkedProcess, ForkServer, can_fork
from tokaut.local_stack.parent_death import die_with_parent

STOP_WITHIN = 8.0  # seconds for all processes together, after Ctrl-C
ONE_WITHIN = 4.0  # seconds for one process
RUN_MARK = "STARTED_BY_RUN"  # environment variable of each process of a run, inherited by its children
LOG_TAIL_CHARS = 2000  # end of the log that is shown when its process has died


class ProcessDied(OperatorError):
    """A process ended unexpectedly. The message names it, its exit status and the end of its log."""


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A process that was started, and the name of its log. `outlasts`: it is stopped after all others."""

    name: str
    process: subprocess.Popen[bytes] | ForkedProcess
    outlasts: bool = False


class ProcessGroup:
    """Start, watch and stop processes.

    `run` is an id that no other run has. `logs` is a folder for one log file a process. `forks`: start
    processes, where possible, as forks of one process that has imported their modules.
    """

    def __init__(self, run: str, logs: Path, *, forks: bool = False) -> None:
        self._run = run
        self.logs = logs
        self._children: list[ChildProcess] = []
        self._earlier: dict[str, int] = {}  # name → bytes of its log that were written before this run
        self._fork_server: ForkServer | None = None
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        if forks and sys.platform == "linux":
            self._fork_server = ForkServer()
            with self._open_log("fork-server") as out:
                self._fork_server.start({**os.environ, RUN_MARK: run}, out)

    def start(self, name: str, command: list[str], environment: Mapping[str, str], *, outlasts: bool = False) -> None:
        """Start a process in a session of its own, so that Ctrl-C reaches only us, and `stop` decides the order.

        `outlasts`: the other processes need it until they have ended.
        """
        environment = {**environment, RUN_MARK: self._run}
        with self._open_log(name) as out:
            process = self._fork(name, command, environment, out) or subprocess.Popen(
                die_with_parent(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._children.append(ChildProcess(name, process, outlasts))

    def _fork(
        self, name: str, command: list[str], environment: Mapping[str, str], out: IO[bytes]
    ) -> ForkedProcess | None:
        """Start a process as a fork, or return None if it cannot be one."""
        if self._fork_server is None or not can_fork(command, environment):
            return None
        try:
            return self._fork_server.spawn(
                command, env=environment, stdout=out, stderr=out, name=name, start_new_session=True
            )
        except CannotFork as error:
            raise ProcessDied(self._about_fork_server(f"{name} was not started: {error}.")) from None

    def _about_fork_server(self, sentence: str) -> str:
        return f"{sentence} {self._log_end('fork-server')}"

    def _open_log(self, name: str) -> IO[bytes]:
        log = (self.logs / f"{name}.log").open("ab")
        self._earlier.setdefault(name, log.tell())
        return log

    def _log_end(self, name: str) -> str:
        """Return the end of a log. Lines of earlier runs are left out: they would name another cause."""
        log = self.logs / f"{name}.log"
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._earlier[name], end - 4 * LOG_TAIL_CHARS))
            text = file.read().decode(errors="replace")
        return f"{log} ends with:\n{text[-LOG_TAIL_CHARS:].strip() or '(nothing)'}"

    def of(self, names: Iterable[str]) -> list[int]:
        """Return the ids of the processes with these names. Unknown names are ignored."""
        selected = set(names)
        return [child.process.pid for child in self._children if child.name in selected]

    def check(self) -> None:
        """Raise ProcessDied if one of the processes has ended, or the one whose forks they are."""
        for child in self._children:
            if (status := child.process.poll()) is not None:
                if isinstance(child.process, ForkedProcess) and child.process.server.has_ended():
                    raise ProcessDied(self._about_fork_server("The process that the others are forks of has ended."))
                raise ProcessDied(f"{child.name} has ended ({_exit_text(status)}). {self._log_end(child.name)}")

    def stop(self, *, at_once: bool = False) -> None:
        """Stop all processes by SIGTERM and then SIGKILL, with everything in their groups.

        Those that outlast the others come last, the first started at the very end; the others are stopped together.
        `at_once`: kill all of them together. For an interrupted start, when nobody has used them yet.
        """
        end = time.monotonic() + (0 if at_once else STOP_WITHIN)
        for child in self._children if at_once else ():
            child.process.kill()
        together = [child for child in reversed(self._children) if not child.outlasts]
        alone = [[child] for child in reversed(self._children) if child.outlasts]
        self._children = []
        for children in (together, *alone):
            for child in children:
                child.process.terminate()
            for child in children:
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(min(ONE_WITHIN, max(0.0, end - time.monotonic())))
                with suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
        if self._fork_server:
            self._fork_server.close()
        kill_run(self._run)


def kill_run(run: str) -> int:
    """Kill the remaining processes of a run, wait until they are gone, and return their number.

    They are found by RUN_MARK in /proc, so this works on Linux only.
    """
    killed: set[int] = set()
    while remaining := _marked_processes(f"{RUN_MARK}={run}".encode()):
        for pid in remaining:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(remaining)
        time.sleep(0.02)
    return len(killed)


def _marked_processes(mark: bytes) -> list[int]:
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another account
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
    return pids


def _exit_text(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
