"""`tokaut watch`: the reports that nobody has acknowledged, and the one thing to do next. It shows ids only."""

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

from reports.case_state import Handling
from reports.delivery import DeliveryState
from reports.escalation import ESCALATION_TIMES, Priority, StepName
from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.operations import call_hours, clock_skew, overview, spool_status, synthetic_calls
from reports.store.operations.call_hours import QuietChannel
from reports.store.operations.clock_skew import ClockSkew
from reports.store.operations.overview import UnacknowledgedReport, WatchedDelivery
from reports.store.operations.spool_status import SpoolStatus
from reports.store.operations.synthetic_calls import SyntheticCallStatus
from runtime.hardening import harden
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from tokaut.checks.installation import hotlines_left_out, read_each_country
from tokaut.database import SERVED_FROM_SPOOL, describe_outage, open_database
from workers.delivery.outcomes import DELIVERY_ADVICE

NO_CLOCK = "No clock runs: nobody is asked again. Start it: python -m workers.main clock"
NOTHING_WAITS = "Nothing waits."
ALL_IN_TIME = "Nothing to do. Reminders are sent automatically."
STEP_LABELS = {
    StepName.CLOSED: "an open desk gets it",
    StepName.HOTLINE: "same desk again",
    StepName.BACKUP: "backup gets it",
    StepName.SUPERVISOR: "supervisor",
    StepName.REGIONAL: "next hotline gets it",
    StepName.OPERATOR: "you are told",
}


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One report as text.

    is_late: a person should have acted before now. is_due_soon: a quarter of the time is left, or less.
    """

    priority: Priority
    report: str
    waiting: str
    hotlines: str
    time_left: str
    next_step: str
    is_late: bool
    is_due_soon: bool


def watch_row(one: UnacknowledgedReport, now: int) -> WatchRow:
    """Return the row of one report. `now` is Unix time in microseconds."""
    left = None if one.acknowledge_by is None else one.acknowledge_by - now
    following = (
        f"{STEP_LABELS[one.step]} {_due_text(one.next_step_at - now)}"
        if one.step and one.next_step_at is not None
        else "-"
    )
    return WatchRow(
        one.priority,
        one.report_id + ("" if one.complete else " INCOMPLETE"),
        duration_text(now - one.since),
        ", ".join(_delivery_text(sending) for sending in one.sendings) or "nobody",
        "-" if left is None else (f"{duration_text(left)} left" if left > 0 else f"{duration_text(-left)} over"),
        following,
        left is not None and left <= 0,
        left is not None and 0 < left <= ESCALATION_TIMES[one.priority].acknowledged // 4,
    )


def _delivery_text(sending: WatchedDelivery) -> str:
    state = "declined" if sending.handling == Handling.REJECTED else sending.state
    return f"{sending.hotline} {'has it' if state == 'delivered' else state}"


def _due_text(left: int) -> str:
    return f"in {duration_text(left)}" if left > 0 else "now"


def next_action(
    waiting: Sequence[UnacknowledgedReport],
    now: int,
    times: ClockSkew,
    spools: Sequence[SpoolStatus] = (),
    network_faults: Sequence[str] = (),
) -> str:
    """Return the one thing to do next.

    Faults of clocks and spools come before reports, faults of networks and notes after them.
    """
    led_until = None if times.leader_until is None else now + times.leader_until
    action = report_action(waiting, now, led_until)
    if action == NO_CLOCK:
        return action
    if fault := next(
        (fault for fault in (*times.faults(), *(fault for spool in spools for fault in spool.faults()))), ""
    ):
        return fault
    if action not in (NOTHING_WAITS, ALL_IN_TIME):
        return action
    if network_faults:
        return network_faults[0]
    return f"{action} {next(times.notes(), '')}".strip()


def report_action(waiting: Sequence[UnacknowledgedReport], now: int, leader_until: int | None) -> str:
    """Return the one thing to do next about reports.

    `now` and `leader_until`, the end of the last lease of a clock process, are Unix time in microseconds.
    """
    if leader_until is None or leader_until < now - MINUTE:
        return NO_CLOCK
    advice = next((advice for report in waiting if (advice := _advice_for(report, now))), "")
    return advice or (ALL_IN_TIME if waiting else NOTHING_WAITS)


def _advice_for(report: UnacknowledgedReport, now: int) -> str:
    short_id, age = report.report_id[-6:], now - report.since
    active = [sending for sending in report.sendings if sending.state in (DeliveryState.DUE, DeliveryState.DELIVERED)]
    active = [sending for sending in active if sending.handling != Handling.REJECTED]
    if not active:
        return f"{short_id}: no hotline can take it. Decide who gets it, then: tokaut deliveries list"
    if left_out := [
        sending.hotline for sending in active if sending.state == DeliveryState.DUE and sending.why == "no_hotline"
    ]:
        return f"{short_id}: call {left_out[0]}, it has not got it. {DELIVERY_ADVICE['no_hotline']}"
    received_by = [sending.hotline for sending in active if sending.state == DeliveryState.DELIVERED]
    if not received_by and age > ESCALATION_TIMES[report.priority].received:
        first = active[0]
        return (
            f"{short_id}: call {first.hotline}, it has not got it. "
            f"{DELIVERY_ADVICE.get(first.why, 'It does not answer.')}"
        )
    if report.acknowledge_by is not None and report.acknowledge_by <= now:
        return (
            f"{short_id}: call {', '.join(received_by or [active[0].hotline])}. Nobody has taken it on for "
            f"{duration_text(age)}."
        )
    return ""


def call_text(status: SyntheticCallStatus) -> str:
    """Return the line of the synthetic calls to one network."""
    reached = "never" if status.reached is None else f"{duration_text(status.reached * SECOND)} ago"
    if status.failing is not None:
        lasted = duration_text(status.failing * SECOND)
        return f"{status.name}: has failed for {lasted} ({status.reason}), came to Send {reached}"
    return f"{status.name}: came to Send {reached}{'; no call since' if status.is_stale else ''}"


def duration_text(microseconds: int) -> str:
    """Return a duration in microseconds as text, such as "3 h"."""
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if microseconds >= 2 * size or (size == MINUTE and microseconds >= size):
            return f"{microseconds // size} {name}"
    return f"{max(0, microseconds) // SECOND} s"


COLUMNS = ("", "report", "waits", "hotlines", "to be taken on", "next")
ONCE_WIDTH = 160
LEFT_OUT = "gets no reports: its settings here are missing or refused. Run: tokaut check"


@dataclass(frozen=True, slots=True)
class WatchSnapshot:
    """The unacknowledged reports and the next action at one moment.

    hidden: how many more reports wait than are shown. left_out: a sentence for each hotline that the worker could not
    set up, and for each country file that cannot be read. calls: the synthetic calls to each network. quiet: channels
    with unusually few calls. silent: a sentence for each process that has missed its reports.
    """

    rows: tuple[WatchRow, ...]
    next_action: str
    hidden: int = 0
    left_out: tuple[str, ...] = ()
    calls: tuple[SyntheticCallStatus, ...] = ()
    quiet: tuple[QuietChannel, ...] = ()
    silent: tuple[str, ...] = ()


@click.command()
@click.option("--once", is_flag=True, help="Print the table once as plain text, for a script or a slow connection.")
@click.option("--every", default=5, show_default=True, type=click.IntRange(1, 600), help="Seconds between two looks.")
def watch(once: bool, every: int) -> None:
    """Show the reports nobody has acknowledged (most urgent first, then oldest first) and the one thing to do next.

    Each line has the priority, the report's id, how long it has waited, which hotlines have it, how long until a person
    must have acknowledged it, and what happens next automatically. With the worker's settings it also names each
    hotline that the worker could not set up. Below are the synthetic calls to each network, if the clock makes any:
    when one last came to Send, and how long they have failed; then channels with unusually few calls. It never shows
    the text of a report. Ctrl-C ends it.

    \b
    Example:  tokaut watch
              tokaut watch --once
    """
    harden()
    with open_database() as (database, _):
        _, unreadable = read_each_country(os.environ)
        left_out = (*unreadable, *(f"{hotline} {LEFT_OUT}" for hotline in hotlines_left_out(os.environ)))
        if once:
            snapshot = take_snapshot(database, at_most=200, left_out=left_out)
            Console(width=ONCE_WIDTH, no_color=True, highlight=False, force_terminal=False).print(_drawn(snapshot))
            return
        with suppress(KeyboardInterrupt):
            _update_forever(database, every, left_out)


def _update_forever(database: Database, every: int, left_out: tuple[str, ...]) -> None:
    with Live(screen=True, auto_refresh=False) as live:
        for drawn in _looks(database, live.console, left_out):
            live.update(drawn, refresh=True)
            time.sleep(every)


def _looks(database: Database, console: Console, left_out: tuple[str, ...] = ()) -> Iterator[RenderableType]:
    """Yield the table again and again. While the database is unavailable, yield a message instead."""
    while True:
        try:
            at_most = max(1, console.size.height - 6 - len(left_out))
            yield _drawn(take_snapshot(database, at_most=at_most, left_out=left_out))
        except PermissionDenied:  # the account lacks a right; retrying does not help
            raise
        except DatabaseUnavailable as away:
            yield Text(describe_outage(away, "Start it.", SERVED_FROM_SPOOL), "bold red")


def take_snapshot(database: Database, at_most: int, left_out: tuple[str, ...] = ()) -> WatchSnapshot:
    """Read the unacknowledged reports, the synthetic calls and the quiet channels.

    `at_most`: the lines of all; at least one report is shown. Raises DatabaseUnavailable.
    """
    calls, quiet = tuple(synthetic_calls.list_statuses(database)), tuple(call_hours.list_quiet(database))
    spools = spool_status.list_statuses(database)
    silent = tuple(note for status in spools for note in status.notes())
    others = len(calls) + len(quiet) + 2 * len(silent)  # a note takes two lines
    waiting, count = overview.list_unacknowledged(database, max(1, at_most - others))
    now = database.now()
    times = clock_skew.measure_skew(database, attempts=True)
    faults = [fault for status in calls for fault in status.faults()] + [channel.fault() for channel in quiet]
    action = next_action(waiting, now, times, spools, faults)
    rows = tuple(watch_row(report, now) for report in waiting)
    return WatchSnapshot(rows, action, count - len(waiting), left_out, calls, quiet, silent)


def _drawn(snapshot: WatchSnapshot) -> RenderableType:
    parts: list[RenderableType] = [Text(snapshot.next_action, "bold")]
    parts += [Text(sentence, "bold red") for sentence in snapshot.left_out]
    parts += [Text(note, "yellow") for note in snapshot.silent]
    if snapshot.rows:
        table = Table(*COLUMNS, box=box.SIMPLE, pad_edge=False)
        for row in snapshot.rows:
            cells = (row.priority, row.report, row.waiting, row.hotlines, row.time_left, row.next_step)
            table.add_row(*map(Text, cells), style="bold red" if row.is_late else "yellow" if row.is_due_soon else "")
        parts.append(table)
    if snapshot.hidden:
        parts.append(Text(f"and {snapshot.hidden} more"))
    for status in snapshot.calls:
        parts.append(Text(f"Synthetic calls to {call_text(status)}", "bold red" if any(status.faults()) else ""))
    parts += [Text(channel.fault(), "bold red") for channel in snapshot.quiet]
    return Group(*parts)
