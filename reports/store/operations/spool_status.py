"""Store the spool status of each web host, and the check values of the store key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.time_units import SECOND

LATE_SECONDS = 300  # an entry that has waited for longer is reported to a person
DOCS_PAGE = "docs/operating/spool.md"


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """The spool of one host. `oldest`: the age of its oldest entry in seconds; `bad`: entries that do not open."""

    host: str
    entries: int
    oldest: int
    bad: int

    @property
    def is_late(self) -> bool:
        """Return whether an entry has waited longer than draining takes once the database is available."""
        return self.entries > 0 and self.oldest > LATE_SECONDS

    def faults(self) -> Iterator[str]:
        """Yield one sentence for each fault, and what to do about it."""
        if self.bad:
            yield (
                f"{self.bad} entries of the spool on {self.host} do not open; each is a report that no hotline has. Is "
                f"TOKAUT_STORE_KEY the key they were written with? {DOCS_PAGE}"
            )
        if self.is_late:
            yield (
                f"{self.entries} reports wait in the spool on {self.host}, the oldest for {self.oldest // 60} min, and "
                f"no hotline has them. Is the database up, and web? {DOCS_PAGE}"
            )


def save_status(database: Database, spooled: SpoolStatus) -> None:
    """Store the spool status of a host. Raises DatabaseUnavailable."""
    h, now = t.host.c, database.now()
    values = {"seen_at": now, "spool_entries": spooled.entries, "spool_seconds": spooled.oldest}
    values |= {"spool_bad": spooled.bad}
    with database.write() as connection:
        if not connection.execute(update(t.host).where(h.name == spooled.host).values(values)).rowcount:
            connection.execute(database.insert_or_ignore(t.host).values(name=spooled.host, **values))


def last_seen(database: Database, host: str) -> int | None:
    """Return when this host last stored its status, in microseconds; None if it never did.

    Raises DatabaseUnavailable.
    """
    with database.read() as connection:
        return connection.execute(select(t.host.c.seen_at).where(t.host.c.name == host)).scalar()


def list_statuses(database: Database) -> list[SpoolStatus]:
    """Return the last status of each host. The age of the oldest entry grows until its host reports again.

    Raises DatabaseUnavailable.
    """
    h = t.host.c
    query = select(h.name, h.spool_entries, h.spool_seconds, h.spool_bad, h.seen_at).order_by(h.name)
    with database.read() as connection:
        now = database.now()
        return [
            SpoolStatus(
                row.name, row.spool_entries, row.spool_seconds + max(0, now - row.seen_at) // SECOND, row.spool_bad
            )
            for row in connection.execute(query)
        ]


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
