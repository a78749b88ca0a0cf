"""Check that a process may use a database: its schema, its mode, and the rights of its account.

Each process checks once, when it starts. It reads Alembic's version number by itself: importing Alembic would take
10 MB for as long as the process runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, String, column, inspect, select, table

from reports.countries.country import Country
from reports.crypto import RecordCipher
from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.operations import spool_status
from reports.store.privileges import console_hotlines, grants
from reports.store.privileges.rights import OWNER, ExpectedAccount
from reports.store.schema.tables import made_for
from runtime.operator_error import OperatorError
from runtime.settings import Mode

EMPTY_DATABASE = (
    "The database is empty. If it had data before, the data is lost: stop all processes and restore a backup. On a new "
    "host, run tokaut migrate."
)
OTHER_STORE_KEY = (
    "TOKAUT_STORE_KEY is not the key that this database was written with: no code would open its report, and no "
    "entry of the spool could be read. Put the earlier key back; several keys stand in one setting, the newest first "
    "(docs/operating/spool.md). If a backup of another installation was restored, restore one of this one."
)
OLDER_SCHEMA = "The database has an older schema than this release needs. Next: tokaut migrate"
MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
ALEMBIC_VERSION = table("alembic_version", column("version_num", String))


class WrongDatabase(OperatorError):
    """The database is of another mode or release, or is not set up correctly. The message gives the remedy."""


class DatabaseNotReady(WrongDatabase):
    """The database is empty or not migrated yet. No setting is wrong, and it may be ready in a moment."""


DatabaseCheck = Callable[[Database], None]  # raises WrongDatabase


def check_ready(
    database: Database, mode: Mode, account: ExpectedAccount, extra_check: DatabaseCheck | None = None
) -> str:
    """Refuse a wrong database, and treat one that is not ready as unavailable until it is.

    A process starts without its database, since it must serve reporters meanwhile. `extra_check`: of a database
    that is ready. Returns why the database is not ready, for the operator, or "" if it is. Raises
    WrongDatabase.
    """
    try:
        refuse_wrong_database(database, mode, account)
        if extra_check:
            extra_check(database)
    except DatabaseNotReady as reason:
        database.close_until_ready(str(reason), lambda: _why_not_ready(database, mode, account, extra_check))
        return str(reason)
    return ""


def _why_not_ready(database: Database, mode: Mode, account: ExpectedAccount, extra_check: DatabaseCheck | None) -> str:
    """Return why the database is not ready or is the wrong one; "" if it may be used.

    A new connection is opened, since the address may lead to another file or server by now.
    """
    with closing(Database(database.address, threads=1, timeouts=database.timeouts)) as new_database:
        try:
            if not is_migrated(new_database):
                return OLDER_SCHEMA if _has_schema(new_database) else EMPTY_DATABASE
            refuse_wrong_database(new_database, mode, account)
            if extra_check:
                extra_check(new_database)
        except (WrongDatabase, DatabaseUnavailable) as error:
            return str(error)
    return ""


def refuse_wrong_database(database: Database, mode: Mode, account: ExpectedAccount) -> None:
    """Raise WrongDatabase or DatabaseNotReady unless this process may use the database.

    An unavailable database is accepted, because a process must start without it.
    """
    refuse_not_ready(database)  # first, since an empty database has no rights to check
    try:
        if faults := database_faults(database, mode, account):
            raise WrongDatabase("\n".join(faults))
        refuse_other_modes(database, mode)
    except DatabaseUnavailable:
        return


def refuse_other_hotlines(database: Database, countries: Iterable[Country]) -> None:
    """Raise WrongDatabase unless this console's role may use the rows of all hotlines of these countries.

    Only with operators a role has hotlines of its own. An unavailable database is no reason not to start.
    """
    try:
        own = console_hotlines.load_own(database)
    except DatabaseUnavailable:
        return
    if own is None:
        return
    role, rows = own
    own_countries, own_hotlines = {row.country for row in rows} - {""}, {row.hotline for row in rows}
    for country in countries:
        if country.iso not in own_countries:
            served = ", ".join(sorted(own_countries)).lower() or "no country"
            raise WrongDatabase(
                f"COUNTRIES names {country.iso.lower()}, and {role} serves {served}. Let COUNTRIES name no other."
            )
        if missing := sorted(set(country.hotlines) - own_hotlines):
            raise WrongDatabase(f"In the database hotline {missing[0]} does not belong to {role}. Run: tokaut migrate")


def refuse_another_key(database: Database, cipher: RecordCipher) -> None:
    """Raise WrongDatabase if this database was written with another store key than web has now.

    With another key every access code would be refused as wrong, and no entry of the spool would open. Stores the check
    values of the keys in use. An unavailable database is no reason not to start.
    """
    values = key_check_values(cipher)
    try:
        if not spool_status.matches_store_key(database, values):
            raise WrongDatabase(OTHER_STORE_KEY)
        spool_status.save_key_check(database, values)
    except DatabaseUnavailable:
        return


def key_check_values(cipher: RecordCipher) -> Sequence[bytes]:
    """Return the check value of each of web's store keys."""
    return cipher.macs("key-check", "store")


