"""Save the counts of past days from Redis in the database."""

from __future__ import annotations

from gateway.conversation.statistics import day_of
from gateway.sessions.store import Sessions
from reports.store.engine.database import Database
from reports.store.operations.quarterly_figures import save_screen_counts
from runtime.time_units import DAY_SECONDS, HOUR_SECONDS, SECOND

BACK = 7  # days to look for; the database may have been unavailable that long
LATE = 3600  # seconds after midnight until which the day before may still be counted


class StatisticsFlush:
    """Move the daily counts from Redis to the database."""

    def __init__(self, sessions: Sessions, database: Database) -> None:
        self._sessions = sessions
        self._database = database
        self._next_at = 0

    def move(self) -> int:
        """Move the counts of past days, and return of how many days.

        Runs at most once an hour, so that a database that refuses the counts is not treated as unavailable. Raises
        RedisUnavailable and DatabaseUnavailable; saved counts are not saved twice.
        """
        now = self._database.now() // SECOND
        if now < self._next_at:
            return 0
        self._next_at = now + HOUR_SECONDS
        return sum(self._move(day_of(now - LATE - days_ago * DAY_SECONDS)) for days_ago in range(BACK, 0, -1))

    def _move(self, day: str) -> bool:
        counts = self._sessions.counted(day)
        if not counts:
            return False
        save_screen_counts(self._database, day, {_parts(name): number for name, number in counts.items()})
        self._sessions.forget(day)
        return True


def _parts(name: str) -> tuple[str, str]:
    country, _, counter_name = name.partition(" ")
    return country, counter_name
