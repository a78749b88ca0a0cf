"""`tokaut watch`: what waits for a person, what its clock has left, and the one thing to do next. Ids only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.operations import clock_skew, overview, spool_status
from runtime.hardening import harden
from tokaut.checks import hotlines_left_out
from tokaut.opened import opened
from tokaut.watched import Line, line, next_to_do

COLUMNS = ("", "report", "waits", "hotlines", "to be taken on", "next")
ONCE_WIDTH = 160
LEFT_OUT = "gets no reports: its settings here are missing or refused. Run: tokaut check"


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. `hidden`: how many more wait than are shown; `left_out`: hotlines that the worker could not set up."""

    lines: tuple[Line, ...]
    todo: str
    hidden: int = 0
    left_out: tuple[str, ...] = ()


@click.command()
@click.option("--once", is_flag=True, help="One look as plain text, for a script or a narrow line, then stop.")
@click.option("--every", default=5, show_default=True, type=click.IntRange(1, 600), help="Seconds between two looks.")
def watch(once: bool, every: int) -> None:
    """Show what nobody has taken on, the most urgent and then the oldest first, and the one thing to do next.

    Each line: how urgent, the report's id, since when it waits, which hotlines have it, how long until a person must
    have taken it on, and what happens next by itself. With the worker's settings it also names each hotline that the
    worker could not set up. Never a word of a report. Ctrl-C ends it.

    \b
    Example:  tokaut watch
              tokaut watch --once
    """
    harden()
    with opened() as (database, _):
        left_out = hotlines_left_out(os.environ)
        if once:
            sight = look(database, at_most=200, left_out=left_out)
            Console(width=ONCE_WIDTH, no_color=True, highlight=False, force_terminal=False).print(_drawn(sight))
            return
        with suppress(KeyboardInterrupt):
            _watch(database, every, left_out)


def _watch(database: Database, every: int, left_out: tuple[str, ...]) -> None:
    with Live(screen=True, auto_refresh=False) as live:
        for drawn in _looks(database, live.console, left_out):
            live.update(drawn, refresh=True)
            time.sleep(every)


def _looks(database: Database, console: Console, left_out: tuple[str, ...] = ()) -> Iterator[RenderableType]:
    """A database that is away is said, and looked for again."""
    while True:
        try:
            at_most = max(1, console.size.height - 6 - len(left_out))
            yield _drawn(look(database, at_most=at_most, left_out=left_out))
        except PermissionDenied:  # waiting helps nothing
            raise
        except DatabaseUnavailable as away:
            yield Text(
                f"The database does not answer ({away}). Callers are served from the spool. Start it.", "bold red"
            )


def look(database: Database, at_most: int, left_out: tuple[str, ...] = ()) -> Sight:
    """Raises DatabaseUnavailable."""
    waiting, count = overview.list_unacknowledged(database, at_most)
    now = database.now()
    said = next_to_do(
        waiting, now, clock_skew.measure_skew(database, attempts=True), spool_status.list_statuses(database)
    )
    return Sight(tuple(line(one, now) for one in waiting), said, count - len(waiting), left_out)


def _drawn(sight: Sight) -> RenderableType:
    parts: list[RenderableType] = [Text(sight.todo, "bold")]
    parts += [Text(f"{one} {LEFT_OUT}", "bold red") for one in sight.left_out]
    if sight.lines:
        table = Table(*COLUMNS, box=box.SIMPLE, pad_edge=False)
        for one in sight.lines:
            cells = (one.priority, one.report, one.waits, one.desks, one.left, one.following)
            table.add_row(*map(Text, cells), style="bold red" if one.late else "yellow" if one.soon else "")
        parts.append(table)
    if sight.hidden:
        parts.append(Text(f"and {sight.hidden} more"))
    return Group(*parts)
