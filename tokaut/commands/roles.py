"""`tokaut roles`: the SQL that an administrator of PostgreSQL runs once, so that each process has its own role."""

from __future__ import annotations

import os

import click

from reports.store.privileges.grants import roles_script
from runtime.hardening import harden
from runtime.settings import ConsoleOperators, load_settings
from tokaut.terminal import echo


@click.command()
@click.option("--database", default="tokaut", show_default=True, help="The name of the database to create.")
def roles(database: str) -> None:
    """Print the SQL that creates the roles of Tokaut in PostgreSQL, and its database.

    It changes nothing: pipe it into psql, as the administrator. There are five roles: tokaut_owner migrates and runs no
    process; tokaut_web, tokaut_worker, tokaut_clock and tokaut_console each have the rights that
    docs/reference/database.md lists. With TOKAUT_OPERATORS each operator's console has a role, too:
    tokaut_console_<operator>. It sets no password.

    \b
    Example:  tokaut roles | sudo -u postgres psql --no-psqlrc --set ON_ERROR_STOP=1

    Next: give each role a password with \\password in psql, or let it in by the account it runs under (peer). Then,
    with DATABASE_URL=postgresql://tokaut_owner@…/tokaut, `tokaut migrate`.
    """
    harden()
    if not (database.isascii() and database.isidentifier() and database == database.lower()):
        raise click.BadParameter("small letters, digits and _ only", param_hint="--database")
    operators = load_settings(ConsoleOperators, os.environ).operators or ()
    echo(roles_script(database, tuple(operators)), nl=False)
