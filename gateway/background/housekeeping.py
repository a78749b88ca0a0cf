"""Housekeeping of a web process: drain the spool, replay SMS, reload countries, save counts, free memory.

Once a day the counts of the day before are saved in the database. It also runs drills, except in live mode.
"""

from __future__ import annotations

import ctypes
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from gateway.background.erasures import ErasureReplay
from gateway.conversation.dispatcher import Dispatcher
from gateway.conversation.handler import CALLS, day_of
from gateway.messaging.model import Channel, Inbound
from gateway.sessions import store
from gateway.sessions.store import Sessions
from gateway.sms import SmsInbox
from gateway.submission.builder import NotStored
from gateway.submission.spool_copies import SpoolCopies
from gateway.submission.spool_drain import submit_late
from gateway.submission.submitter import NotSent
from reports.countries.country import Countries, Country, CountryError, load_country
from reports.countries.numbers import withdraw, withdrawn_ids
from reports.statistics.aggregation import quarter_of, quarter_start
from reports.store.engine import leases
from reports.store.engine.database import Database, DatabaseUnavailable, RowRefused
from reports.store.operations import spool_status
from reports.store.operations.call_hours import save_hours
from reports.store.operations.quarterly_figures import save_screen_counts
from reports.store.operations.spool_status import REPORT_SECONDS, WEB, SpoolStatus, process_name
from reports.store.spool import Spool, SpoolEntry
from reports.time_limits import LEASES, SMS_LIFETIME
from runtime.time_units import DAY, DAY_SECONDS, HOUR_SECONDS, SECOND

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
EVERY_SECONDS = 5
LEASE_SECONDS = LEASES["replay"] // SECOND
TIDY_SECONDS = 60
WARNING_SECONDS = 60  # between two warnings about this host's spool

log = structlog.get_logger()
RELOAD_EVERY_SECONDS = 20  # a withdrawn number must disappear within a minute
PAST_DAYS = 7  # whose counts are moved; the database may have been unavailable that long
OUTAGES = (store.RedisUnavailable, NotSent, NotStored)  # these are no faults of a task
RETRY_SECONDS = 60  # until a failed task is tried again; meanwhile the tasks after it run
IN_FLIGHT_SECONDS = 60  # after an hour, until all calls that began in it are counted
COUNTED_LATE_SECONDS = 3600  # after midnight the day before may still be counted for so long


def free_unused_memory() -> None:
    """Return free memory to the operating system; do nothing without glibc.

    glibc does not return free memory that lies between used blocks (malloc_trim(3)). Without this call a process grew
    by 15 MB over 390,000 requests of all kinds, and all of that memory was free.
    """
    if _trim:
        _trim(0)


