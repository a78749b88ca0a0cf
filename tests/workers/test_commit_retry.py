"""Results of external calls are stored, with a limit on the waiting time."""

from __future__ import annotations

import pytest

from reports.store.engine.database import DatabaseUnavailable
from workers import retry_policy
from workers.retry_policy import COMMIT_RETRIES, retry_commit


class UnresponsiveDatabase:
    """A database that never responds."""

    def __init__(self) -> None:
        self.tries = 0

    def write(self) -> None:
        self.tries += 1
        raise DatabaseUnavailable("frozen")


@pytest.mark.parametrize(("within", "tries"), [(60.0, COMMIT_RETRIES + 1), (-1.0, 1)])
def test_where_each_try_takes_long_no_other_is_begun(
    monkeypatch: pytest.MonkeyPatch, within: float, tries: int
) -> None:
    monkeypatch.setattr(retry_policy, "COMMIT_RETRY_WINDOW", within)
    database, paused = UnresponsiveDatabase(), list[float]()
    with pytest.raises(DatabaseUnavailable):
        retry_commit(database.write, paused.append)
    assert (database.tries, len(paused)) == (tries, tries - 1)
