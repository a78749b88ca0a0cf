"""The schema's history, and for which mode a database was made. `upgrade` is run before anything else starts."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from reports.store.database import Away, Database
from reports.store.tables import made_for

FOLDER = Path(__file__).parent


class WrongDatabase(Exception):
    """Not the database of this program: another mode's, or of another release. One line that says what to do."""


def upgrade(database: Database, mode: str) -> None:
    """All steps that this database has not taken yet; a new one is from now on of this mode. Raises WrongDatabase."""
    config = _config()
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with database.write() as writing:
        if not writing.execute(made_for.select()).first():
            writing.execute(made_for.insert().values(mode=mode))
    _refuse_other_modes(database, mode)


def refuse_wrong(database: Database, mode: str) -> None:
    """Raises WrongDatabase. A database that is away is no reason not to start: a caller must be heard meanwhile."""
    try:
        if mode == "live" and (lines := database.not_durable()):
            raise WrongDatabase("\n".join(lines))
        if not is_current(database):
            raise WrongDatabase(
                "The database has another schema than this release needs. Bring it there: tokaut migrate"
            )
        _refuse_other_modes(database, mode)
    except Away:
        return


def is_current(database: Database) -> bool:
    """Whether the schema is the one that this code was written for. Raises Away."""
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    return set(found) == set(ScriptDirectory.from_config(_config()).get_heads())


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
