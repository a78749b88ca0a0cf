"""How long a database may take, by who waits for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for a new connection, for all statements of one transaction together, and for its COMMIT."""

    connect: float
    statements: float
    commit: float

    @property
    def whole(self) -> float:
        return self.statements + self.commit


INTERACTIVE = Timeouts(connect=1, statements=1.5, commit=1)  # getting a connection counts as a statement
BACKGROUND = Timeouts(connect=5, statements=15, commit=5)  # nobody holds a phone meanwhile
