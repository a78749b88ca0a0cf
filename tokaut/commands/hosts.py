"""`tokaut hosts`: show when each process of each host was last seen, and forget one that will not come back."""

from __future__ import annotations

import click

from reports.store.operations import spool_status
from reports.store.operations.spool_status import SILENT_SECONDS, SpoolStatus
from runtime.hardening import harden
from tokaut.database import open_database
from tokaut.terminal import CommandError, CommandGroup, echo


@click.group(cls=CommandGroup)
def hosts() -> None:
    """Show when each process of each host was last seen, and forget a host that will not come back.

    \b
    Example:  tokaut hosts list
              tokaut hosts forget vu-web-2-3fa2b9/web
    """
    harden()


@hosts.command("list")
def list_() -> None:
    """List the processes with the seconds since they were last seen, and what the spool of web held then.

    \b
    Example:  tokaut hosts list
    """
    with open_database() as (database, _):
        statuses = spool_status.list_statuses(database)
    for status in statuses:
        contents = f"  may hold {status.may_hold}" if status.may_hold else ""
        echo(f"{status.host}  seen {status.unseen} s ago{_state(status)}{contents}")
    if not statuses:
        echo("No process has reported yet.")


@hosts.command()
@click.argument("name")
@click.option("--lost", is_flag=True, help="Its disk cannot be read any more: give up the reports that it may hold.")
def forget(name: str, lost: bool) -> None:
    """Forget the process NAME of a host that will not come back: nobody is alerted about it any more.

    It deletes no report. A process that comes back is listed again by itself. The audit records it.

    \b
    Example:  tokaut hosts forget vu-web-2-3fa2b9/web
    """
    with open_database() as (database, actor):
        status = next((one for one in spool_status.list_statuses(database) if one.host == name), None)
        if status is None:
            raise CommandError(f"There is no process {name}. Look: tokaut hosts list")
        if status.unseen <= SILENT_SECONDS:
            raise CommandError(
                f"{name} was seen {status.unseen} s ago, and would be listed again. Stop it, and wait a minute."
            )
        if status.may_hold and not lost:
            raise CommandError(
                f"{name} may hold {status.may_hold}, which perhaps no hotline has. Start that host, or bring its disk "
                "to one that runs (docs/operating/host-gone.md). If the disk cannot be read any more: --lost"
            )
        spool_status.forget(database, name, actor)
    echo(f"{name} is signed off.")


def _state(status: SpoolStatus) -> str:
    return "  AWAY" if status.is_missing else "  SILENT" if status.is_silent else ""
