"""`tokaut purge`: count the reports to purge by the rules of docs/retention.md; with --delete, delete them."""

from __future__ import annotations

import os

import click
from rich.console import Console
from rich.progress import Progress

from reports.countries.country import load_countries, retention_policy
from reports.retention import RETENTION_RULES, RetentionPolicy
from reports.store.engine import leases
from reports.store.engine.database import Database
from reports.store.operations import maintenance, retention
from reports.store.operations.retention import Purge
from runtime.hardening import harden
from runtime.settings import CommonSettings, load_settings
from runtime.time_units import DAY
from tokaut.database import open_database
from tokaut.terminal import CommandError, echo


@click.command()
@click.option("--delete", "really", is_flag=True, help="Delete the reports. Without this option they are only counted.")
@click.option("--dry-run", is_flag=True, help="Only count, as without any option.")
def purge(*, really: bool, dry_run: bool) -> None:
    """Count the reports whose retention period is over, by rule; with --delete, delete them for good.

    The clock does the same each hour. A report that is undelivered, parked, held or needs a person is never deleted.
    You can stop the command at any moment and run it again. One line of each report remains: its id, country, two
    months and the rule.

    \b
    Example:  tokaut purge
              tokaut purge --delete

    Next: `tokaut hold put <report>` exempts a report. Backups contain purged reports until they are deleted, after 35
    days.
    """
    harden()
    if really and dry_run:
        raise CommandError("--dry-run only counts, and --delete deletes. Give one of them.")
    with open_database() as (database, actor):
        due = Purge(database, _policy(), retention.purge_time(database), actor)
        counts = due.count_purgeable()
        for rule in RETENTION_RULES:
            if counts.get(rule.name):
                echo(f"{counts[rule.name]:>7}  {rule.name:<10} {rule.data}: {rule.days} days since {rule.counted_from}")
        total = sum(counts.values())
        echo(f"{total:>7}  reports are past their retention. {len(retention.list_holds(database))} are held.")
        if not really:
            echo("Nothing was deleted. Next: tokaut purge --delete" if total else "There is nothing to delete.")
            return
        _refuse_clock_jump(database)
        echo(f"{_delete(due, total)} deleted.")
        if database.is_sqlite and not maintenance.compact(database):
            echo("The files could not be written anew yet (no room for a copy, or somebody reads). Run it again.")


def _delete(due: Purge, total: int) -> int:
    deleted = 0
    with Progress(transient=True, console=Console(stderr=True)) as progress:
        task = progress.add_task("deleting", total=total)
        while count := due.step().total():
            deleted += count
            progress.update(task, completed=deleted, total=max(total, deleted))
        while due.purge_copies():
            pass
        due.delete_old_receipts()
    return deleted


def _refuse_clock_jump(database: Database) -> None:
    """Refuse to delete if this host's clock may be wrong: a clock years ahead would delete everything.

    The lease of the clock process shows whether it is.
    """
    lease_end = leases.held_until(database, "clock")
    if lease_end is None or abs(database.now() - lease_end) > DAY:
        raise CommandError(
            "No clock has run here within a day of this host's time. Either the time is wrong, or the clock process "
            "stands still. Start it; a day later it deletes what is over, and this command does."
        )


def _policy() -> RetentionPolicy:
    common = load_settings(CommonSettings, os.environ)
    return retention_policy(load_countries(common.countries, common.mode, common.country_dir))
