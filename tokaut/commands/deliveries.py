"""`tokaut deliveries`: list undelivered reports, and retry, park, cancel or transfer them.

It shows ids, codes and times, and nothing that a reporter wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import click

from reports.case_state import Handling
from reports.delivery import UNDELIVERED, DeliveryState, DeliveryType
from reports.store.engine.database import Database
from reports.store.operations import delivery_actions
from reports.store.operations.delivery_actions import ReportPath
from runtime.hardening import harden
from tokaut.database import open_database
from tokaut.terminal import CommandError, CommandGroup, echo

CONTENTS = {
    DeliveryType.CREATED: "new report, revision",
    DeliveryType.UPDATED: "update, revision",
    DeliveryType.MESSAGE: "message",
    DeliveryType.UNREAD: "unread input",
}
HEX_DIGITS = re.compile("[0-9a-f]{4,32}")


def history_lines(report_path: ReportPath, now: int) -> Iterator[str]:
    """Yield the path of one report as lines of text: its route, its deliveries and its audit."""
    report = report_path.report
    desk_text = f", {report.desk}" if report.desk else ""
    yield (
        f"report {report.report_id}  {report.country}  {report.priority}  {report.completeness}  "
        f"{report.state}{desk_text}"
    )
    yield "route   " + ", ".join(
        f"{recipient.hotline} ({recipient.role}, {recipient.why})" for recipient in report_path.route
    )
    yield ""
    names = {report.report_id: "the report"}
    for delivery in report_path.deliveries:
        names[delivery.delivery_id] = description = (
            f"{CONTENTS[DeliveryType(delivery.type)]} {delivery.revision}, to {delivery.hotline}"
        )
        yield (
            f"{_utc_text(delivery.created_at)}  {description}  {delivery.role}, {delivery.why}  "
            f"{_state_text(delivery, now)}"
        )
    yield ""
    for row in report_path.done:
        yield f"{_utc_text(row.at)}  {row.actor}  {row.act}  {names.get(row.object_id, row.object_id)}"


def _state_text(delivery: Any, now: int) -> str:
    """Return what has become of a delivery: its tries until it is delivered, then what the hotline does with it."""
    handling = "" if delivery.handling == Handling.NONE else f", {delivery.handling}"
    if delivery.state in UNDELIVERED:
        return f"{delivery.state}, {_tries_text(delivery, now)}{handling}"
    if delivery.state == DeliveryState.DELIVERED:
        return f"delivered{handling or ', nobody has acknowledged it'}"
    return f"{delivery.state}{handling}"


def _tries_text(row: Any, now: int) -> str:
    tries = f"{row.attempt} {'try' if row.attempt == 1 else 'tries'}"
    last = f", last {row.last_class}" + (f" {row.last_status}" if row.last_status else "") if row.last_class else ""
    return tries + last + (f", next in {_duration(row.next_at - now)}" if row.state == DeliveryState.DUE else "")


def _utc_text(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


MAX_LISTED = 200

# The values, because click would offer the member names
STATES = tuple(state.value for state in (*UNDELIVERED, DeliveryState.DELIVERED, DeliveryState.CANCELLED))


@click.group(cls=CommandGroup)
def deliveries() -> None:
    """Show what has not reached its hotline, and retry, park, cancel or transfer it.

    A delivery is one report for one hotline. due: it is retried automatically. refused: the hotline rejected it.
    parked: it did not arrive within two weeks, or an operator parked it. None of these is ever deleted.

    \b
    Example:  tokaut deliveries list
              tokaut deliveries retry 01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a
    """
    harden()


@deliveries.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="Only these states; may be given more than once.",
)
def list_(states: tuple[str, ...]) -> None:
    """List the deliveries that are due, refused or parked, the most urgent first.

    \b
    Example:  tokaut deliveries list --state parked

    Next: fix the cause at the hotline or here, then `tokaut deliveries retry`; or give the report to somebody by hand,
    then `tokaut deliveries cancel`.
    """
    with open_database() as (database, _):
        rows = delivery_actions.list_deliveries(database, states or UNDELIVERED, MAX_LISTED + 1)
        now = database.now()
    for row in rows[:MAX_LISTED]:
        echo(_delivery_line(row, now))
    if len(rows) > MAX_LISTED:
        echo(f"There are more: only the {MAX_LISTED} most urgent and oldest are listed.")
    if not rows:
        echo("None is due, refused or parked." if not states else "None in this state.")


@deliveries.command()
@click.argument("delivery_ids", nargs=-1, required=True, metavar="DELIVERY_ID...")
def retry(delivery_ids: tuple[str, ...]) -> None:
    """Send a delivery again now, with the same idempotency key: a hotline that has it already recognises the repeat.

    \b
    Example:  tokaut deliveries retry 01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a

    Next: `tokaut deliveries list` shows within seconds whether it arrived. While a hotline that fails is paused, only
    P1 goes to it; the command says for how long the others wait.
    """

    def order(database: Database, delivery_id: str, actor: str) -> str:
        pause = delivery_actions.retry(database, delivery_id, actor)
        if not pause:
            return "is due now; it goes out within seconds."
        return f"is due now; its hotline fails and is paused, so it goes out in {_duration(pause)} at the earliest."

    _for_each(delivery_ids, order)


@deliveries.command()
@click.argument("delivery_ids", nargs=-1, required=True, metavar="DELIVERY_ID...")
def park(delivery_ids: tuple[str, ...]) -> None:
    """Stop retrying a delivery, and keep it: a person handles it from here.

    \b
    Example:  tokaut deliveries park 01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a

    Next: `tokaut deliveries retry` starts it again, for another two weeks.
    """

    def order(database: Database, delivery_id: str, actor: str) -> str:
        delivery_actions.park(database, delivery_id, actor)
        return "is parked; it is kept, and tried no more until you retry it."

    _for_each(delivery_ids, order)


@deliveries.command()
@click.argument("delivery_ids", nargs=-1, required=True, metavar="DELIVERY_ID...")
@click.option("--reason", required=True, help="One word for the audit: mistake, double, handed_over.")
def cancel(delivery_ids: tuple[str, ...], reason: str) -> None:
    """Cancel a delivery, with a reason for the audit.

    The last active delivery of a report cannot be cancelled, because somebody must have that report. A hotline whose
    delivery of the report itself is cancelled gets nothing more of it, neither updates nor messages.

    \b
    Example:  tokaut deliveries cancel --reason handed_over 01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a
    """

    def order(database: Database, delivery_id: str, actor: str) -> str:
        delivery_actions.cancel(database, delivery_id, actor, reason)
        return "is cancelled; the audit says by whom and why."

    _for_each(delivery_ids, order)


@deliveries.command()
@click.argument("words", nargs=-1, required=True, metavar="REPORT_ID")
def show(words: tuple[str, ...]) -> None:
    """Show the path of one report: its recipients, its deliveries with their tries, and who did what.

    None of its text is shown. REPORT_ID may also be the first or last digits of the id, at least four, or the reference
    that the console shows, if no other report has them.

    \b
    Example:  tokaut deliveries show 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e
              tokaut deliveries show 2B3 D4E
    """
    digits = "".join(words).replace("-", "").lower()
    if not HEX_DIGITS.fullmatch(digits):
        raise CommandError(
            f"{' '.join(words) or 'Nothing'} is no report id. Type the id, its first or last digits (at least four), "
            "or the reference that the console shows."
        )
    with open_database() as (database, _):
        found = delivery_actions.find_reports(database, digits)
        path = delivery_actions.load_report_path(database, found[0]) if len(found) == 1 else None
        now = database.now()
    if found[1:]:
        raise CommandError(f"Several reports begin or end with {' '.join(words)}:\n" + "\n".join(found))
    if path is None:
        raise CommandError(
            f"There is no report {' '.join(words)}; it may have been purged. `tokaut deliveries list` has the ids, "
            "with --state delivered also of what has arrived."
        )
    for line in history_lines(path, now):
        echo(line)


@deliveries.command("handover")
@click.argument("report_id", metavar="REPORT_ID")
@click.option("--from", "giver", required=True, metavar="HOTLINE", help="Hotline that has the report.")
@click.option("--to", "taker", required=True, metavar="HOTLINE", help="Hotline that gets the report.")
def hand_over(report_id: str, giver: str, taker: str) -> None:
    """Transfer a report from one hotline to another that the reporter was shown before Send.

    Nothing more is asked of the first hotline. If it has not received the report, its delivery is cancelled; a
    request that is under way may still arrive, and is then shown as delivered. Until it has, you can transfer the
    report back to it. The time to acknowledge keeps running until the other one acknowledges the report. Messages
    under My report are transferred too. A report cannot go to anybody else: it is not sealed to them, and the
    reporter has not agreed to them. If others must be told, the hotline that has the report calls them.

    \b
    Example:  tokaut deliveries handover 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e --from vu-pikinini --to vu-police

    Next: `tokaut deliveries show` shows the path of the report.
    """
    with open_database() as (database, actor):
        try:
            delivery_id, _ = delivery_actions.transfer_report(database, report_id.lower(), giver, taker, actor)
        except delivery_actions.ActionNotPossible as reason:
            raise CommandError(f"Nothing was done: {reason}.") from None
    echo(f"{taker} gets it, as {delivery_id}; it goes out within seconds, unless {taker} fails too.")


def _for_each(delivery_ids: tuple[str, ...], act: Callable[[Database, str, str], str]) -> None:
    """Apply an action to each delivery. `act` returns what was done.

    Deliveries for which it is not possible are printed, and the exit status is then 1.
    """
    failed = False
    with open_database() as (database, actor):
        for delivery_id in map(str.lower, delivery_ids):
            try:
                echo(f"{delivery_id} {act(database, delivery_id, actor)}")
            except delivery_actions.ActionNotPossible as reason:
                echo(f"{delivery_id}: nothing was done: {reason}.", err=True)
                failed = True
    if failed:
        raise SystemExit(1)


def _delivery_line(row: Any, now: int) -> str:
    notified = f", a person was alerted {_duration(now - row.told_at)} ago" if row.told_at else ""
    return (
        f"{row.delivery_id}  {row.priority}  {row.state:<9}  {row.hotline}  {row.type}  report {row.report_id}  "
        f"{_duration(now - row.created_at)} old, {_tries_text(row, now)}{notified}"
    )


def _duration(microseconds: int) -> str:
    seconds = max(0, microseconds // 1_000_000)
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
