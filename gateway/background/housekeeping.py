"""Housekeeping of a web process: drain the spool, replay queued SMS, delete expired session keys.

Once a day the counts of the day before are saved in the database. In training it also runs drills.
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
from gateway.submission.spool_drain import submit_late
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
SAY_SECONDS = 60  # between two equal rows, or two warnings, about this host's spool

log = structlog.get_logger()


class Housekeeping:
    """Run all periodic work of a web process in one thread."""

    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        waiting: SmsInbox,
        dispatcher: Dispatcher,
        channels: Mapping[str, Channel],
        renew: Callable[[], None],
        erasures: ErasureReplay,
        chores: Sequence[Callable[[], object]],
        wait_for: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`renew`: deletes expired session keys, in each process.

        `chores`: run by one process at a time. `wait_for`: runs a coroutine to its end.
        """
        self._wait_for = wait_for
        self._database = database
        self._spool = spool
        self._inbox = waiting
        self._dispatcher = dispatcher
        self._channels = channels
        self._renew = renew
        self._chores = chores
        self._erasing = erasures
        self._stop = threading.Event()
        self._said: SpoolStatus | None = None
        self._next_status_at = 0.0
        self._next_warning_at = 0.0
        self._name = f"{socket.gethostname()}-{os.getpid()}"[:80]
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to stop."""
        self._stop.set()

    def once(self) -> None:
        """Run one round. A task that fails is tried again in the next round and blocks no other task."""
        tasks = (self._erasing.reapply, self._renew, self._empty_spool, self._save_spool_status, self._run_leased_tasks)
        for task in (*tasks, self._dispatcher.retry_early_receipts):
            try:
                task()
            except (DatabaseUnavailable, store.RedisUnavailable, NotSent, OSError):
                continue
            except Exception:  # the thread must go on: the spool holds reports
                log.exception("crashed")

    def _empty_spool(self) -> None:
        if not self._spool.names():
            return
        if drained := self._spool.drain(partial(submit_late, self._database)):
            log.info("spool_drained", count=drained)
        if (refusal := self._spool.refusal) and time.monotonic() >= self._next_warning_at:
            cause = getattr(refusal, "cause", "")
            name = f"{type(refusal).__name__} < {cause}" if cause else type(refusal).__name__
            log.warning("spool_not_drained", **{"class": name}, count=len(self._spool.names()))
            self._next_warning_at = time.monotonic() + SAY_SECONDS

    def _save_spool_status(self) -> None:
        """Store the state of this host's spool in the database: `clock` and `tokaut watch` cannot read the folder."""
        if not self._erasing.is_done:  # this row shows `ErasureReplay` where a restored database ends
            return
        status = self._spool.standing(HOST)
        is_same = self._said is not None and (status.entries, status.bad) == (self._said.entries, self._said.bad)
        if is_same and time.monotonic() < self._next_status_at:
            return
        spool_status.save_status(self._database, status)
        self._said, self._next_status_at = status, time.monotonic() + SAY_SECONDS

    def _run_leased_tasks(self) -> None:
        """Run the tasks that only one process of all hosts may run, under a lease."""
        if leases.acquire(self._database, "replay", self._name, LEASE_SECONDS):
            if replayed := self._inbox.play(self._replay):
                log.info("sms_inbox_replayed", count=replayed)
            for task in self._chores:
                task()

    def _replay(self, inbound: Inbound) -> bool:
        channel = self._channels.get(inbound.channel)
        if channel is None:
            return False  # the channel is not configured now; the SMS stays queued
        self._wait_for(self._dispatcher.replay(channel, inbound))
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
