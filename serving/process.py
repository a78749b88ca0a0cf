"""One process of gunicorn's that serves with `Server`, and how a configuration file of ours sets it up."""

from __future__ import annotations

import gc
import os
import resource
import select
import time
from typing import ClassVar

from gunicorn.workers.base import Worker

from serving.server import Server
from serving.shares import Shares

FILES = 2048  # open at once in one process; many systems begin with 1024 and let it ask for more
OTHER_FILES = 160  # of them that are no lines: connections of each thread, three files for each of SQLite's

LOOKS = 20  # a second, at the end
STUCK = 20  # looks, one after the other, at who answers nobody; a pause of the machine does not use them up

SHARES = Shares()  # made in the master, before there is any process


def most_lines(wanted: int) -> int:
    """Lines of one process. They leave files to what is behind them, or nothing that came in could be kept."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(files, FILES if most == resource.RLIM_INFINITY else min(FILES, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return max(1, min(wanted, files - OTHER_FILES))


class Process(Worker):  # type: ignore[misc]  # gunicorn has no types
    """It ends with its master: a new master needs the port at once. Set `most_body`, in bytes."""

    most_body: ClassVar[int]

    def run(self) -> None:
        server = Server(
            self.wsgi,
            self.sockets,
            threads=self.cfg.threads,
            most_body=self.most_body,
            most_lines=most_lines(self.cfg.worker_connections),
            share=SHARES.of(self.age),
            failed=lambda: self.log.error("request failed", exc_info=True),  # names no address: it may hold a secret
            refused=getattr(self.wsgi, "refused", lambda: None),  # an application that wants to know has it
        )
        gc.freeze()  # what is there by now stays; the collector would look through it again and again
        server.start()
        while self.alive and self.ppid == os.getppid():
            self._look(server, seconds=1)
        server.stop()
        end, asleep = time.monotonic() + self.cfg.graceful_timeout, 0
        while server.is_busy and asleep < STUCK and time.monotonic() < end:
            self._look(server, seconds=1 / LOOKS)
            asleep = 0 if server.is_awake else asleep + 1

    def handle_abort(self, _sig: int, _frame: object) -> None:
        """The master heard nothing for long. Who only slept, for the whole machine did, answers whoever it has and
        ends, and another takes its place; gunicorn's own would end here with all that was in hand.
        """
        self.alive = False
        self.notify()

    def _look(self, server: Server, seconds: float) -> None:
        if server.is_awake:
            self.notify()  # or the master takes this process for stuck, and replaces it
        server.look()
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], 64)  # a signal has written into it
