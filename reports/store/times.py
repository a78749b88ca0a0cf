"""What the times in the database say about the clocks of its hosts, for `tokaut check`, `tokaut watch` and /readyz.

A clock that is wrong shows in three ways: this host's time and the database's differ, a row lies further ahead than its
own period, or a lease claims a leader that does not renew it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, select

from reports.periods import ATTEMPT, JUMP, LEASES, PENDING, SLACK
from reports.store import tables as t
from reports.store.database import Database
from reports.store.due import is_too_far, longest_of
from runtime.time_units import HOUR, MINUTE, SECOND

CLOCK = "clock"
PAGE = "docs/operating/clock-jumped.md"


@dataclass(frozen=True, slots=True)
class Times:
    """Microseconds.

    Attributes:
        differs: How far this host's clock is ahead of the database's; 0 with SQLite, which has none of its own.
        led_until: When the last lease of a clock ends, as time from now; None where no clock has ever led.
        too_far: How many rows lie further ahead than their own period.
        newest: How far the newest report lies ahead of now; below 0 where it does not.
    """

    differs: int = 0
    led_until: int | None = None
    too_far: int = 0
    newest: int = 0

    @property
    def nobody_leads(self) -> bool:
        """Whether there was a clock, and its lease has run out or was written by a wrong clock."""
        return self.led_until is not None and not -MINUTE <= self.led_until <= LEASES[CLOCK] + SLACK

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that is wrong now, and what to do."""
        if abs(self.differs) > JUMP:
            side = "ahead of" if self.differs > 0 else "behind"
            yield (
                f"This host's clock is {span(self.differs)} {side} the database's. Compare `date -u` on both with "
                f"a watch, and set the wrong one: timedatectl set-ntp true. {PAGE}"
            )
        if self.led_until is not None and self.led_until > LEASES[CLOCK] + SLACK:
            yield (
                f"The clock's lease ends in {span(self.led_until)}: it was taken while a host's clock was wrong, and "
                f"no clock leads now. Start it: python -m workers.run clock. {PAGE}"
            )
        if self.too_far:
            yield (
                f"{self.too_far} rows lie further ahead than they may: a host's clock was wrong. They are due as soon "
                f"as `clock` and the workers of this release run; start those that do not. {PAGE}"
            )

    def notes(self) -> Iterator[str]:
        """Yield what may be harmless: a person has to compare the time with a watch."""
        if self.newest > JUMP:
            yield (
                f"The newest report was stored {span(self.newest)} after this host's time. Compare `date -u` with a "
                f"watch: either this clock is behind, or a clock was ahead when it came. {PAGE}"
            )


def look(database: Database, *, attempts: bool = False) -> Times:
    """Return what the database says now. `attempts`: those of deliveries, too, which web may not read.

    Raises DatabaseUnavailable.
    """
    p, d = t.pending.c, t.delivery.c
    with database.read() as connection:
        host, now = database.now(), database.moment(connection)
        differs = 0 if database.is_sqlite else host - now
        until = connection.execute(select(t.lease.c.until).where(t.lease.c.name == CLOCK)).scalar()
        far = is_too_far(p.due_at, database.now_sql(), longest_of(PENDING, p.kind))
        count = select(func.count()).select_from(t.pending).where(far)
        late = is_too_far(d.created_at, database.now_sql(), 0)
        made = select(func.count()).select_from(t.delivery).where(d.state == "due", late)
        too_far = [int(connection.execute(one).scalar_one()) for one in (count, made)]
        newest = _newest(connection, now)
        if attempts:
            too_far.append(int(connection.execute(_attempts(database)).scalar_one()))
    return Times(differs, None if until is None else until - now, sum(too_far), newest)


def _attempts(database: Database) -> Select[Any]:
    d = t.delivery.c
    far = is_too_far(d.next_at, database.now_sql(), longest_of(ATTEMPT, d.priority))
    return select(func.count()).select_from(t.delivery).where(d.state == "due", far)


def _newest(connection: Connection, now: int) -> int:
    """By the id, which begins with the hour in which its conversation began."""
    newest = connection.execute(select(func.max(t.report.c.report_id))).scalar()
    return (UUID(newest).int >> 80) * 1000 - now if newest else -now


def span(microseconds: int) -> str:
    """Return a length of time in words, such as "2 h 5 min"."""
    size = abs(microseconds)
    hours, minutes = size // HOUR, size % HOUR // MINUTE
    if not hours:
        return f"{minutes} min" if minutes else f"{size // SECOND} s"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
