"""The schema's history. `upgrade` is run before anything else starts; the processes do without Alembic."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config

from reports.store.database_check import has_all_migrations, refuse_other_modes
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.privileges import grants
from reports.store.schema.tables import made_for

FOLDER = Path(__file__).parent
ALEMBIC_LOCK = threading.Lock()  # Alembic keeps in its module what it is working on
MAX_TRIES = 10  # a second each, while somebody else holds a lock


def upgrade(database: Database, mode: str) -> None:
    """All steps that this database has not taken yet; a new one is from now on of this mode.

    In PostgreSQL each role is given its rights, once the roles are there. Raises WrongDatabase, DatabaseUnavailable.
    """
    for tried in range(1, MAX_TRIES + 1):
        try:
            _take_steps(database)
            break
        except DatabaseUnavailable as away:  # others are at work, and go first
            if str(away) != ("OperationalError" if database.is_sqlite else "LockNotAvailable") or tried == MAX_TRIES:
                raise
    with database.write() as writing:
        if not writing.execute(made_for.select()).first():
            writing.execute(made_for.insert().values(mode=mode))
    refuse_other_modes(database, mode)


def _take_steps(database: Database) -> None:
    config = _config()
    with database.migrating() as connection:
        config.attributes["connection"] = connection
        if not has_all_migrations(connection):  # of a later release: there is nothing that this one could do
            with ALEMBIC_LOCK:
                command.upgrade(config, "head")
        if not database.is_sqlite and grants.is_outdated(connection):
            grants.apply(connection)
        connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config
