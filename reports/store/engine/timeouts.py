"""Timeouts of the database, by whether a reporter waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for a new connection, for all statements of one transaction together, and for its COMMIT."""

    connect: float
    statements: float
    commit: float

    @property
    def total(self) -> float:
        """Return the seconds for one use on an open connection: statements and COMMIT."""
        return self.statements + self.commit


INTERACTIVE = Timeouts(connect=1, statements=1.5, commit=1)  # opening a connection counts as a statement
BACKGROUND = Timeouts(connect=5, statements=15, commit=5)  # no reporter waits meanwhile
