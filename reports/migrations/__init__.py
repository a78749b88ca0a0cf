"""The schema's history, and for which mode a database was made. `upgrade` is run before anything else starts."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from reports.store import granted, granting
from reports.store.database import Away, Database
from reports.store.tables import made_for

FOLDER = Path(__file__).parent
TRIES = 10  # a second each, while somebody else holds a lock


class WrongDatabase(Exception):
    """Not the database of this program: another mode's, or of another release. One line that says what to do."""


def upgrade(database: Database, mode: str) -> None:
    """All steps that this database has not taken yet; a new one is from now on of this mode.

    In PostgreSQL each role is given its rights, once the roles are there. Raises WrongDatabase, Away.
    """
    for tried in range(1, TRIES + 1):
        try:
            _take_steps(database)
            break
        except Away as away:  # others are at work, and go first
            if str(away) != ("OperationalError" if database.is_sqlite else "LockNotAvailable") or tried == TRIES:
                raise
    with database.write() as writing:
        if not writing.execute(made_for.select()).first():
            writing.execute(made_for.insert().values(mode=mode))
    _refuse_other_modes(database, mode)


def _take_steps(database: Database) -> None:
    config = _config()
    with database.migrating() as connection:
        config.attributes["connection"] = connection
        if not _has_all(connection):  # of a later release: there is nothing that this one could do
            command.upgrade(config, "head")
        if not database.is_sqlite and granted.is_to_be_laid(connection):
            granting.lay(connection)
        connection.commit()


def refuse_wrong(database: Database, mode: str, account: str) -> None:
    """Raises WrongDatabase. A database that is away is no reason not to start: a caller must be heard meanwhile.

    `account`: whose process this is, web, worker or clock; "" for any of them.
    """
    try:
        if lines := wrong(database, mode, account):
            raise WrongDatabase("\n".join(lines))
        if not is_current(database):
            raise WrongDatabase("The database has an older schema than this release needs. Next: tokaut migrate")
        _refuse_other_modes(database, mode)
    except Away:
        return


def wrong(database: Database, mode: str, account: str) -> list[str]:
    """By which a report could be lost, or somebody read what is not theirs; a sentence each. Raises Away."""
    lines = database.not_durable() if mode == "live" else []
    return lines + (granted.faults(database, account) if mode in ("live", "training") else [])


def is_current(database: Database) -> bool:
    """Whether the schema has all that this code needs. Raises Away.

    A later one has: while a release is brought in, processes of the one before start again on its schema.
    """
    with database.read() as connection:
        return _has_all(connection)


def _has_all(connection: Connection) -> bool:
    """The steps are numbered, one after the other: what is not older has them all."""
    head = ScriptDirectory.from_config(_config()).get_current_head() or ""
    found = MigrationContext.configure(connection).get_current_heads()
    return len(found) == 1 and found[0] >= head


def _refuse_other_modes(database: Database, mode: str) -> None:
    """Training and live never meet (S-40)."""
    with database.read() as connection:
        made = connection.execute(made_for.select()).scalars().first()
    if made != mode:
        raise WrongDatabase(
            f"This database was made for {made} mode, and TOKAUT_MODE is {mode}. Give each mode a database of its own: "
            "DATABASE_URL or TOKAUT_DATA"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config
