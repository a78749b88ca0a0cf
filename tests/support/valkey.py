"""A real Valkey that a test may kill, freeze and restart."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.support.frozen import freeze
from tests.support.wait import until
from tokaut.local_stack import valkey
from tokaut.local_stack.parent_death import die_with_parent


class Valkey:
    """A server. After a restart `url` stays the same, and the data is loaded from the append-only file."""

    def __init__(self, prefix: str = "tv-") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        self.url = valkey.redis_url(self.folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Valkey:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                die_with_parent(valkey.server_command(self.folder)), stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: valkey.is_up(self.folder), f"Valkey does not start; see {self.folder}/log")
        return self

    @property
    def pid(self) -> int | None:
        """Return the process id of the server; None while it is stopped."""
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """Kill the process, if it runs."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the process with SIGTERM, if it runs."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop the process with SIGSTOP."""
        assert self._process is not None, "this Valkey is not running"
        freeze(self._process.pid)

    def remove(self) -> None:
        """Kill the process, even a frozen one, and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal_number)
            self._process.wait(timeout=20)
            self._process = None
