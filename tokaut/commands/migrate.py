"""`tokaut migrate`: bring the database to the schema of this release."""

from __future__ import annotations

import os
from contextlib import closing

import click

from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.migrations import upgrade
from reports.store.privileges.grants import list_faults
from reports.store.privileges.rights import OWNER
from runtime.hardening import harden
from runtime.settings import InstallationSettings, Mode, load_settings
from tokaut.database import file_fault
from tokaut.terminal import CommandError, echo


@click.command()
def migrate() -> None:
    """Bring the database to the schema of this release; create it if there is none.

    Run it before the services of a new release start. Release N also runs on the schema of N + 1, so the old services
    may keep running meanwhile. Take a backup first. In PostgreSQL it also grants each role its rights; `tokaut roles`
    creates the roles, once.

    \b
    Example:  tokaut migrate

    Next: `tokaut check`.
    """
    harden()
    try:
        settings = load_settings(InstallationSettings, os.environ)
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(Database(settings.database_url, threads=1, offset=settings.clock_offset)) as database:
            upgrade(database, settings.mode)
            faults = list_faults(database, "owner")
    except PermissionDenied as denied:
        raise CommandError(
            f"{denied.sentence}. Name {OWNER} in DATABASE_URL; where it is named, the administrator of PostgreSQL has "
            "to run `tokaut roles` again (docs/operating/postgresql.md)."
        ) from None
    except DatabaseUnavailable as unavailable:
        raise CommandError(
            file_fault(settings.database_file)
            or f"The database does not answer ({unavailable}). Start it, then run this again."
        ) from None
    echo("The database has the schema of this release.")
    for line in faults:
        echo(f"  x {line}")
    if faults and settings.mode in (Mode.LIVE, Mode.TRAINING):
        raise CommandError("With these faults no service starts. Fix them, then run this again.")
