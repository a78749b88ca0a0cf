"""`tokaut audit`: whether anybody changed, dropped, added or moved a line of who did what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from rich.console import Console
from rich.progress import track

from reports.audit import Entry, Link, first_break
from reports.hardening import harden
from reports.store import sweeping
from reports.store.database import Database
from tokaut.opened import opened
from tokaut.plain import Plain


@click.group()
def audit() -> None:
    """Look at the chain of who did what.

    \b
    Example:  tokaut audit verify
    """
    harden()


@audit.command()
def verify() -> None:
    """Walk the whole chain and name the first line that does not fit the one before it.

    What it shows: no line was changed, dropped, added or moved by somebody who could not make the whole chain anew.
    The last second is not chained yet.

    \b
    Example:  tokaut audit verify
    """
    with opened() as (database, _):
        shown = track(rows(database), "Walking the chain", console=Console(stderr=True), transient=True)
        count, broken = walked(shown)
    if broken:
        raise Plain(f"{broken} Keep this database as it is, and compare it with the last backup before that line.")
    click.echo(f"The chain is whole: {count} lines.")


def rows(database: Database) -> Iterator[tuple[Entry, Link]]:
    """All chained lines, in order, a page at a time."""
    after = 0
    while page := sweeping.audited(database, after):
        yield from page
        after = page[-1][1].seq


def walked(chain: Iterable[tuple[Entry, Link]]) -> tuple[int, str]:
    """How many lines there are, and a sentence about the first that does not fit; empty where all do."""
    count = 0

    def counted() -> Iterator[tuple[Entry, Link]]:
        nonlocal count
        for row in chain:
            count += 1
            yield row

    found = first_break(counted())
    return (
        count,
        f"Line {found.seq} of the audit ({found.audit_id}) does not fit: its {found.why} is wrong." if found else "",
    )
