"""`tokaut migrate`: bring the database to the schema of this release."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import closing

import click

from reports.countries.country import load_countries
from reports.store.database_check import privilege_faults, refuse_other_owner
from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.migrations import upgrade
from reports.store.privileges import console_hotlines
from reports.store.privileges.console_hotlines import ConsoleHotline
from reports.store.privileges.rights import OWNER
from runtime.hardening import harden
from runtime.settings import ConsoleOperators, InstallationSettings, MigrationSettings, Mode, load_settings
from tokaut.database import describe_outage, file_fault
from tokaut.terminal import CommandError, echo, refuse_no_settings


@click.command()
def migrate() -> None:
    """Bring the database to the schema of this release; create it if there is none.

    Run it before the services of a new release start. Release N also runs on the schema of N + 1, so the old services
    may keep running meanwhile. Take a backup first. In PostgreSQL it also grants each role its rights; `tokaut roles`
    creates the roles, once. With TOKAUT_OPERATORS it stores which console serves which hotline: run it again whenever
    a country file gets or loses a hotline.

    \b
    Example:  tokaut migrate

    Next: `tokaut check`.
    """
    harden()
    try:
        refuse_no_settings(os.environ)
        settings, hotlines = _load_settings(os.environ)
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(Database(settings.database_url, threads=1, offset=settings.clock_offset)) as database:
            refuse_other_owner(database, settings.mode)
            upgrade(database, settings.mode, hotlines)
            faults = privilege_faults(database, "owner")
            unassigned = console_hotlines.list_faults(database, hotlines)
    except PermissionDenied as denied:
        raise CommandError(
            f"{denied.sentence}. Name {OWNER} in DATABASE_URL; where it is named, the administrator of PostgreSQL has "
            "to run `tokaut roles` again (docs/operating/postgresql.md)."
        ) from None
    except DatabaseUnavailable as unavailable:
        raise CommandError(
            file_fault(settings.database_file) or describe_outage(unavailable, "Start it, then run this again.")
        ) from None
    echo("The database has the schema of this release.")
    for line in faults:
        echo(f"  x {line}")
    if faults and settings.mode in (Mode.LIVE, Mode.TRAINING):
        raise CommandError("With these faults no service starts. Fix them, then run this again.")
    if unassigned:
        raise CommandError("\n".join(unassigned))


def _load_settings(
    environ: Mapping[str, str],
) -> tuple[InstallationSettings, Collection[ConsoleHotline] | None]:
    """Return the settings, and which console serves which hotline: None if TOKAUT_OPERATORS is not set.

    Only in an installation with operators the country files are read.
    """
    operators = load_settings(ConsoleOperators, environ).operators
    if not operators:
        return load_settings(InstallationSettings, environ), None if operators is None else ()
    settings = load_settings(MigrationSettings, environ)
    countries = load_countries(settings.countries, settings.mode, settings.country_dir)
    return settings, console_hotlines.assign_hotlines(operators, countries)
