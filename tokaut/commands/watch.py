"""What `tokaut watch` says of what waits: a line for each report, and the one thing to do next. Pure."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reports.escalation.policy import ESCALATION_TIMES
from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.operations import clock_skew, overview, spool_status
from reports.store.operations.clock_skew import ClockSkew
from reports.store.operations.overview import UnacknowledgedReport, WatchedDelivery
from reports.store.operations.spool_status import SpoolStatus
from runtime.hardening import harden
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from tokaut.checks.installation import hotlines_left_out
from tokaut.database import open_database
from workers.delivery.outcomes import DELIVERY_ADVICE

NO_CLOCK = "No clock runs: nobody is asked again. Start it: python -m workers.main clock"
NOTHING_WAITS = "Nothing waits."
ALL_IN_TIME = "Nothing to do. The next that waits is asked about by itself."
STEP_LABELS = {
    "closed": "an open desk gets it",
    "desk": "same desk again",
    "backup": "backup gets it",
    "supervisor": "supervisor",
    "regional": "next hotline gets it",
    "operator": "you are told",
}


@dataclass(frozen=True, slots=True)
class WatchRow:
    """`late`: whether somebody should have acted before now; `soon`: a quarter of the time is left, or less."""

    priority: str
    report: str
    waits: str
    desks: str
    left: str
    following: str
    late: bool
    soon: bool


def watch_row(one: UnacknowledgedReport, now: int) -> WatchRow:
    left = None if one.acknowledge_by is None else one.acknowledge_by - now
    following = (
        f"{STEP_LABELS[one.step]} {_when(one.next_step_at - now)}" if one.step and one.next_step_at is not None else "-"
    )
    return WatchRow(
        one.priority,
        one.report_id + ("" if one.complete else " INCOMPLETE"),
        duration_text(now - one.since),
        ", ".join(_desk(sending) for sending in one.sendings) or "nobody",
        "-" if left is None else (f"{duration_text(left)} left" if left > 0 else f"{duration_text(-left)} over"),
        following,
        left is not None and left <= 0,
        left is not None and 0 < left <= ESCALATION_TIMES[one.priority].acknowledged // 4,
    )


def _desk(sending: WatchedDelivery) -> str:
    how = "declined" if sending.handling == "rejected" else sending.state
    return f"{sending.hotline} {'has it' if how == 'delivered' else how}"


def _when(left: int) -> str:
    return f"in {duration_text(left)}" if left > 0 else "now"


def next_action(
    waiting: Sequence[UnacknowledgedReport], now: int, times: ClockSkew, spools: Sequence[SpoolStatus] = ()
) -> str:
    """Return the one thing to do next: clocks and spools come before any single report, notes after all."""
    led_until = None if times.led_until is None else now + times.led_until
    said = report_action(waiting, now, led_until)
    if said == NO_CLOCK:
        return said
    if fault := next((said for said in (*times.faults(), *(said for one in spools for said in one.faults()))), ""):
        return fault
    note = next(times.notes(), "")
    return f"{said} {note}".strip() if said in (NOTHING_WAITS, ALL_IN_TIME) else said


def report_action(waiting: Sequence[UnacknowledgedReport], now: int, led_until: int | None) -> str:
    """The one thing to do next."""
    if led_until is None or led_until < now - MINUTE:
        return NO_CLOCK
    said = next((said for one in waiting if (said := _todo(one, now))), "")
    return said or (ALL_IN_TIME if waiting else NOTHING_WAITS)


def _todo(one: UnacknowledgedReport, now: int) -> str:
    end, age = one.report_id[-6:], now - one.since
    alive = [sending for sending in one.sendings if sending.state in ("due", "delivered")]
    alive = [sending for sending in alive if sending.handling != "rejected"]
    if not alive:
        return f"{end}: no hotline can take it. Decide who gets it, then: tokaut deliveries list"
    if left_out := [sending.hotline for sending in alive if sending.state == "due" and sending.why == "no_hotline"]:
        return f"{end}: call {left_out[0]}, it has not got it. {DELIVERY_ADVICE['no_hotline']}"
    there = [sending.hotline for sending in alive if sending.state == "delivered"]
    if not there and age > ESCALATION_TIMES[one.priority].received:
        first = alive[0]
        return (
            f"{end}: call {first.hotline}, it has not got it. {DELIVERY_ADVICE.get(first.why, 'It does not answer.')}"
        )
    if one.acknowledge_by is not None and one.acknowledge_by <= now:
        return f"{end}: call {', '.join(there or [alive[0].hotline])}. Nobody has taken it on for {duration_text(age)}."
    return ""


def duration_text(microseconds: int) -> str:
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if microseconds >= 2 * size or (size == MINUTE and microseconds >= size):
            return f"{microseconds // size} {name}"
    return f"{max(0, microseconds) // SECOND} s"


# `tokaut watch`: what waits for a person, what its clock has left, and the one thing to do next. Ids only.

COLUMNS = ("", "report", "waits", "hotlines", "to be taken on", "next")
ONCE_WIDTH = 160
LEFT_OUT = "gets no reports: its settings here are missing or refused. Run: tokaut check"


@dataclass(frozen=True, slots=True)
class WatchSnapshot:
    """One look. `hidden`: how many more wait than are shown; `left_out`: hotlines that the worker could not set up."""

    lines: tuple[WatchRow, ...]
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
    with open_database() as (database, _):
        left_out = hotlines_left_out(os.environ)
        if once:
            sight = take_snapshot(database, at_most=200, left_out=left_out)
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
            yield _drawn(take_snapshot(database, at_most=at_most, left_out=left_out))
        except PermissionDenied:  # waiting helps nothing
            raise
        except DatabaseUnavailable as away:
            yield Text(
                f"The database does not answer ({away}). Callers are served from the spool. Start it.", "bold red"
            )


def take_snapshot(database: Database, at_most: int, left_out: tuple[str, ...] = ()) -> WatchSnapshot:
    """Raises DatabaseUnavailable."""
    waiting, count = overview.list_unacknowledged(database, at_most)
    now = database.now()
    said = next_action(
        waiting, now, clock_skew.measure_skew(database, attempts=True), spool_status.list_statuses(database)
    )
    return WatchSnapshot(tuple(watch_row(one, now) for one in waiting), said, count - len(waiting), left_out)


def _drawn(sight: WatchSnapshot) -> RenderableType:
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
