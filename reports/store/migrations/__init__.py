"""Migrate the schema. `upgrade` runs before anything else starts; the processes themselves do not import Alembic."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from reports.store.database_check import (
    WrongDatabase,
    has_all_migrations,
    is_of_later_release,
    refuse_another_mode,
    refuse_other_modes,
)
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.privileges import console_hotlines, grants
from reports.store.privileges.console_hotlines import ConsoleHotline
from reports.store.schema.tables import made_for
from runtime.settings import Mode

FOLDER = Path(__file__).parent
ALEMBIC_LOCK = threading.Lock()  # Alembic stores the current migration in module globals
MAX_TRIES = 10  # one second each, while another process holds a lock


def upgrade(database: Database, mode: Mode, hotlines: Collection[ConsoleHotline] | None = None) -> None:
    """Apply all missing migrations. A new database is from then on of this mode.

    In PostgreSQL each role gets its privileges, if the roles exist. `hotlines`: which console's role serves which
    hotline, in an installation with operators; None: as it was. Raises WrongDatabase or DatabaseUnavailable.
    """
    for attempt in range(1, MAX_TRIES + 1):
        try:
            _take_steps(database, mode, hotlines)
            break
        except DatabaseUnavailable as error:  # other processes are using the tables: try again
            if str(error) != ("OperationalError" if database.is_sqlite else "LockNotAvailable") or attempt == MAX_TRIES:
                raise
    with database.write() as connection:
        if not connection.execute(made_for.select()).first():
            connection.execute(made_for.insert().values(mode=mode))
    refuse_other_modes(database, mode)


def _take_steps(database: Database, mode: Mode, hotlines: Collection[ConsoleHotline] | None) -> None:
    config = _config()
    with database.migrating() as connection:
        config.attributes["connection"] = connection
        if not has_all_migrations(connection):  # else the schema is current or of a later release
            with ALEMBIC_LOCK:
                command.upgrade(config, "head")
        if not database.is_sqlite:
            if hotlines is not None:
                refuse_another_mode(connection, mode)  # before rows of a live database go to another console
                _assign_hotlines(connection, hotlines)
            if not is_of_later_release(connection) and grants.is_outdated(connection):
                grants.apply(connection)
        connection.commit()


def _assign_hotlines(connection: Connection, hotlines: Collection[ConsoleHotline]) -> None:
    """Store which role serves which hotline.

    Raises WrongDatabase if a role is missing, since no process would start then; and on the schema of a later release,
    whose policies this release cannot write.
    """
    if is_of_later_release(connection) and console_hotlines.load(connection) != frozenset(hotlines):
        raise WrongDatabase("The database has the schema of a later release. Run tokaut migrate of that release.")
    if fault := grants.missing_roles_fault(connection, console_hotlines.operator_roles(hotlines)):
        raise WrongDatabase(fault)
    console_hotlines.replace_all(connection, hotlines)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config
