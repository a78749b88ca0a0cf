"""Store when each process of each host was last seen and what its spool holds, and check values of the store key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.time_units import SECOND

LATE_SECONDS = 300  # an entry that has waited for longer is reported to a person
MISSING_SECONDS = 300  # a process that has not been seen for longer is reported to a person
# Commands and the operator page name a process that has not been seen for longer.
# A worker writes no row during a job, of which the longest takes 40 s.
SILENT_SECONDS = 50
REPORT_SECONDS = 10  # each process writes its row at least as often
WEB = "web"
DOCS_PAGE, HOST_PAGE = "docs/operating/spool.md", "docs/operating/host-gone.md"
REDIS_PAGE = "docs/operating/redis-gone.md"


def process_name(host: str, process: str) -> str:
    """Return the name of a process in the table. `process`: web, or urgent-1, standard-1, clock-1."""
    return f"{host}/{process}"


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """A process of one host, and the spool on that host's disk if the process is web.

    `host`: the name of the process, or the host name alone if an earlier release wrote it. `oldest`: the age of its
    oldest entry in seconds; `bad`: entries that do not open; `unseen`: seconds since the process last reported;
    `redis_down`: whether web could not use Redis then.
    """

    host: str
    entries: int
    oldest: int
    bad: int
    unseen: int = 0
    redis_down: bool = False

    @property
    def is_late(self) -> bool:
        """Return whether an entry has waited longer than draining takes once the database is available."""
        return self.entries > 0 and self.oldest > LATE_SECONDS

    @property
    def is_missing(self) -> bool:
        """Return whether the process has not reported for too long; False for a row of an earlier release."""
        return "/" in self.host and self.unseen > MISSING_SECONDS

    @property
    def is_silent(self) -> bool:
        """Return whether the process has missed its reports, and not yet for so long that it counts as missing."""
        return "/" in self.host and SILENT_SECONDS < self.unseen <= MISSING_SECONDS

    @property
    def may_hold(self) -> str:
        """Return the reports that its disk may hold, as words; "" if its spool was empty when it was last seen."""
        count = self.entries + self.bad
        waited = max(0, self.oldest - self.unseen)
        return f"{count} report{'s' if count != 1 else ''} (the oldest {waited} s old then)" if count else ""

    @property
    def lacks_redis(self) -> bool:
        """Return whether the process could not use Redis when it last reported, which was not long ago."""
        return self.redis_down and self.unseen <= SILENT_SECONDS

    def faults(self) -> Iterator[str]:
        """Yield one sentence for each fault, with its remedy."""
        if self.lacks_redis:
            yield (
                f"{self.host} could not use Redis {self.unseen} s ago. While it runs, calls over Africa's Talking "
                f"continue; other callers by USSD get only the emergency numbers, and SMS wait. {REDIS_PAGE}"
            )
        if self.is_missing:
            note = f" and may hold {self.may_hold}" if self.may_hold else ""
            yield (
                f"{self.host} has not been seen for {self.unseen // 60} min{note}. Start it. If that host is gone for "
                f"good: tokaut hosts forget {self.host}. {HOST_PAGE}"
            )
        if self.bad:
            yield (
                f"{self.bad} entries of the spool on {self.host} do not open; each is a report that no hotline has. Is "
                f"TOKAUT_STORE_KEY the key they were written with? {DOCS_PAGE}"
            )
        if self.is_late and not self.is_missing:
            yield (
                f"{self.entries} reports wait in the spool on {self.host}, the oldest for {self.oldest // 60} min, and "
                f"no hotline has them. Is the database up, and web? {DOCS_PAGE}"
            )

    def notes(self) -> Iterator[str]:
        """Yield one sentence about a process that may be about to come back, as in a restart."""
        if self.is_silent:
            note = f", and may hold {self.may_hold}" if self.may_hold else ""
            yield f"{self.host} has not been seen for {self.unseen} s{note}. If nobody restarts it: {HOST_PAGE}"


def save_status(database: Database, spooled: SpoolStatus) -> None:
    """Store that a process is there, and the status of its spool. Raises DatabaseUnavailable."""
    h = t.host.c
    values = {"seen_at": database.now_sql(), "spool_entries": spooled.entries, "spool_seconds": spooled.oldest}
    values |= {"spool_bad": spooled.bad, "redis_down": int(spooled.redis_down)}
    with database.write() as connection:
        if not connection.execute(update(t.host).where(h.name == spooled.host).values(values)).rowcount:
            connection.execute(database.insert_or_ignore(t.host).values(name=spooled.host, **values))


def last_seen(database: Database, host: str) -> int | None:
    """Return when a process last stored its status, in microseconds of the database's clock; None if it never did.

    Raises DatabaseUnavailable.
    """
    with database.read() as connection:
        return connection.execute(select(t.host.c.seen_at).where(t.host.c.name == host)).scalar()


def list_statuses(database: Database) -> list[SpoolStatus]:
    """Return the last status of each process. The age of the oldest entry grows until it reports again.

    Raises DatabaseUnavailable.
    """
    h = t.host.c
    query = select(h.name, h.spool_entries, h.spool_seconds, h.spool_bad, h.redis_down, h.seen_at).order_by(h.name)
    with database.read() as connection:
        now = database.moment(connection)
        return [_status(row, max(0, now - row.seen_at) // SECOND) for row in connection.execute(query)]


def _status(row: Any, unseen: int) -> SpoolStatus:
    oldest = row.spool_seconds + unseen
    return SpoolStatus(row.name, row.spool_entries, oldest, row.spool_bad, unseen, bool(row.redis_down))


def forget(database: Database, name: str, actor: str) -> None:
    """Delete the row of a process that is gone for good. Raises DatabaseUnavailable.

    A process that still runs writes its row again within `REPORT_SECONDS`.
    """
    with database.write() as connection:
        if connection.execute(delete(t.host).where(t.host.c.name == name)).rowcount:
            audit_log.append(connection, actor, "host_forgotten", name, database.now())


def matches_store_key(database: Database, values: Sequence[bytes]) -> bool:
    """Return whether the database has one of these check values, or none yet. Raises DatabaseUnavailable."""
    with database.read() as connection:
        stored = set(connection.execute(select(t.key_check.c.value)).scalars())
    return not stored or not stored.isdisjoint(values)


def save_key_check(database: Database, values: Sequence[bytes]) -> None:
    """Store the check values of all keys in use. Raises DatabaseUnavailable."""
    with database.write() as connection:
        for value in values:
            connection.execute(database.insert_or_ignore(t.key_check).values(value=value))
