"""The folder of a demo: locked by one demo at a time, emptied at its start, described in demo.json while it runs."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tokaut.local_stack.processes import kill_run

MARK_FILE = ".made-by-the-demo"


class FolderInUse(Exception):
    """The folder cannot be used. The message is one line: why, and what to do."""


class DemoFolder:
    """A context manager that locks and empties the folder of a demo.

    `data` is TOKAUT_DATA. inside: the folder for the demo's processes, empty at the start. received: the file of
    accepted deliveries. told: demo.json. run: the id of this run.
    """

    def __init__(self, data: Path) -> None:
        self.inside = data / "demo"
        self.received = data / "received.jsonl"
        self.run = uuid.uuid4().hex
        self._data = data
        self.told = data / "demo.json"
        self._lock = -1

    def __enter__(self) -> DemoFolder:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._acquire()
        self._clear()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.told.unlink(missing_ok=True)
        os.close(self._lock)

    def tell(self, what: Mapping[str, Any]) -> None:
        """Write the addresses and secrets of this demo to demo.json, for scripts and tests.

        Only this account can read the file.
        """
        temporary = self.told.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(what, file, indent=1)
        temporary.replace(self.told)

    def _acquire(self) -> None:
        """Take the lock, and kill processes that an earlier run left.

        The system releases the lock when this process ends. The lock file holds the id of the run that last had it.
        """
        self._lock = os.open(self._data / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise FolderInUse(
                f"A demo runs already ({self._running_address()}). Stop it, or set TOKAUT_DATA and PORT."
            ) from None
        if earlier := os.read(self._lock, 64).decode().strip():
            kill_run(earlier)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, self.run.encode(), 0)

    def _running_address(self) -> str:
        try:
            return str(json.loads(self.told.read_text())["web"])
        except (OSError, ValueError, KeyError):
            return "just starting"

    def _clear(self) -> None:
        """Delete the data of the last demo: this demo's keys cannot open it. Refuse a folder that no demo made."""
        mark = self.inside / MARK_FILE
        if self.inside.exists():
            if not mark.exists():
                raise FolderInUse(f"{self.inside} was made by no demo. Set TOKAUT_DATA to another folder.")
            shutil.rmtree(self.inside)
        self.told.unlink(missing_ok=True)
        self.received.unlink(missing_ok=True)
        self.inside.mkdir(mode=0o700)
        mark.touch()
