"""The folder of a demo: one at a time in it, made anew each time, and what it tells about itself while it is up."""

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
    """The folder cannot be used. One line that says why and what to do."""


class DemoFolder:
    """`data` is TOKAUT_DATA. The demo's processes get `inside`, a folder in it that is empty at the start."""

    def __init__(self, data: Path) -> None:
        self.inside = data / "demo"
        self.received = data / "received.jsonl"
        self.run = uuid.uuid4().hex
        self._data = data
        self.told = data / "demo.json"
        self._lock = -1

    def __enter__(self) -> DemoFolder:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take()
        self._clear()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.told.unlink(missing_ok=True)
        os.close(self._lock)

    def tell(self, what: Mapping[str, Any]) -> None:
        """For scripts and tests: addresses and this demo's secrets, for this account alone."""
        beside = self.told.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(what, file, indent=1)
        beside.replace(self.told)

    def _take(self) -> None:
        """The lock goes with the process that holds it; the file names its run, whose remains are ended here."""
        self._lock = os.open(self._data / "demo.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise FolderInUse(f"A demo runs already ({self._where()}). Stop it, or set TOKAUT_DATA and PORT.") from None
        if earlier := os.read(self._lock, 64).decode().strip():
            kill_run(earlier)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, self.run.encode(), 0)

    def _where(self) -> str:
        try:
            return str(json.loads(self.told.read_text())["web"])
        except (OSError, ValueError, KeyError):
            return "just starting"

    def _clear(self) -> None:
        """Nothing of the last demo can be opened with this one's keys. What no demo made is not ours to delete."""
        mark = self.inside / MARK_FILE
        if self.inside.exists():
            if not mark.exists():
                raise FolderInUse(f"{self.inside} was made by no demo. Set TOKAUT_DATA to another folder.")
            shutil.rmtree(self.inside)
        self.told.unlink(missing_ok=True)
        self.received.unlink(missing_ok=True)
        self.inside.mkdir(mode=0o700)
        mark.touch()
