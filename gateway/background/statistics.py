"""Brings the counts of days that are over from Redis into the database, where they last."""

from __future__ import annotations

from gateway.conversation.statistics import day_of
from gateway.sessions.store import Sessions
from reports.store.engine.database import Database
from reports.store.operations.quarterly_figures import save_screen_counts
from runtime.time_units import DAY_SECONDS, HOUR_SECONDS, SECOND

BACK = 7  # days that are looked for: so long the database may have been away
LATE = 3600  # seconds after midnight by which nothing is counted for the day before any more


class StatisticsFlush:
    def __init__(self, sessions: Sessions, database: Database) -> None:
        self._sessions = sessions
        self._database = database
        self._again = 0

    def move(self) -> int:
        """How many days; looked for once an hour, so that a server that refuses is not taken for one that is away.

        Raises RedisUnavailable and DatabaseUnavailable; what was kept is not kept twice.
        """
        now = self._database.now() // SECOND
        if now < self._again:
            return 0
        self._again = now + HOUR_SECONDS
        return sum(self._move(day_of(now - LATE - back * DAY_SECONDS)) for back in range(BACK, 0, -1))

    def _move(self, day: str) -> bool:
        counts = self._sessions.counted(day)
        if not counts:
            return False
        save_screen_counts(self._database, day, {_parts(name): number for name, number in counts.items()})
        self._sessions.forget(day)
        return True


def _parts(name: str) -> tuple[str, str]:
    country, _, what = name.partition(" ")
    return country, what
