"""Count the work that an installation has not finished, by its moved clock."""

from __future__ import annotations

import time
from collections.abc import Mapping

# Due escalation steps; each run of the clock handles a limited number.
ESCALATION_STEPS_DUE = (
    "step JOIN report ON report.report_id = step.report_id AND report.priority = step.priority "
    "WHERE done_at IS NULL AND due_at <= {now} AND not_before <= {now} AND step IN ('closed', 'backup', 'regional') "
    "AND completeness = 'complete' AND state IN ('queued', 'delivered', 'needs_person')"
)


class OpenWork:
    """Due work in the database and in spools. `offset`: seconds by which the clock of worker and clock is ahead.

    `moved_at`: real time at which the offset was first set.
    """

    offset = 0
    moved_at = float("inf")

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the settings of an operator's command."""
        raise NotImplementedError

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        raise NotImplementedError

    def spooled(self) -> int:
        """Return the number of spool entries."""
        raise NotImplementedError

    def move_time(self, seconds: int) -> None:
        """Restart the processes that act at scheduled times, with a clock that is `seconds` further ahead."""
        raise NotImplementedError

    def count(self, query: str) -> int:
        """Return the number of rows of `FROM` and `WHERE` clauses."""
        return int(str(self.ask(f"SELECT count(*) FROM {query}")[0][0]))

    def unfinished(self) -> dict[str, int]:
        """Return the counts of unfinished work, by the moved clock."""
        now = time.time_ns() // 1000 + self.offset * 1_000_000
        return {
            "spool": self.spooled(),
            "ripe": self.count(f"pending WHERE due_at <= {now}"),
            "due": self.count("delivery WHERE state = 'due'"),
        }

    def work_due_now(self) -> int:
        """Return how much work is due, by the moved clock."""
        now = time.time_ns() // 1000 + self.offset * 1_000_000
        due = self.count(f"delivery WHERE state = 'due' AND (next_at <= {now} OR lease_until > {now})")
        due += self.count(ESCALATION_STEPS_DUE.format(now=now))
        return due + self.count(f"pending WHERE due_at <= {now}") + self.spooled()

    def seconds_until_last_due(self) -> int:
        """Return the seconds until all scheduled work is due."""
        [[last]] = self.ask(
            "SELECT max(at) FROM (SELECT max(next_at) AS at FROM delivery WHERE state = 'due' "
            "UNION ALL SELECT max(due_at) FROM pending) AS waits"
        )
        now = time.time_ns() // 1000 + self.offset * 1_000_000
        return max(0, int(str(last or 0)) - now) // 1_000_000 + 1
