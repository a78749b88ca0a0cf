"""Watch for the events that trigger kills: of simulated reporters, of the hotline, and of web's COMMIT."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import IO

from tests.faults.faulty_hotline import MOMENTS
from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.kills import Killer

WATCH_SECONDS = 0.1  # seconds after Send was posted; the report is stored by then


class KillTriggers:
    """Pass events to the killer.

    `sent`: reporters who have seen "Sent"; `gave_up`: reporters who never did, None until all have ended.
    """

    def __init__(self, installation: FaultyInstallation, killer: Killer) -> None:
        self._installation = installation
        self._killer = killer
        self.sent = 0
        self.gave_up: int | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(installation.folder / MOMENTS))
        self._watching = threading.Lock()

    def start(self, callers: IO[bytes]) -> None:
        for listen in (lambda: self._callers(callers), self._hotline):
            threading.Thread(target=listen, daemon=True).start()

    def stop(self) -> None:
        self._socket.close()

    def _callers(self, said: IO[bytes]) -> None:
        for line in said:
            what, marker = line.decode().split()
            if what == "over":
                self.gave_up = int(marker)
            elif what == "posted":
                self._killer.trigger("posted", marker)
                self._watch_the_commit(marker)
            elif what == "sent":
                self.sent += 1
                self._killer.trigger("sent", marker)

    def _hotline(self) -> None:
        while True:
            try:
                what, _, during = self._socket.recv(512).decode().partition(" ")
            except OSError:
                return
            self._killer.trigger(what, during)

    def _watch_the_commit(self, marker: str) -> None:
        """Watch for web's next COMMIT after Send was posted: in most cases it is that Send's."""
        proxy = self._installation.proxy
        for name, watch in (("commit", proxy and proxy.when_sent), ("committed", proxy and proxy.when_replied)):
            if self._killer.is_armed(name):
                fire = self._once(name, marker)
                if watch:
                    watch(b"COMMIT", fire)
                else:
                    threading.Thread(target=self._on_writing, args=(fire,), daemon=True).start()

    def _once(self, name: str, marker: str) -> Callable[[], None]:
        return lambda: self._killer.trigger(name, f"Send of {marker}")

    def _on_writing(self, fire: Callable[[], None]) -> None:
        """Report the trigger once SQLite writes its log: there is no connection to watch."""
        log = self._installation.database.with_name(self._installation.database.name + "-wal")
        if not self._watching.acquire(blocking=False):
            return
        try:
            before, end = log.stat().st_mtime_ns, time.monotonic() + WATCH_SECONDS
            while log.stat().st_mtime_ns == before:
                if time.monotonic() > end:
                    return
            fire()
        except FileNotFoundError:
            return
        finally:
            self._watching.release()
