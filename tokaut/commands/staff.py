"""`tokaut staff`: invite the first lead of a hotline or one of the operator's people, list and end accounts."""

from __future__ import annotations

import os

import click

from console.auth.invitations import InvitedAccount, invite, is_valid_name
from reports.store.cases import case_view
from reports.store.privileges.console_hotlines import OPERATOR_HOTLINE, operator_hotline
from reports.store.privileges.rights import CONSOLE
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts
from runtime.hardening import harden
from runtime.settings import ConsoleSettings, load_settings
from tokaut.checks import installation
from tokaut.database import open_database
from tokaut.terminal import CommandError, CommandGroup, echo, refuse_no_settings


@click.group(cls=CommandGroup)
def staff() -> None:
    """Invite the first lead of a hotline, list its accounts, or end one.

    Run these commands under the account of the console, with its settings: no other account may read staff accounts.

    \b
    Example:  tokaut staff invite mere --hotline vu-pikinini --role lead
    """
    harden()


@staff.command("invite")
@click.argument("name")
@click.option("--hotline", metavar="HOTLINE", help="The hotline's id in its country file; not for an operator.")
@click.option(
    "--role",
    type=click.Choice([StaffRole.LEAD.value, StaffRole.OPERATOR.value]),
    default=StaffRole.LEAD.value,
    show_default=True,
)
def invite_(name: str, hotline: str | None, role: str) -> None:
    """Create a link with which NAME opens an account: a lead of a hotline, or one of the operator's people.

    The link works once, within a day. Give it to the person themselves, by voice or on paper. Its last 16 letters are
    the code that the page /join asks for.

    \b
    Example:  tokaut staff invite mere --hotline vu-pikinini

    Next: they open it, choose a password, and scan the picture with an authenticator. Then they invite their colleagues
    in the console. Each hotline should have two leads: otherwise nobody can let the only one back in, or confirm a
    third.
    """
    refuse_no_settings(os.environ)
    settings = load_settings(ConsoleSettings, os.environ)
    if not is_valid_name(name):
        raise CommandError("NAME has 2 to 24 small letters and digits; dots and hyphens may stand between them.")
    if (role == StaffRole.OPERATOR) == (hotline is not None):
        raise CommandError(
            "A lead belongs to a hotline, and an operator to none: --hotline HOTLINE, or --role operator."
        )
    if hotline:
        installation.refuse_unknown_hotline(hotline)
    with open_database(CONSOLE) as (database, operator):
        own_hotline = operator_hotline(database)
        inviter = accounts.actor(own_hotline, operator.removeprefix("operator:"))
        link = invite(
            database,
            settings.console_url or "",
            InvitedAccount(name, hotline or own_hotline, StaffRole(role)),
            inviter,
        )
    if not link:
        raise CommandError(f"Somebody has the name {name}, or had it once. Take another one.")
    at = f"{role} of {hotline}" if hotline else "one of the operator's people"
    echo(f"For {name}, {at}. Works once, within a day:\n{link}")
    if not settings.console_url:
        echo("Put the console's address before it; with CONSOLE_URL set it stands there.", err=True)


@staff.command("list")
@click.argument("hotline")
def list_(hotline: str) -> None:
    """List the accounts at HOTLINE, or those of the operator's people (_operator).

    \b
    Example:  tokaut staff list vu-pikinini

    Next: a lead ends an account that nobody uses any more, in the console. `tokaut staff end` ends that of a last lead.
    """
    with open_database(CONSOLE) as (database, _):
        of_operator = hotline == OPERATOR_HOTLINE
        people = accounts.list_accounts(database, operator_hotline(database) if of_operator else hotline)
    for account in people:
        echo(f"{account.name:<24} {account.role:<9} {'has left' if account.ended_at else ''}".rstrip())
    if not people:
        if not of_operator:
            installation.refuse_unknown_hotline(hotline)
        echo("Nobody.")


@staff.command()
@click.argument("name")
def end(name: str) -> None:
    """End the account of NAME at once: no login, no session, and the reports they hold go back into the queue.

    \b
    Example:  tokaut staff end mere

    Next: if this person could reach keys, rotate them: `tokaut keys rotate HOTLINE`.
    """
    with open_database(CONSOLE) as (database, operator):
        account = accounts.find_by_name(database, name)
        if account is None or account.ended_at is not None:
            raise CommandError(f"Nobody has the name {name}. `tokaut staff list HOTLINE` names those there are.")
        actor = accounts.actor(operator_hotline(database), operator.removeprefix("operator:"))
        case_view.end_account(database, account, actor)
    echo(f"{name} has no access any more.")