def refuse_not_ready(database: Database) -> None:
    """Raise DatabaseNotReady if the database is empty or its schema is too old; do nothing if it is unavailable."""
    try:
        if not is_migrated(database):
            raise DatabaseNotReady(OLDER_SCHEMA if _has_schema(database) else EMPTY_DATABASE)
    except DatabaseUnavailable:  # or this account lacks a right, which `database_faults` reports
        return


def database_faults(database: Database, mode: Mode, account: ExpectedAccount) -> list[str]:
    """Return faults by which a report could be lost or read by the wrong person, one sentence each.

    Raises DatabaseUnavailable.
    """
    faults = database.durability_faults() if mode == Mode.LIVE else []
    return faults + (privilege_faults(database, account) if mode in (Mode.LIVE, Mode.TRAINING) else [])


def privilege_faults(database: Database, account: ExpectedAccount) -> list[str]:
    """Return the faults of the roles and their privileges. Raises DatabaseUnavailable.

    On the schema of a later release only the roles themselves are checked: that release may need other privileges.
    """
    if database.is_sqlite:
        return []
    try:
        with database.read() as connection:
            is_known = not is_of_later_release(connection)
    except PermissionDenied:  # the check names the missing privilege
        is_known = True
    return grants.list_faults(database, account, is_known_schema=is_known)


def refuse_other_owner(database: Database, mode: Mode) -> None:
    """Raise WrongDatabase before a migration under another role than the owner's, to which its tables would belong.

    Raises DatabaseUnavailable. In a demo one role may do everything, and no roles are needed.
    """
    if database.is_sqlite or mode not in (Mode.LIVE, Mode.TRAINING):
        return
    with database.read() as connection:
        if fault := grants.account_fault(connection, (OWNER,)):
            raise WrongDatabase(fault)


def is_migrated(database: Database) -> bool:
    """Return whether the schema has everything that this code needs. Raises DatabaseUnavailable.

    A later schema counts as migrated: during an upgrade, processes of the previous release restart on the new schema.
    """
    with database.read() as connection:
        return has_all_migrations(connection)


def _has_schema(database: Database) -> bool:
    with database.read() as connection:
        return inspect(connection).has_table(ALEMBIC_VERSION.name)


def has_all_migrations(connection: Connection) -> bool:
    """Return whether all migrations of this release were applied. They are numbered, so a later number has them all."""
    if not inspect(connection).has_table(ALEMBIC_VERSION.name):
        return False
    versions = connection.execute(select(ALEMBIC_VERSION)).scalars().all()
    return len(versions) == 1 and versions[0] >= newest_migration()


def is_of_later_release(connection: Connection) -> bool:
    """Return whether a migration was applied that this release does not have."""
    return any(version > newest_migration() for version in connection.execute(select(ALEMBIC_VERSION)).scalars())


def newest_migration() -> str:
    """Return the number of the last migration of this release."""
    return max(migration.stem.partition("_")[0] for migration in MIGRATIONS.glob("[0-9]*_*.py"))


def refuse_other_modes(database: Database, mode: Mode) -> None:
    """Raise WrongDatabase if the database was made for another mode: training and live are never mixed (S-40)."""
    with database.read() as connection:
        refuse_another_mode(connection, mode)


def refuse_another_mode(connection: Connection, mode: Mode) -> None:
    """Raise WrongDatabase if the database was made for another mode; a new one is of none yet."""
    made_mode = connection.execute(made_for.select()).scalars().first()
    if made_mode not in (mode, None):
        raise WrongDatabase(
            f"This database was made for {made_mode} mode, and TOKAUT_MODE is {mode}. Give each mode a database of its "
            "own: DATABASE_URL or TOKAUT_DATA"
        )
