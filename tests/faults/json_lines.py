"""A ledger: JSON lines, each synced to the disk before the program continues, so that a crash of the run loses none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock
from typing import Any


class JsonLinesFile:
    """A ledger open for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb", buffering=0)
        self._buffer: list[bytes] = []

    def add(self, **line: Any) -> None:
        """Write a line, and sync it with all lines before it."""
        self.write(**line)
        self.sync()

    def write(self, **line: Any) -> None:
        """Write a line; the next `sync` or `add` syncs it."""
        self._buffer.append(json.dumps(line).encode() + b"\n")

    def sync(self) -> None:
        """Sync all written lines."""
        with self._lock:
            buffer, self._buffer = self._buffer, []
            if buffer:
                self._file.write(b"".join(buffer))
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._file.close()


def lines(path: Path) -> list[dict[str, Any]]:
    """Return all complete lines. A process that was killed while writing leaves an incomplete one."""
    raw = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in raw.splitlines(keepends=True) if line.endswith(b"\n")]


class LineCounter:
    """Count the lines of a growing file; each byte is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = self.count = 0

    def look(self) -> int:
        """Return the number of lines."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            self.count += new.count(b"\n")
        return self.count
