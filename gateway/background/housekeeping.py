"""What `web` does beside answering: empty the spool when the database is back, play waiting SMS when Redis is, and
delete the keys of conversations that are over.

And once a day it brings what was counted the day before into the database. In training it is the reporter of drills.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from gateway.background.erasures import ErasureReplay
from gateway.background.memory import give_back
from gateway.conversation.dispatcher import Dispatcher
from gateway.messaging.model import Channel, Inbound
from gateway.sessions import store
from gateway.sms.inbox import SmsInbox
from gateway.submission.spool_drain import file_late
from gateway.submission.submitter import NotSent
from reports.escalation.time_limits import LEASES
from reports.store.engine import leases
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations import spool_status
from reports.store.operations.spool_status import SpoolStatus
from reports.store.spool import Spool
from runtime.time_units import SECOND

EVERY_SECONDS = 5
LEASE_SECONDS = LEASES["replay"] // SECOND
TIDY_SECONDS = 60
HOST = socket.gethostname()[:64]
SAY_SECONDS = 60  # between two rows, or two log lines, that say the same of this host's spool

log = structlog.get_logger()


class Housekeeping:
    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        waiting: SmsInbox,
        desk: Dispatcher,
        channels: Mapping[str, Channel],
        renew: Callable[[], None],
        erasing: ErasureReplay,
        chores: Sequence[Callable[[], object]],
        wait_for: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`renew`: deletes session keys that are over, in each process. `chores`: of one process at a time. `wait_for`:
        runs a coroutine to its end.
        """
        self._wait_for = wait_for
        self._database = database
        self._spool = spool
        self._waiting = waiting
        self._desk = desk
        self._channels = channels
        self._renew = renew
        self._chores = chores
        self._erasing = erasing
        self._stop = threading.Event()
        self._said: SpoolStatus | None = None
        self._say_at = 0.0
        self._complain_at = 0.0
        self._name = f"{socket.gethostname()}-{os.getpid()}"[:80]
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def once(self) -> None:
        """One round. What cannot be done now is done in a later one, and holds up nothing else."""
        duties = (self._erasing.reapply, self._renew, self._empty_spool, self._say_what_waits, self._what_one_does)
        for duty in (*duties, self._desk.note_early):
            try:
                duty()
            except (DatabaseUnavailable, store.RedisUnavailable, NotSent, OSError):
                continue
            except Exception:  # it must go on: what is in the spool is somebody's report
                log.exception("crashed")

    def _empty_spool(self) -> None:
        if not self._spool.names():
            return
        if drained := self._spool.drain(partial(file_late, self._database)):
            log.info("spool_drained", count=drained)
        if (why := self._spool.refusal) and time.monotonic() >= self._complain_at:
            cause = getattr(why, "cause", "")
            name = f"{type(why).__name__} < {cause}" if cause else type(why).__name__
            log.warning("spool_not_drained", **{"class": name}, count=len(self._spool.names()))
            self._complain_at = time.monotonic() + SAY_SECONDS

    def _say_what_waits(self) -> None:
        """Store what waits in this host's spool: `clock` and `tokaut watch` cannot read the folder."""
        if not self._erasing.is_done:  # what is stored here says how far a restored database goes
            return
        now = self._spool.standing(HOST)
        is_same = self._said is not None and (now.entries, now.bad) == (self._said.entries, self._said.bad)
        if is_same and time.monotonic() < self._say_at:
            return
        spool_status.save_status(self._database, now)
        self._said, self._say_at = now, time.monotonic() + SAY_SECONDS

    def _what_one_does(self) -> None:
        """One process of all hosts at a time."""
        if leases.acquire(self._database, "replay", self._name, LEASE_SECONDS):
            if played := self._waiting.play(self._replay):
                log.info("sms_inbox_replayed", count=played)
            for chore in self._chores:
                chore()

    def _replay(self, inbound: Inbound) -> bool:
        channel = self._channels.get(inbound.channel)
        if channel is None:
            return False  # not open any more: it waits until it is
        self._wait_for(self._desk.replay(channel, inbound))
        return True

    def _run(self) -> None:
        tidy_at = 0.0
        while not self._stop.is_set():
            self.once()
            if time.monotonic() > tidy_at:
                give_back()
                self._erasing.forget()
                tidy_at = time.monotonic() + TIDY_SECONDS
            self._stop.wait(EVERY_SECONDS)
