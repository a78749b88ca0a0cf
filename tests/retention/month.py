"""A simulated month of purges: `python -m tests.retention.month [--reports 100000] [--on sqlite,postgresql]`.

The database starts with reports of 500 days, none purged. For 30 days, the purge runs daily; after each day the
remaining reports are compared with the reference rules for every single report.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from rich.progress import Progress
from sqlalchemy import func, select, text

from reports.retention import RetentionPolicy
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.operations import maintenance, retention
from reports.store.operations.retention import BATCH_SIZE, Purge
from reports.store.schema import tables as t
from runtime.time_units import DAY
from tests.retention.rules import Facts, rule_for
from tests.retention.sample_reports import CONSOLE, POLICE, History, Recipient, SampleReport, make, write
from tests.support.postgres import Postgres, binaries

POLICY = RetentionPolicy(here={CONSOLE: 365})
DAYS = 30
SEED = 11


@dataclass
class Month:
    """The measurements. Seconds of wall time; sizes in bytes of all files of the database."""

    on: str
    reports: int
    purged: int = 0
    first_day: int = 0
    seconds: float = 0.0
    longest_step: float = 0.0
    longest_compaction: float = 0.0
    before: int = 0
    after: int = 0
    waiting: int = 0  # reports that wait for a person or are held; all must remain

    def said(self) -> str:
        return (
            f"{self.on}: {self.reports} reports, {self.purged} purged in {DAYS} days, {self.first_day} on the first; "
            f"{self.seconds:.1f} s in all; longest step {self.longest_step * 1000:.0f} ms, longest compaction "
            f"{self.longest_compaction:.1f} s; {self.before / 1e6:.0f} MB before, {self.after / 1e6:.0f} MB after; "
            f"{self.waiting} undelivered, in need of a person or held: all there"
        )


def histories(count: int) -> Iterator[History]:
    random = Random(SEED)
    for _ in range(count):
        filed = random.uniform(0, 500)
        closed = max(0.0, filed - random.expovariate(1 / 12)) if random.random() < 0.7 else None
        recipients = (
            Recipient(CONSOLE if random.random() < 0.2 else "vu-desk", handling="closed" if closed else "none"),
        )
        state = "closed" if closed is not None else "delivered"
        odds = random.random()
        if odds < 0.02:  # at every age, mostly far beyond every period
            recipients = (Recipient(POLICE, random.choice(("due", "refused", "parked"))), *recipients)
        elif odds < 0.025:
            state, recipients = "needs_person", (Recipient(state="cancelled"),)
        held = random.uniform(31, 400) if random.random() < 0.005 else None
        said = random.uniform(0, filed) if random.random() < 0.2 else None
        changed = closed if closed is not None else random.uniform(filed * 0.7, filed)
        yield History(filed, changed=changed, closed=closed, said=said, recipients=recipients, state=state, held=held)


def live(database: Database, on: str, reports: int, size: Callable[[], int], tell: Callable[[int], None]) -> Month:
    """Run the month; raise AssertionError on a wrong purge. `tell` gets the reports written, then each day's share."""
    now = retention.purge_time(database)
    known: dict[str, Facts] = {}

    def remembered() -> Iterator[SampleReport]:
        for one in (make(history, now) for history in histories(reports)):
            known[one.report_id] = one.facts
            tell(1)
            yield one

    write(database, remembered())
    month = Month(on, reports, before=size(), waiting=sum(one.waits or one.held for one in known.values()))
    for day in range(1, DAYS + 1):
        at = now + day * DAY
        _day(Purge(database, POLICY, at, "clock"), month, day)
        for report_id in [one for one, facts in known.items() if rule_for(facts, POLICY, at)]:
            del known[report_id]
            month.purged += 1
        with database.read() as connection:
            assert set(connection.execute(select(t.report.c.report_id)).scalars()) == known.keys(), f"day {day}"
        month.first_day = month.first_day or month.purged
        tell(reports // DAYS)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(t.purged)).scalar() == month.purged
    assert sum(one.waits or one.held for one in known.values()) == month.waiting
    month.after = size()
    return month


def _day(purge: Purge, month: Month, day: int) -> None:
    began = time.monotonic()
    done = True
    while done:
        step = time.monotonic()
        done = bool(purge.step(BATCH_SIZE).total() or purge.purge_copies(BATCH_SIZE))
        month.longest_step = max(month.longest_step, time.monotonic() - step)
    purge.delete_old_receipts()
    compaction = time.monotonic()
    maintenance.compact(purge.database)
    month.longest_compaction = max(month.longest_compaction, time.monotonic() - compaction)
    month.seconds += time.monotonic() - began


def on_sqlite(folder: Path, reports: int, tell: Callable[[int], None]) -> Month:
    database = Database(f"sqlite:///{folder}/tokaut.db")
    upgrade(database, "live")
    try:
        return live(database, "SQLite", reports, lambda: sum(one.stat().st_size for one in folder.iterdir()), tell)
    finally:
        database.close()


def on_postgresql(postgres: Postgres, reports: int, tell: Callable[[int], None]) -> Month:
    """Run the month on PostgreSQL as the administrator; the tests use the scheduler's rights."""
    address = postgres.new_tokaut()["tokaut_owner"].replace("tokaut_owner@", "postgres@")
    database = Database(address)
    upgrade(database, "live")

    def size() -> int:
        with database.migrating() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            alone.execute(text("VACUUM FULL"))
            return int(alone.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

    try:
        return live(database, "PostgreSQL", reports, size, tell)
    finally:
        database.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--reports", type=int, default=100_000)
    arguments.add_argument("--on", default="sqlite,postgresql")
    asked = arguments.parse_args()
    with Progress() as shown:
        for on in asked.on.split(","):
            bar = shown.add_task(on, total=2 * asked.reports)
            shown.console.print(_one(on, asked.reports, partial(shown.advance, bar)).said())


def _one(on: str, reports: int, tell: Callable[[int], None]) -> Month:
    if on == "sqlite":
        folder = Path(tempfile.mkdtemp(prefix="tokaut-month-"))
        try:
            return on_sqlite(folder, reports, tell)
        finally:
            shutil.rmtree(folder)
    found = binaries()
    assert found, "There is no PostgreSQL here; TEST_PG_BIN names its folder."
    postgres = Postgres(found).start()
    try:
        return on_postgresql(postgres, reports, tell)
    finally:
        postgres.remove()


if __name__ == "__main__":
    main()
