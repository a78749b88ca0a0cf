"""`tokaut hold`: exempt a report from purging, for a reason and until a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import click

from reports.retention import MAX_HOLD_DAYS
from reports.store.operations import retention
from reports.store.operations.retention import HOLD_REASONS, HoldReason, LegalHold
from runtime.hardening import harden
from tokaut.database import open_database
from tokaut.terminal import CommandError, CommandGroup, echo

PAPER = "of the paper that asks for it: letters, digits, / . - and blanks, at most 40"


@click.group(cls=CommandGroup)
def hold() -> None:
    """Keep a report from being purged for a time and with a reason, or end such a hold.

    \b
    Example:  tokaut hold put 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e --reason court --until 2028-06-30
              tokaut hold list
    """
    harden()


@hold.command()
@click.argument("report_id")
@click.option(
    "--reason", required=True, type=click.Choice(HOLD_REASONS), help="The reason, without any content of the report."
)
@click.option(
    "--until",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The last day, UTC; two years at most.",
)
@click.option("--reference", default="", help=f"Number {PAPER}.")
def put(report_id: str, reason: HoldReason, until: datetime, reference: str) -> None:
    """Hold REPORT_ID until a day. A second hold replaces the reason and the day of the first.

    It ends automatically. The on-call contacts are alerted two weeks before. The audit records each step.

    \b
    Example:  tokaut hold put 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e --reason court --until 2028-06-30 --reference 17/2028
    """
    if len(reference) > 40 or not all(
        character.isascii() and (character.isalnum() or character in " /.-") for character in reference
    ):
        raise CommandError(f"--reference is the number {PAPER}. Write nothing about the report into it.")
    with open_database() as (database, actor):
        now = database.now()
        today = datetime.fromtimestamp(now / 1e6, UTC).date()
        if not today <= until.date() <= today + timedelta(days=MAX_HOLD_DAYS):
            raise CommandError(f"--until is a day from today to {today + timedelta(days=MAX_HOLD_DAYS)}; correct it.")
        row = LegalHold(report_id.lower(), actor, reason, reference, now, _end(until.date()))
        if not retention.place_hold(database, row):
            raise CommandError(
                f"There is no report {report_id}. It may be purged. Look: tokaut deliveries show {report_id}"
            )
    echo(f"{row.report_id} is held until the end of {until:%Y-%m-%d} UTC. To end it: tokaut hold lift {row.report_id}")


@hold.command("list")
def list_() -> None:
    """List the reports that are held, and until when.

    \b
    Example:  tokaut hold list
    """
    with open_database() as (database, _):
        rows = retention.list_holds(database)
    for row in rows:
        reference = f", {row.reference}" if row.reference else ""
        echo(f"{row.report_id}  until {_day(row.until - 1)} UTC  {row.reason}{reference}  by {row.placed_by}")
    if not rows:
        echo("Nothing is held.")


@hold.command()
@click.argument("report_id")
def lift(report_id: str) -> None:
    """End the hold of REPORT_ID: it is purged by the rules again, at once if its retention period is over.

    \b
    Example:  tokaut hold lift 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e

    Next: `tokaut purge` counts the reports that can be purged now.
    """
    with open_database() as (database, actor):
        if not retention.lift_hold(database, report_id.lower(), actor):
            raise CommandError(f"There is no hold on {report_id}. Look: tokaut hold list")
    echo(f"{report_id.lower()} is not held any more.")


def _end(day: date) -> int:
    """Return the first moment of the day after, in Unix microseconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + 86_400) * 1_000_000


def _day(microseconds: int) -> str:
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d}"
