"""The kit's receiver as a developer starts it: a process with its own folder."""

from __future__ import annotations

import importlib.util
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.samples import KIT
from tests.support.ports import free_port
from tests.support.wait import until


@dataclass(frozen=True)
class Receiver:
    folder: Path
    port: int

    @property
    def host_port(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host_port}/reports"

    def received(self) -> list[tuple[str, str, bytes]]:
        """Return (webhook-id, mode, body), oldest first."""
        if not (self.folder / "received.db").exists():
            return []
        with closing(sqlite3.connect(self.folder / "received.db")) as database:
            return [tuple(row) for row in database.execute("SELECT id, mode, body FROM received ORDER BY at")]


@contextmanager
def receiver(folder: Path, *secrets: str) -> Iterator[Receiver]:
    port = free_port()
    environ = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": ",".join(secrets)}
    command = [sys.executable, str(KIT / "receiver.py"), str(port)]
    with subprocess.Popen(command, cwd=folder, env=environ, umask=0o022) as process:
        try:
            made = Receiver(folder, port)
            until(lambda: _listens(port), "the receiver does not listen")
            yield made
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def as_module(secret: str) -> Any:
    """Import receiver.py with this secret, to test its functions."""
    os.environ["WEBHOOK_SECRET"] = secret
    try:
        spec = importlib.util.spec_from_file_location("receiver", KIT / "receiver.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del os.environ["WEBHOOK_SECRET"]
    return module
