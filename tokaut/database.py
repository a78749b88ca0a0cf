"""The database for a command, and in whose name the command acts."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from reports.store.engine.database import Database, DatabaseUnavailable, InvalidDatabaseURL, PermissionDenied
from reports.store.privileges.rights import CLOCK
from runtime.settings import InstallationSettings, SettingError, load_settings
from tokaut.cli import CommandError


@contextmanager
def open_database(role: str = CLOCK) -> Iterator[tuple[Database, str]]:
    """Open the database for a command, and say who runs it, for the audit.

    Args:
        role: the role of PostgreSQL that has the rights this command needs.
    """
    try:
        place = load_settings(InstallationSettings, os.environ)
        if not place.has_database:
            raise CommandError(
                f"There is no database {place.database_file}. Set TOKAUT_DATA or DATABASE_URL as the services have it; "
                f"a demo's is in TOKAUT_DATA={place.data / 'demo'}. If it is lost: tokaut restore <file>"
            )
        with closing(Database(place.database_url, threads=1, offset=place.clock_offset)) as database:
            yield database, f"operator:{_account()}"
    except (SettingError, InvalidDatabaseURL) as error:
        raise CommandError(str(error)) from None
    except PermissionDenied as denied:
        raise CommandError(
            f"{denied.sentence}. This command needs the DATABASE_URL of {role} (docs/operating/postgresql.md)."
        ) from None
    except DatabaseUnavailable as away:
        raise CommandError(f"The database does not answer ({away}). Is it up, and is `tokaut check` content?") from None


def _account() -> str:
    try:
        return getpass.getuser()[:64]
    except (OSError, KeyError):  # an account without a name, as in a container
        return str(os.getuid())
