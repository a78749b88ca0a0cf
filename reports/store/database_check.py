"""Whether a database is the one that a process may work on: its schema, its mode, its account's rights.

Each process looks once, as it starts. What it needs of Alembic is one number, and not 10 MB for as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, String, column, inspect, select, table

from reports.crypto import RecordCipher
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations import spool_status
from reports.store.privileges import grants
from reports.store.schema.tables import made_for

EMPTY_DATABASE = (
    "The database is empty. If there was one before, it is lost: stop all and restore it. If this is a new box: tokaut "
    "migrate"
)
OTHER_STORE_KEY = (
    "TOKAUT_STORE_KEY is not the key that this database was written with: no code would open its report, and no "
    "entry of the spool could be read. Put the earlier key back; several keys stand in one setting, the newest first "
    "(docs/operating/spool.md)"
)
OLDER_SCHEMA = "The database has an older schema than this release needs. Next: tokaut migrate"
MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
ALEMBIC_VERSION = table("alembic_version", column("version_num", String))


class WrongDatabase(Exception):
    """Not the database of this program: another mode's, or of another release. One line that says what to do."""


class DatabaseNotReady(WrongDatabase):
    """An empty database, or one that is not migrated yet: no setting is wrong, and it may be ready in a moment."""


DatabaseCheck = Callable[[Database], None]  # raises WrongDatabase


def await_ready(database: Database, mode: str, account: str, also: DatabaseCheck | None = None) -> str:
    """Refuse a wrong database, and count one that is not ready as unavailable until it is.

    A caller must be heard meanwhile, so a lost database is no reason not to start.

    Args: `also` is a further check of a database that is ready.
    Returns: why it is not ready, for the operator; an empty string if it is.
    Raises: WrongDatabase.
    """
    try:
        refuse_wrong_database(database, mode, account)
        if also:
            also(database)
    except DatabaseNotReady as reason:
        database.close_until_ready(str(reason), lambda: _why_not_ready(database, mode, account, also))
        return str(reason)
    return ""


def _why_not_ready(database: Database, mode: str, account: str, also: DatabaseCheck | None) -> str:
    """Look by a connection of its own: another file or server may be there by now."""
    with closing(Database(database.address, threads=1, patience=database.patience)) as fresh:
        try:
            if not is_migrated(fresh):
                return OLDER_SCHEMA if _was_made(fresh) else EMPTY_DATABASE
            refuse_wrong_database(fresh, mode, account)
            if also:
                also(fresh)
        except (WrongDatabase, DatabaseUnavailable) as reason:
            return str(reason)
    return ""


def refuse_wrong_database(database: Database, mode: str, account: str) -> None:
    """Raises WrongDatabase, DatabaseNotReady. A database that is unavailable is no reason not to start.

    `account`: whose process this is, web, worker or clock; "" for any of them.
    """
    _refuse_not_ready(database)  # first: an empty database has no rights that could be right
    try:
        if lines := database_faults(database, mode, account):
            raise WrongDatabase("\n".join(lines))
        refuse_other_modes(database, mode)
    except DatabaseUnavailable:
        return


def refuse_another_key(database: Database, cipher: RecordCipher) -> None:
    """Raise WrongDatabase where this database was written with another store key than web has now.

    With another key every code "is not right", and what waits in the spool does not open. Stores the check values of
    the keys in use. A database that is away is no reason not to start.
    """
    values = key_check_values(cipher)
    try:
        if not spool_status.matches_store_key(database, values):
            raise WrongDatabase(OTHER_STORE_KEY)
        spool_status.save_key_check(database, values)
    except DatabaseUnavailable:
        return


def key_check_values(cipher: RecordCipher) -> Sequence[bytes]:
    """Return the check value of each key of web's vault."""
    return cipher.macs("key-check", "store")


def _refuse_not_ready(database: Database) -> None:
    """Raises DatabaseNotReady."""
    try:
        if not is_migrated(database):
            raise DatabaseNotReady(OLDER_SCHEMA if _was_made(database) else EMPTY_DATABASE)
    except DatabaseUnavailable:  # or this account may not look, which `wrong` reports
        return


def database_faults(database: Database, mode: str, account: str) -> list[str]:
    """By which a report could be lost, or somebody read what is not theirs; a sentence each.

    Raises DatabaseUnavailable.
    """
    lines = database.durability_faults() if mode == "live" else []
    return lines + (grants.list_faults(database, account) if mode in ("live", "training") else [])


def is_migrated(database: Database) -> bool:
    """Whether the schema has all that this code needs. Raises DatabaseUnavailable.

    A later one has: while a release is brought in, processes of the one before start again on its schema.
    """
    with database.read() as connection:
        return has_all_migrations(connection)


def _was_made(database: Database) -> bool:
    with database.read() as connection:
        return inspect(connection).has_table(ALEMBIC_VERSION.name)


def has_all_migrations(connection: Connection) -> bool:
    """The steps are numbered, one after the other: what is not older has them all."""
    if not inspect(connection).has_table(ALEMBIC_VERSION.name):
        return False
    taken = connection.execute(select(ALEMBIC_VERSION)).scalars().all()
    return len(taken) == 1 and taken[0] >= newest_migration()


def newest_migration() -> str:
    """The number of the last step of this release."""
    return max(step.stem.partition("_")[0] for step in MIGRATIONS.glob("[0-9]*_*.py"))


def refuse_other_modes(database: Database, mode: str) -> None:
    """Training and live never meet (S-40)."""
    with database.read() as connection:
        made = connection.execute(made_for.select()).scalars().first()
    if made != mode:
        raise WrongDatabase(
            f"This database was made for {made} mode, and TOKAUT_MODE is {mode}. Give each mode a database of its own: "
            "DATABASE_URL or TOKAUT_DATA"
        )
