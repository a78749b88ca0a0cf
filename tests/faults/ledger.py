"""A ledger: JSON lines, each on the disk before anything goes on, so that a crash of the run itself loses no line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock
from typing import Any


class Ledger:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb", buffering=0)
        self._buffer: list[bytes] = []

    def add(self, **line: Any) -> None:
        """On the disk when this returns, with all that was written before."""
        self.write(**line)
        self.sync()

    def write(self, **line: Any) -> None:
        """On the disk with the next `sync` or `add`."""
        self._buffer.append(json.dumps(line).encode() + b"\n")

    def sync(self) -> None:
        with self._lock:
            buffer, self._buffer = self._buffer, []
            if buffer:
                self._file.write(b"".join(buffer))
                os.fsync(self._file.fileno())

    def close(self) -> None:
        self.sync()
        self._file.close()


def lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines; half a line is of a process that was killed while it wrote."""
    raw = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in raw.splitlines(keepends=True) if line.endswith(b"\n")]


class Counted:
    """How many lines a file has that grows: each byte is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = self.count = 0

    def look(self) -> int:
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            self.count += new.count(b"\n")
        return self.count
