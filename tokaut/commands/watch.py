"""`tokaut watch`: the reports that nobody has acknowledged, and the one thing to do next. It shows ids only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from reports.case_state import Handling
from reports.countries.country import Country
from reports.countries.opening_hours import duty_officers
from reports.delivery import DeliveryState
from reports.escalation import ESCALATION_TIMES, Priority, StepName
from reports.store.engine.database import Database, DatabaseUnavailable, PermissionDenied
from reports.store.operations import call_hours, clock_skew, overview, spool_status, synthetic_calls
from reports.store.operations.clock_skew import ClockSkew
from reports.store.operations.overview import UnacknowledgedReport, WatchedDelivery
from reports.store.operations.spool_status import SpoolStatus
from reports.store.operations.synthetic_calls import SyntheticCallStatus
from reports.store.sms import provider_faults
from reports.store.spool import MIN_FREE_BYTES
from runtime.hardening import harden
from runtime.operator_error import OperatorError
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from tokaut.checks.disk import disk_faults
from tokaut.checks.installation import common_settings, hotlines_left_out, read_each_country
from tokaut.database import SERVED_FROM_SPOOL, describe_outage, open_database
from tokaut.terminal import CommandError
from workers.delivery.outcomes import ALERT_AT_ATTEMPT, DELIVERY_ADVICE

NO_CLOCK = f"The process clock does not run: no retries, no alerts. {clock_skew.START_CLOCK}"
NOTHING_WAITS = "Nothing waits."
ALL_IN_TIME = "Nothing to do: each report is still in time."
NO_ON_CALL = "TOKAUT_ON_CALL is not set: if no hotline acts, nobody is alerted."
STEP_LABELS = {
    StepName.CLOSED: "an open hotline gets it",
    StepName.HOTLINE: "{hotlines} alerted",
    StepName.BACKUP: "the backup gets it",
    StepName.SUPERVISOR: "the supervisor is alerted",
    StepName.REGIONAL: "the next hotline gets it",
    StepName.OPERATOR: "on-call is alerted",
}


NOBODYS_PHONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class WatchSurroundings:
    """What `watch` knows of this host and its settings, beside the database.

    `left_out`: a sentence for each hotline that the worker could not set up, and for each country file that cannot be
    read. `full_disks`: a sentence for each full disk. `staff_phones`: the number of the duty officer of this hour, by
    hotline. `lacks_on_call`: these are the worker's settings, and TOKAUT_ON_CALL is not set.
    """

    left_out: tuple[str, ...] = ()
    full_disks: tuple[str, ...] = ()
    staff_phones: Mapping[str, str] = field(default_factory=dict)
    lacks_on_call: bool = False


NOTHING_KNOWN = WatchSurroundings()


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


def watch_row(report: UnacknowledgedReport, now: int) -> WatchRow:
    """Return the row of one report. `now` is Unix time in microseconds."""
    left = None if report.acknowledge_by is None else report.acknowledge_by - now
    following = (
        f"{STEP_LABELS[report.step].format(hotlines=_reminded(report))} {_due_text(report.next_step_at - now)}"
        if report.step and report.next_step_at is not None
        else "-"
    )
    return WatchRow(
        report.priority,
        report.report_id + ("" if report.complete else " INCOMPLETE"),
        duration_text(now - report.since),
        ", ".join(_delivery_text(delivery) for delivery in report.deliveries) or "nobody",
        "-" if left is None else (f"{duration_text(left)} left" if left > 0 else f"{duration_text(-left)} over"),
        following,
        left is not None and left <= 0,
        left is not None and 0 < left <= ESCALATION_TIMES[report.priority].acknowledged // 4,
    )


def _reminded(report: UnacknowledgedReport) -> str:
    active = _active(report)
    names = [delivery.hotline for delivery in active if delivery.state == DeliveryState.DELIVERED]
    names = names or [delivery.hotline for delivery in active] or ["nobody"]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _active(report: UnacknowledgedReport) -> list[WatchedDelivery]:
    """Return the deliveries that may still bring somebody to acknowledge the report."""
    states = (DeliveryState.DUE, DeliveryState.DELIVERED)
    return [one for one in report.deliveries if one.state in states and one.handling != Handling.REJECTED]


def _delivery_text(delivery: WatchedDelivery) -> str:
    state = "declined" if delivery.handling == Handling.REJECTED else delivery.state
    return f"{delivery.hotline} {'has it' if state == 'delivered' else state}"


def _due_text(left: int) -> str:
    return f"in {duration_text(left)}" if left > 0 else "now"


def next_action(
    waiting: Sequence[UnacknowledgedReport],
    now: int,
    times: ClockSkew,
    spools: Sequence[SpoolStatus] = (),
    later_faults: Sequence[str] = (),
    *,
    surroundings: WatchSurroundings = NOTHING_KNOWN,
) -> str:
    """Return the one thing to do next.

    A full disk comes first, because it is the cause of many other faults. Faults of clocks and spools come before
    reports, and after them `later_faults`, hotlines that are left out, and notes.
    """
    led_until = None if times.leader_until is None else now + times.leader_until
    action = report_action(waiting, now, led_until, surroundings.staff_phones)
    if surroundings.full_disks:
        return surroundings.full_disks[0]
    if action == NO_CLOCK:
        return action
    if fault := next(
        (fault for fault in (*times.faults(), *(fault for spool in spools for fault in spool.faults()))), ""
    ):
        return fault
    if action not in (NOTHING_WAITS, ALL_IN_TIME):
        return action
    if faults := (*later_faults, *surroundings.left_out):
        return faults[0]
    notes = [NO_ON_CALL] if waiting and surroundings.lacks_on_call else []
    return " ".join((action, *notes, *times.notes()))


def report_action(
    waiting: Sequence[UnacknowledgedReport],
    now: int,
    leader_until: int | None,
    staff_phones: Mapping[str, str] = NOBODYS_PHONE,
) -> str:
    """Return the one thing to do next about reports.

    `now` and `leader_until`, the end of the last lease of a clock process, are Unix time in microseconds.
    """
    if leader_until is None or leader_until < now - MINUTE:
        return NO_CLOCK
    for advise in (_advice_for, _advice_while_tried):
        if advice := next((advice for report in waiting if (advice := advise(report, now, staff_phones))), ""):
            return advice
    return ALL_IN_TIME if waiting else NOTHING_WAITS


def _with_phone(hotline: str, staff_phones: Mapping[str, str]) -> str:
    return f"{hotline} ({staff_phones[hotline]})" if hotline in staff_phones else hotline


def _advice_while_tried(report: UnacknowledgedReport, now: int, staff_phones: Mapping[str, str]) -> str:
    """Return what to do if it goes on that no hotline can be given the report, and until when to wait."""
    active = _active(report)
    if any(delivery.state == DeliveryState.DELIVERED or not delivery.why for delivery in active):
        return ""
    left = ESCALATION_TIMES[report.priority].received - (now - report.since)
    return (
        f"{report.report_id[-6:]}: no hotline has it; the last try at {active[0].hotline} failed ({active[0].why}). It "
        f"is tried again. Call {_with_phone(active[0].hotline, staff_phones)} if that goes on for "
        f"{duration_text(left)}."
    )


def _advice_for(report: UnacknowledgedReport, now: int, staff_phones: Mapping[str, str]) -> str:
    short_id, age, active = report.report_id[-6:], now - report.since, _active(report)
    if not active:
        return f"{short_id}: no hotline can take it. Decide who gets it, then: tokaut deliveries list"
    if left_out := [
        delivery.hotline for delivery in active if delivery.state == DeliveryState.DUE and delivery.why == "no_hotline"
    ]:
        named = _with_phone(left_out[0], staff_phones)
        return f"{short_id}: call {named}, it has not got it. {DELIVERY_ADVICE['no_hotline']}"
    received_by = [delivery.hotline for delivery in active if delivery.state == DeliveryState.DELIVERED]
    first = active[0]
    needs_person = ALERT_AT_ATTEMPT.get(first.why) == 1
    if not received_by and (needs_person or age > ESCALATION_TIMES[report.priority].received):
        return (
            f"{short_id}: call {_with_phone(first.hotline, staff_phones)}, it has not got it. "
            f"{DELIVERY_ADVICE.get(first.why, 'It does not answer.')}"
        )
    if report.acknowledge_by is not None and report.acknowledge_by <= now:
        named = ", ".join(_with_phone(hotline, staff_phones) for hotline in received_by or [first.hotline])
        return f"{short_id}: call {named}. Nobody has acknowledged it for {duration_text(age)}."
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


COLUMNS = ("", "report", "waits", "hotlines", "to be acknowledged", "next")
ONCE_WIDTH = 160
LEFT_OUT = "gets no reports: its settings here are missing or refused. Run: tokaut check"


@dataclass(frozen=True, slots=True)
class WatchSnapshot:
    """The unacknowledged reports and the next action at one moment.

    hidden: how many more reports wait than are shown. left_out: as in WatchSurroundings. calls: the synthetic calls to
    each network. channel_faults: a sentence for each channel whose SMS do not arrive, or with unusually few calls.
    silent: a sentence for each process that has missed its reports.
    """

    rows: tuple[WatchRow, ...]
    next_action: str
    hidden: int = 0
    left_out: tuple[str, ...] = ()
    calls: tuple[SyntheticCallStatus, ...] = ()
    channel_faults: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@click.command()
@click.option("--once", is_flag=True, help="Print the table once as plain text, for a script or a slow connection.")
@click.option("--every", default=5, show_default=True, type=click.IntRange(1, 600), help="Seconds between two looks.")
def watch(once: bool, every: int) -> None:
    """Show the reports nobody has acknowledged (most urgent first, then oldest first) and the one thing to do next.

    Each line has the priority, the report's id, how long it has waited, which hotlines have it, how long until a person
    must have acknowledged it, and what happens next automatically. With the worker's settings it also names each
    hotline that the worker could not set up. Below are the synthetic calls to each network, if the clock makes any:
    when one last came to Send, and how long they have failed; then channels whose SMS do not arrive or that have
    unusually few calls. It never shows the text of a report. Ctrl-C ends it.

    \b
    Example:  tokaut watch
              tokaut watch --once
    """
    harden()
    try:
        with open_database() as (database, _):
            look_around = _surroundings(os.environ)
            if once:
                snapshot = take_snapshot(database, 200, look_around())
                Console(width=ONCE_WIDTH, no_color=True, highlight=False, force_terminal=False).print(_drawn(snapshot))
                return
            with suppress(KeyboardInterrupt):
                _update_forever(database, every, look_around)
    except OperatorError as error:
        raise CommandError("\n".join((*_full_disks(os.environ), str(error)))) from None


def _surroundings(environ: Mapping[str, str]) -> Callable[[], WatchSurroundings]:
    """Read the settings and country files once; return a function that looks at disks and rotas again."""
    countries, unreadable = read_each_country(environ)
    left_out = (*unreadable, *(f"{hotline} {LEFT_OUT}" for hotline in hotlines_left_out(environ)))
    of_worker = any(name.startswith("HOTLINE_") for name in environ)
    lacks_on_call = of_worker and not (environ.get("TOKAUT_ON_CALL") or environ.get("TOKAUT_ON_CALL_FILE"))

    def look_around() -> WatchSurroundings:
        phones = staff_phones(countries, int(time.time() * SECOND))
        return WatchSurroundings(left_out, _full_disks(environ), phones, lacks_on_call)

    return look_around


def _full_disks(environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(disk_faults(common_settings(environ), MIN_FREE_BYTES))


def staff_phones(countries: Iterable[Country], at: int) -> dict[str, str]:
    """Return hotline → the number of its first duty officer who has one. `at`: Unix time in microseconds."""
    return {
        hotline.id: phones[0]
        for country in countries
        for hotline in country.hotlines.values()
        if (phones := [one for one in duty_officers(hotline.card, country.time_zone, at) if one.startswith("+")])
    }


def _update_forever(database: Database, every: int, look_around: Callable[[], WatchSurroundings]) -> None:
    with Live(screen=True, auto_refresh=False) as live:
        for drawn in _looks(database, live.console, look_around):
            live.update(drawn, refresh=True)
            time.sleep(every)


def _looks(
    database: Database, console: Console, look_around: Callable[[], WatchSurroundings]
) -> Iterator[RenderableType]:
    """Yield the table again and again. While the database is unavailable, yield a message instead."""
    while True:
        surroundings = look_around()
        try:
            at_most = max(1, console.size.height - 6 - len(surroundings.left_out))
            yield _drawn(take_snapshot(database, at_most, surroundings))
        except PermissionDenied:  # the account lacks a right; retrying does not help
            raise
        except DatabaseUnavailable as away:
            fault = describe_outage(away, "Start it.", SERVED_FROM_SPOOL)
            yield Text("\n".join((*surroundings.full_disks, fault)), "bold red")


def take_snapshot(database: Database, at_most: int, surroundings: WatchSurroundings = NOTHING_KNOWN) -> WatchSnapshot:
    """Read the unacknowledged reports, the synthetic calls, and the channels with undelivered SMS or few calls.

    `at_most`: the lines of all; at least one report is shown. Raises DatabaseUnavailable.
    """
    calls = tuple(synthetic_calls.list_statuses(database))
    channels = [texts.fault() for texts in provider_faults.list_undelivered(database, database.now() - HOUR)]
    channels += [channel.fault() for channel in call_hours.list_quiet(database)]
    spools = spool_status.list_statuses(database)
    silent = tuple(note for status in spools for note in status.notes())
    others = len(calls) + 2 * (len(channels) + len(silent))  # a sentence takes two lines
    waiting, count = overview.list_unacknowledged(database, max(1, at_most - others))
    now = database.now()
    times = clock_skew.measure_skew(database, attempts=True)
    faults = [fault for status in calls for fault in status.faults()] + channels
    action = next_action(waiting, now, times, spools, faults, surroundings=surroundings)
    rows = tuple(watch_row(report, now) for report in waiting)
    return WatchSnapshot(rows, action, count - len(waiting), surroundings.left_out, calls, tuple(channels), silent)


def _drawn(snapshot: WatchSnapshot) -> RenderableType:
    parts: list[RenderableType] = [Text(snapshot.next_action, "bold")]
    parts += [Text(sentence, "bold red") for sentence in snapshot.left_out if sentence != snapshot.next_action]
    parts += [Text(note, "yellow") for note in snapshot.silent]
    if snapshot.rows:
        columns = [Column(name, overflow="fold") for name in COLUMNS]  # in a narrow terminal no id is cut
        table = Table(*columns, box=box.SIMPLE, pad_edge=False)
        for row in snapshot.rows:
            cells = (row.priority, row.report, row.waiting, row.hotlines, row.time_left, row.next_step)
            table.add_row(*map(Text, cells), style="bold red" if row.is_late else "yellow" if row.is_due_soon else "")
        parts.append(table)
    if snapshot.hidden:
        parts.append(Text(f"and {snapshot.hidden} more"))
    for status in snapshot.calls:
        parts.append(Text(f"Synthetic calls to {call_text(status)}", "bold red" if any(status.faults()) else ""))
    parts += [Text(fault, "bold red") for fault in snapshot.channel_faults]
    return Group(*parts)
