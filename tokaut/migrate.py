"""`tokaut migrate`: bring the database to the schema of this release."""

from __future__ import annotations

import os

import click

from reports.hardening import harden
from reports.migrations import WrongDatabase, upgrade
from reports.settings import Place, SettingError, load
from reports.store.database import Away, BadAddress, Database
from tokaut.plain import Plain


@click.command()
def migrate() -> None:
    """Bring the database to the schema of this release; make it where there is none.

    Run it before the services of a new release start: release N also runs on the schema of N + 1, so the old ones may
    go on meanwhile. Take a backup first.

    \b
    Example:  tokaut migrate

    Next: `tokaut check`.
    """
    harden()
    try:
        place = load(Place, os.environ)
        place.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = Database(place.database_url, threads=1, offset=place.clock_offset)
        upgrade(database, place.mode)
        database.close()
    except (SettingError, BadAddress, WrongDatabase) as error:
        raise Plain(str(error)) from None
    except Away as away:
        raise Plain(f"The database does not answer ({away}). Start it, then run this again.") from None
    click.echo("The database has the schema of this release.")
