"""`tokaut hotline`: what an operator does about a hotline as a whole."""

from __future__ import annotations

import click

from reports.hardening import harden
from reports.store import orders
from tokaut.opened import opened


@click.group()
def hotline() -> None:
    """Look after the hotlines that take reports.

    \b
    Example:  tokaut hotline revive vu-pikinini
    """
    harden()


@hotline.command()
@click.argument("hotline_id", metavar="HOTLINE")
def revive(hotline_id: str) -> None:
    """Give reports to a hotline again that had answered "gone" (410), and those that it refused for it.

    Ask the hotline first: its server said that it takes nothing any more, and since then others get its reports.

    \b
    Example:  tokaut hotline revive vu-pikinini

    Next: `tokaut deliveries list` shows within seconds whether it takes them.
    """
    with opened() as (database, actor):
        count = orders.revive(database, hotline_id, actor)
    click.echo(f"{hotline_id} gets reports again; {count} that it had refused are due now.")
