"""Create SQLite databases as copies of a migrated one: each test needs a new database, and a migration is slow."""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from runtime.settings import CommonSettings, Mode, load_settings
from tokaut.local_stack import preparation
from tokaut.local_stack.settings import StackPlan


def prepare(plan: StackPlan) -> None:
    """Prepare the demo of this plan, as `prepare_stack` does."""
    common = load_settings(CommonSettings, plan.settings)
    if common.database_file:
        copy(_migrated(common.mode), common.database_file)
        preparation.create_files(common, plan)
    else:
        preparation.prepare_stack(plan)


def migrate(database: Database, mode: Mode) -> None:
    """Migrate a new database as `upgrade` does; for SQLite by a copy."""
    file = database.engine.url.database
    if database.is_sqlite and file:
        copy(_migrated(mode), Path(file))
    else:
        upgrade(database, mode)


def copy(template: bytes, file: Path) -> None:
    """Create a database file with the same permissions as the store."""
    file.touch(mode=0o600)
    file.write_bytes(template)


@cache
def _migrated(mode: Mode) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokaut.db"
        with closing(Database(f"sqlite:///{file}", threads=1)) as database:
            upgrade(database, mode)
        return file.read_bytes()
