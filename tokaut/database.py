"""Open the database for a command, and name the operator for the audit."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from reports.store.database_check import refuse_not_ready, refuse_other_modes
from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.privileges.rights import CLOCK
from runtime.settings import InstallationSettings, Mode, load_settings
from tokaut.terminal import CommandError, refuse_no_settings

SERVED_FROM_SPOOL = "Callers are still served, from the spool."


def installation_settings() -> InstallationSettings:
    """Return the settings of the installation. Raises CommandError if there are none, SettingError if one is wrong."""
    refuse_no_settings(os.environ)
    return load_settings(InstallationSettings, os.environ)


@contextmanager
def open_database(role: str = CLOCK) -> Iterator[tuple[Database, str]]:
    """Open the database for a command. Yields it and the operator's name for the audit.

    Args:
        role: the role of PostgreSQL that has the rights this command needs; it is named in the error.

    Raises CommandError if there is no database, if it does not answer, or if the account lacks rights; DatabaseNotReady
    if it has no schema, or an older one than this release needs; and WrongDatabase if it is of another mode.
    """
    try:
        settings = installation_settings()
        if not settings.has_database:
            raise CommandError(missing_database(settings))
        with closing(Database(settings.database_url, threads=1, offset=settings.clock_offset)) as database:
            refuse_not_ready(database)
            refuse_other_modes(database, settings.mode)
            yield database, f"operator:{_account()}"
    except PermissionDenied as denied:
        raise CommandError(
            f"{denied.sentence}. This command needs the DATABASE_URL of {role} (docs/operating/postgresql.md)."
        ) from None
    except DatabaseUnavailable as unavailable:
        raise CommandError(
            file_fault(settings.database_file) or describe_outage(unavailable, "Is it running? Run `tokaut check`.")
        ) from None


def missing_database(settings: InstallationSettings) -> str:
    """Return what to do where the file of the embedded database is not: the setting first, `tokaut migrate` last.

    After `tokaut migrate` an empty database would pass every check.
    """
    setting = "DATABASE_URL" if settings.database else "TOKAUT_DATA"
    demo = f" (a demo's is in TOKAUT_DATA={settings.data / 'demo'})" if settings.mode is Mode.DEMO else ""
    return (
        f"There is no database {settings.database_file}. Is {setting} as the services have it{demo}? If it is, and the "
        "database had data before, the data is lost: stop all processes and restore a backup: tokaut restore <file>. "
        "Only on a new host, run tokaut migrate."
    )


def describe_outage(unavailable: DatabaseUnavailable, advice: str, consequence: str = "") -> str:
    """Return that the database does not answer, and why. `advice`: what to do where that reason says nothing of it."""
    reason = unavailable.explanation or str(unavailable)
    if reason == "DatabaseError":  # SQLite's file
        advice = "It is damaged: stop all processes, then tokaut restore <file>"
    sentences = (f"The database does not answer ({reason}).", consequence, "" if unavailable.explanation else advice)
    return " ".join(filter(None, sentences))


def file_fault(file: Path | None) -> str:
    """Return why this account cannot use the file of the embedded database; "" if it can, or if there is none.

    Looks at the rights only: opening and closing the file would drop the locks that SQLite holds on it.
    """
    if file is None or not file.exists():
        return ""
    if file.is_dir():
        cause = "it is a directory. Correct DATABASE_URL"
    elif not os.access(file, os.R_OK | os.W_OK):
        cause = "this account may not read and write it. Run this under the account of the services"
    elif not os.access(file.parent, os.W_OK | os.X_OK):
        cause = f"this account may not write {file.parent}, where SQLite makes files beside it"
    else:
        return ""
    return f"The database {file} cannot be used: {cause}."


def _account() -> str:
    try:
        return getpass.getuser()[:64]
    except (OSError, KeyError):  # the account may have no name, as in a container
        return str(os.getuid())
