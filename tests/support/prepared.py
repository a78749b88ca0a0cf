"""Prepare a demo on a copy of a SQLite database that was migrated once.

The migration takes most of the time, and each test needs a new database.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from runtime.settings import CommonSettings, load_settings
from tokaut.local_stack import startup
from tokaut.local_stack.settings import StackPlan


def prepare(plan: StackPlan) -> None:
    """Prepare the demo of this plan, as `prepare_stack` does."""
    common = load_settings(CommonSettings, plan.settings)
    with closing(Database(common.database_url)) as database:
        file = database.engine.url.database
        if database.is_sqlite and file:
            Path(file).write_bytes(_migrated(common.mode))
    startup.prepare_stack(plan)


@cache
def _migrated(mode: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokaut.db"
        with closing(Database(f"sqlite:///{file}", threads=1)) as database:
            upgrade(database, mode)
        return file.read_bytes()
