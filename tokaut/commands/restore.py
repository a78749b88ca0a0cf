"""`tokaut restore`: replace the database by a backup. The old one is renamed and never deleted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from reports.store.operations.maintenance import check_backup, is_in_use, lock_copies, restore_backup
from runtime.hardening import harden
from runtime.settings import InstallationSettings, load_settings
from tokaut.commands.backup import embedded_database, ended_by_sigterm
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
        settings = load_settings(InstallationSettings, os.environ)
        database = embedded_database(settings)
        _refuse_other_mode(check_backup(file), settings)
        if is_in_use(database):
            raise CommandError(f"{database} is in use. Stop {PROCESSES}, then run this again.")
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ended_by_sigterm(), lock_copies(database) as is_alone:
            if not is_alone:
                raise CommandError(f"A backup or restore of {database} runs. Wait until it has ended.")
            aside = restore_backup(file, database)
    except OSError as error:
        raise CommandError(
            f"{error.filename or database} cannot be used ({error.strerror}). Correct TOKAUT_DATA or DATABASE_URL, or "
            "run this under an account that may write it."
        ) from None
    echo(f"{database} has been replaced by the backup {file.name}.")
    if aside:
        echo(f"What was there is kept as {aside}.")
    echo("Next: tokaut migrate, tokaut check, start web and wait for its line erasures_applied, then start the others.")


def _refuse_other_mode(mode: str, settings: InstallationSettings) -> None:
    if mode != settings.mode:
        raise CommandError(f"This is a backup of {mode} mode, and TOKAUT_MODE is {settings.mode}. The two never mix.")
