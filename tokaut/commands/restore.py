"""`tokaut restore`: replace the database by a backup. The old one is renamed and never deleted."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from reports.erasure_journal import FOLDER_NAME, KEEP_DAYS, journal_folder, missing_copies
from reports.store.operations.maintenance import (
    check_backup,
    count_missing,
    is_in_use,
    lock_copies,
    newest_entry,
    restore_backup,
)
from runtime.hardening import harden
from runtime.settings import InstallationSettings
from runtime.time_units import DAY, SECOND
from tokaut.commands.backup import embedded_database, ended_by_sigterm
from tokaut.database import installation_settings
from tokaut.terminal import CommandError, echo

PROCESSES: Final = "web, urgent, standard, clock and console"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Replace the embedded database by the backup FILE.

    Stop all five processes first. The current database is renamed, and never deleted. What was delivered after the
    backup is sent again. A hotline knows a repeat by its idempotency key, or by report_id and revision. Reports that
    came after the backup and were neither delivered nor in the spool are lost.

    \b
    Example:  tokaut restore /mnt/backup/live-20270102T030405.000000Z.tokaut.db

    Next: `tokaut migrate`, `tokaut check`, then start web, which deletes again what reporters deleted since the backup.
    Start clock, workers and console only after that.
    """
    harden()
    try:
        settings = installation_settings()
        database = embedded_database(settings)
        _refuse_other_mode(check_backup(file), settings)
        newest = newest_entry(file)
        if is_in_use(database):
            raise CommandError(f"{database} is in use. Stop {PROCESSES}, then run this again.")
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ended_by_sigterm(), lock_copies(database) as is_alone:
            if not is_alone:
                raise CommandError(f"A backup or restore of {database} runs. Wait until it has ended.")
            missing = count_missing(database, file) if database.exists() else None
            aside = restore_backup(file, database)
    except OSError as error:
        raise CommandError(
            f"{error.filename or database} cannot be used ({error.strerror}). Correct TOKAUT_DATA or DATABASE_URL, or "
            "run this under an account that may write it."
        ) from None
    echo(f"{database} has been replaced by the backup {file.name}{_time_of(newest)}.")
    if aside:
        echo(f"What was there is kept as {aside}. Delete it within {KEEP_DAYS} days, and its -wal if there is one.")
    if missing and missing[0]:
        echo(
            f"{missing[0]} reports in it are not in the backup, and no hotline has received {missing[1]} of them. If "
            f"it is sound, undo this before anything starts: tokaut restore {aside}"
        )
    _warn_of_deletions(settings, file, newest)
    echo("Next: tokaut migrate, tokaut check, start web and wait for its line erasures_applied, then start the others.")


def _refuse_other_mode(mode: str, settings: InstallationSettings) -> None:
    if mode != settings.mode:
        raise CommandError(f"This is a backup of {mode} mode, and TOKAUT_MODE is {settings.mode}. The two never mix.")


def _time_of(newest: int) -> str:
    at = datetime.fromtimestamp(newest // SECOND, UTC)
    return f", whose newest entry is from {at:%Y-%m-%d %H:%M} UTC" if newest else ""


def _warn_of_deletions(settings: InstallationSettings, file: Path, newest: int) -> None:
    """Say what web cannot delete again: deletions before the journal begins, or in a journal that it does not have."""
    if 0 < newest < time.time_ns() // 1000 - KEEP_DAYS * DAY:
        echo(f"It is older than {KEEP_DAYS} days: reports come back that were deleted before the journal begins.")
    copies, journal = file.absolute().parent / FOLDER_NAME, journal_folder(settings.database_url, settings.data)
    with suppress(OSError):
        if copies != journal and (missing := missing_copies(copies, journal)):
            echo(
                f"{len(missing)} files of the journal of deletions in {copies} are not in {journal}. Copy them before "
                "web starts, or what reporters deleted comes back (docs/operating/restore.md)."
            )
