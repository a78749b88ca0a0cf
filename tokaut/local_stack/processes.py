"""The processes of a demo: started together, watched, gone together; and an end to those that an earlier run left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tokaut.local_stack.parent_death import die_with_parent

STOP_WITHIN = 8.0  # seconds for all of them together: whoever pressed Ctrl-C waits no longer
ONE_WITHIN = 4.0
RUN_MARK = "STARTED_BY_RUN"  # in the environment of each process of a run, and so of theirs
LOG_TAIL_CHARS = 2000  # characters of a log that are shown when its process has died


class ProcessDied(Exception):
    """A process ended that should not have. The text names it, says how, and shows the end of its log."""


@dataclass(frozen=True, slots=True)
class ChildProcess:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class ProcessGroup:
    """`run` is a name that no other run has; `logs` a folder for one log a process."""

    def __init__(self, run: str, logs: Path) -> None:
        self._run = run
        self.logs = logs
        self._children: list[ChildProcess] = []
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """In a process group of its own, so that Ctrl-C reaches us alone and we stop them in our order."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                die_with_parent(command),
                env={**environment, RUN_MARK: self._run},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._children.append(ChildProcess(name, process, log))

    def of(self, names: Iterable[str]) -> list[int]:
        """The ids of the processes with these names, where there are such."""
        wanted = set(names)
        return [child.process.pid for child in self._children if child.name in wanted]

    def look(self) -> None:
        """Raises Died when one of them has ended."""
        for child in self._children:
            if (status := child.process.poll()) is not None:
                raise ProcessDied(
                    f"{child.name} has ended ({_how(status)}). {child.log} ends with:\n{_end_of(child.log)}"
                )

    def stop(self, *, at_once: bool = False) -> None:
        """Stop all of them, the last started first, by SIGTERM and then by SIGKILL. Nothing of their groups is left.

        `at_once` is for a start that was interrupted: nobody has used them yet, so they are killed together.
        """
        end = time.monotonic() + (0 if at_once else STOP_WITHIN)
        for child in self._children if at_once else ():
            child.process.kill()
        while self._children:
            child = self._children.pop()
            child.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(min(ONE_WITHIN, max(0.0, end - time.monotonic())))
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        kill_run(self._run)


def kill_run(run: str) -> int:
    """Kill what is left of a run, and wait until it is gone; returns how many. It looks for the mark: Linux only."""
    killed: set[int] = set()
    while left := _marked(f"{RUN_MARK}={run}".encode()):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        killed.update(left)
        time.sleep(0.02)
    return len(killed)


def _marked(mark: bytes) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is not ours to look at
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _how(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL_CHARS:].strip() or "(nothing)"


STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
