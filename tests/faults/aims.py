"""Sees the moments that kills are aimed at: in what callers say, at the hotline's door, on the way to the database."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import IO

from tests.faults.city import City
from tests.faults.hotline import MOMENTS
from tests.faults.kills import Killer

WATCHED = 0.1  # seconds after a Send was posted: it is written by then


class Aims:
    """`sent`: how many callers have seen "Sent"; `gave_up`: how many never did, once all are done."""

    def __init__(self, city: City, killer: Killer) -> None:
        self._city = city
        self._killer = killer
        self.sent = 0
        self.gave_up: int | None = None
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.bind(str(city.folder / MOMENTS))
        self._watches = threading.Lock()

    def start(self, callers: IO[bytes]) -> None:
        for listen in (lambda: self._callers(callers), self._hotline):
            threading.Thread(target=listen, daemon=True).start()

    def stop(self) -> None:
        self._door.close()

    def _callers(self, said: IO[bytes]) -> None:
        for line in said:
            what, marker = line.decode().split()
            if what == "over":
                self.gave_up = int(marker)
            elif what == "posted":
                self._killer.moment("posted", marker)
                self._watch_the_commit(marker)
            elif what == "sent":
                self.sent += 1
                self._killer.moment("sent", marker)

    def _hotline(self) -> None:
        while True:
            try:
                what, _, during = self._door.recv(512).decode().partition(" ")
            except OSError:
                return
            self._killer.moment(what, during)

    def _watch_the_commit(self, marker: str) -> None:
        """The next COMMIT of web after a Send was posted: in most cases that Send's."""
        proxy = self._city.proxy
        for name, watch in (("commit", proxy and proxy.when_sent), ("committed", proxy and proxy.when_replied)):
            if self._killer.waits_for(name):
                hit = self._once(name, marker)
                if watch:
                    watch(b"COMMIT", hit)
                else:
                    threading.Thread(target=self._on_writing, args=(hit,), daemon=True).start()

    def _once(self, name: str, marker: str) -> Callable[[], None]:
        return lambda: self._killer.moment(name, f"Send of {marker}")

    def _on_writing(self, hit: Callable[[], None]) -> None:
        """SQLite has no line to look into: as soon as its log is written to."""
        log = self._city.database.with_name(self._city.database.name + "-wal")
        if not self._watches.acquire(blocking=False):
            return
        try:
            before, end = log.stat().st_mtime_ns, time.monotonic() + WATCHED
            while log.stat().st_mtime_ns == before:
                if time.monotonic() > end:
                    return
            hit()
        except FileNotFoundError:
            return
        finally:
            self._watches.release()