class Housekeeping:
    """Run all periodic work of a web process in one thread, and renew the session keys in another."""

    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        copies: SpoolCopies | None,
        inbox: SmsInbox,
        dispatcher: Dispatcher,
        channels: Mapping[str, Channel],
        renew: Callable[[], None],
        erasures: ErasureReplay,
        host: str,
        leased_tasks: Sequence[Callable[[], object]],
        wait_for: Callable[[Coroutine[Any, Any, None]], None],
        redis_is_up: Callable[[], bool],
    ) -> None:
        """Create the threads, which `start` starts.

        `database`: one that waits for a slow network. `copies`: those of all hosts' spools; None with SQLite.
        `renew`: deletes expired session keys, in each process. `host`: the id of this host.
        `leased_tasks`: run by one process at a time. `wait_for`: runs a coroutine to its end.
        """
        self._wait_for = wait_for
        self._redis_is_up = redis_is_up
        self._database = database
        self._spool = spool
        self._copies = copies
        self._inbox = inbox
        self._dispatcher = dispatcher
        self._channels = channels
        self._renew = renew
        self._leased_tasks = leased_tasks
        self._erasure_replay = erasures
        self._stop = threading.Event()
        self._saved_status: SpoolStatus | None = None
        self._seen_at: int | None = None  # of the last status, by the database's clock
        self._next_status_at = 0.0
        self._next_warning_at = 0.0
        self._host = process_name(host, WEB)
        # Unlike a process id, it is unique across containers.
        self._holder = f"{self._host}/{secrets.token_hex(4)}"
        self._threads = [
            threading.Thread(target=self._run, name="housekeeping", daemon=True),
            threading.Thread(target=self._run_renewal, name="session-keys", daemon=True),
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to stop."""
        self._stop.set()

    def once(self) -> None:
        """Run one round. A task that fails is tried again in the next round and blocks no other task."""
        tasks = (self._erasure_replay.reapply, self._empty_spool, self._save_spool_status, self._run_leased_tasks)
        _run_all((*tasks, self._dispatcher.retry_early_receipts, self._dispatcher.retry_withdrawals))

    def _empty_spool(self) -> None:
        if not self._spool.names():
            return
        refusal: Exception | None
        try:
            drained = self._spool.drain(self._submit_late)
            refusal = self._spool.refusal
        except OSError as error:
            drained, refusal = 0, error
        if drained:
            log.info("spool_drained", count=drained)
        if refusal and time.monotonic() >= self._next_warning_at:
            cause = getattr(refusal, "cause", "")
            name = f"{type(refusal).__name__} < {cause}" if cause else type(refusal).__name__
            log.warning("spool_not_drained", **{"class": name}, count=len(self._spool.names()))
            self._next_warning_at = time.monotonic() + WARNING_SECONDS

    def _submit_late(self, entry: SpoolEntry) -> None:
        self._save_due_status()
        submit_late(self._database, entry)

    def _save_due_status(self) -> None:
        """Save the status between two entries if it is due: a process that drains a full spool is not silent."""
        if time.monotonic() >= self._next_status_at:
            _run_all([self._save_spool_status])

    def _save_spool_status(self) -> None:
        """Store that web runs on this host, and the state of its spool and Redis, for `clock` and operators."""
        if not self._erasure_replay.is_done:  # from this row `ErasureReplay` learns how old a restored database is
            return
        status = replace(self._spool.status(self._host), redis_down=not self._redis_is_up())
        is_same = (
            self._saved_status is not None and replace(status, oldest=self._saved_status.oldest) == self._saved_status
        )
        if is_same and time.monotonic() < self._next_status_at:
            return
        self._next_status_at = time.monotonic() + REPORT_SECONDS  # also after a failure, which must not slow a drain
        if self._is_older_database():
            self._erasure_replay.repeat()
            self._seen_at, self._next_status_at = None, 0.0
            return
        spool_status.save_status(self._database, status)
        self._saved_status = status
        self._seen_at = spool_status.last_seen(self._database, self._host)
        self._erasure_replay.save_status_time(self._seen_at)

    def _is_older_database(self) -> bool:
        """Return whether the database lacks the last status of this host: a backup was restored under a running web."""
        seen_at = spool_status.last_seen(self._database, self._host)
        return self._seen_at is not None and (seen_at is None or seen_at < self._seen_at)

    def _run_leased_tasks(self) -> None:
        """Submit copied entries, replay SMS and run `leased_tasks`. Only the process that holds the lease does this.

        Without Redis it does what it can, and leaves the lease to a process that has it, perhaps on another host.
        """
        if leases.acquire(self._database, "replay", self._holder, LEASE_SECONDS):
            _run_all((self._submit_copies, self._play_inbox, *self._leased_tasks))
            if not self._redis_is_up():
                leases.release(self._database, "replay", self._holder)

    def _submit_copies(self) -> None:
        if self._copies and (submitted := self._copies.submit(self._submit_late)):
            log.info("spool_copies_submitted", count=submitted)

    def _play_inbox(self) -> None:
        if replayed := self._inbox.play(self._replay, OUTAGES):
            log.info("sms_inbox_replayed", count=replayed)

    def _replay(self, inbound: Inbound, seen_at: int) -> bool:
        """Handle an SMS of the inbox; return whether that is done. `seen_at`: when it came, in microseconds.

        A late reply must not arrive at night, so an old SMS gets none, and its words are stored all the same.
        """
        self._save_due_status()
        is_old = self._database.now() - seen_at > SMS_LIFETIME
        channel = self._channels.get(inbound.channel)
        if channel is not None:
            self._wait_for(self._dispatcher.replay(channel, inbound, seen_at, with_reply=not is_old))
        elif is_old:  # the channel is switched off, perhaps for good
            self._wait_for(self._dispatcher.store_for_staff(inbound, seen_at))
        return channel is not None or is_old

    def _run(self) -> None:
        tidy_at = 0.0
        while not self._stop.is_set():
            self.once()
            if time.monotonic() > tidy_at:
                free_unused_memory()
                self._erasure_replay.delete_expired()
                self._spool.delete_unfinished()
                tidy_at = time.monotonic() + TIDY_SECONDS
            self._stop.wait(EVERY_SECONDS)

    def renew_keys(self) -> None:
        """Renew the session keys once."""
        try:
            self._renew()
        except Exception:  # the thread must go on: old keys have to be deleted
            log.exception("crashed")

    def _run_renewal(self) -> None:
        while not self._stop.is_set():
            self.renew_keys()
            self._stop.wait(EVERY_SECONDS)


def _run_all(tasks: Iterable[Callable[[], object]]) -> None:
    """Run each task, also after one that raised."""
    for task in tasks:
        try:
            task()
        except Exception as error:  # the thread must go on: the spool holds reports
            if not isinstance(error, (DatabaseUnavailable, OSError, *OUTAGES)) or isinstance(error, RowRefused):
                log.exception("crashed")


class CountryReload:
    """Read the country files again while `web` runs, so that a withdrawn number is no longer shown.

    Any other change is ignored: additions need a restart, and the check before it. `folder`: the operator's own files;
    shipped files do not change while a process runs.
    """

    def __init__(self, countries: Countries, folder: Path | None, renew: Callable[[Countries], None]) -> None:
        self._countries = countries
        self._folder = folder
        self._renew = renew
        self._seen: dict[str, tuple[int, int, int]] = {}  # file → stamp of the version last read
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="numbers", daemon=True)

    def start(self) -> None:
        """Start the thread, if there is a folder."""
        if self._folder:
            self._thread.start()

    def stop(self) -> None:
        """Ask the thread to stop."""
        self._stop.set()

    def reload(self) -> None:
        """Read the changed country files once and withdraw the numbers that they mark as withdrawn."""
        now = Countries(tuple(map(self._reloaded, self._countries)))
        if now != self._countries:
            self._countries = now
            self._renew(now)

    def _reloaded(self, country: Country) -> Country:
        """Return the country with its withdrawn numbers; as it is if its file is half written or invalid."""
        try:
            withdrawn = self._withdrawn_in_file(country)
        except (OSError, ValueError, CountryError):
            log.warning("country_unreadable", country=country.iso)
            return country
        except Exception:  # the other countries must be read: a number may be withdrawn there
            log.exception("country_unreadable", country=country.iso)
            return country
        newly_withdrawn = withdrawn - withdrawn_ids(country)
        if not newly_withdrawn:
            return country
        log.info("number_withdrawn", country=country.iso, count=len(newly_withdrawn))
        return withdraw(country, newly_withdrawn)

    def _withdrawn_in_file(self, country: Country) -> frozenset[str]:
        path = (self._folder or Path()) / country.file
        if not path.exists():
            return frozenset()
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._seen.get(country.file) == stamp:
            return frozenset()
        withdrawn = withdrawn_ids(load_country(country.iso, path.read_text(encoding="utf-8"), country.mode))
        self._seen[country.file] = stamp  # only after a successful read: a change of permissions is not in the stamp
        return withdrawn

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.reload()
            except Exception:  # the thread must go on: another number may be withdrawn
                log.exception("crashed")
            self._stop.wait(RELOAD_EVERY_SECONDS)


class CallHoursFlush:
    """Copy how many calls began in each hour from Redis to the database, soon after the hour."""

    def __init__(self, sessions: Sessions, database: Database) -> None:
        self._sessions = sessions
        self._database = database
        self._next_at = 0

    def copy(self) -> int:
        """Copy the hours that are over, and return how many counts they have.

        Runs once an hour, after a failure once a minute, and returns 0 in between. It has to run before the counts of a
        day are deleted from Redis. Raises RedisUnavailable and DatabaseUnavailable.
        """
        now = self._database.now() // SECOND
        if now < self._next_at:
            return 0
        self._next_at = now + RETRY_SECONDS
        this_hour = (now - IN_FLIGHT_SECONDS) // HOUR_SECONDS
        counts: dict[tuple[str, str, int], int] = {}
        for days_ago in range(PAST_DAYS, -1, -1):
            first_hour = (now // DAY_SECONDS - days_ago) * 24
            for name, number in self._sessions.counted(day_of(first_hour * HOUR_SECONDS)).items():
                country, kind, *which = name.split(" ")
                if kind == CALLS and (hour := first_hour + int(which[0])) < this_hour:
                    counts[country, which[1], hour] = number
        save_hours(self._database, counts)
        self._next_at = (this_hour + 1) * HOUR_SECONDS + IN_FLIGHT_SECONDS
        return len(counts)


class StatisticsFlush:
    """Move the daily counts from Redis to the database."""

    def __init__(self, sessions: Sessions, database: Database) -> None:
        self._sessions = sessions
        self._database = database
        self._next_at = 0

    def move(self) -> int:
        """Move the counts of the past `PAST_DAYS` days, and return the number of days that had counts.

        Runs at most once an hour, and returns 0 in between, so that a database that refuses the counts is not treated
        as unavailable. Raises RedisUnavailable and DatabaseUnavailable; saved counts are not saved twice.
        """
        now = self._database.now() // SECOND
        if now < self._next_at:
            return 0
        self._next_at = now + HOUR_SECONDS
        self._move_help(quarter_start(quarter_of((now - COUNTED_LATE_SECONDS) * SECOND)) - DAY)
        return sum(
            self._move(day_of(now - COUNTED_LATE_SECONDS - days_ago * DAY_SECONDS))
            for days_ago in range(PAST_DAYS, 0, -1)
        )

    def _move_help(self, last_day: int) -> None:
        """Move the answers to "Did it help?" of the quarter that ended on a day, once it is over."""
        quarter = quarter_of(last_day)
        if counts := self._sessions.helped(quarter):
            named_counts = {_parts(name): number for name, number in counts.items()}
            save_screen_counts(self._database, day_of(last_day // SECOND), named_counts)
            self._sessions.forget_help(quarter)

    def _move(self, day: str) -> bool:
        counts = self._sessions.counted(day)
        if not counts:
            return False
        named_counts = {_parts(name): number for name, number in counts.items()}
        screens = {part: number for part, number in named_counts.items() if not part[1].startswith(f"{CALLS} ")}
        save_screen_counts(self._database, day, screens)
        self._sessions.forget(day)
        return True


def _parts(name: str) -> tuple[str, str]:
    country, _, counter_name = name.partition(" ")
    return country, counter_name
