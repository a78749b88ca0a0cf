"""`tokaut backup`: a copy of the database while everything runs, on another medium than the keys."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import Progress

from reports.crypto.key_files import readable_private_keys
from reports.retention.erasure_journal import FOLDER_NAME, copy_journal, journal_folder
from reports.store.operations.maintenance import BackupError, copy_database, marker_path, touch_marker
from runtime.hardening import harden
from runtime.settings import InstallationSettings, SettingError, load_settings
from tokaut.cli import CommandError
from tokaut.terminal import echo

LEAST_FREE = 200 << 20  # bytes that stay free beside the copy
ENDING = ".tokaut.db"
ROOM = "Take older copies to another disk, or name a larger one."
SECRET_FILES = (
    "TOKAUT_STORE_KEY_FILE",
    "TOKAUT_CONSOLE_KEY_FILE",
    "TOKAUT_SESSION_KEY_FILE",
    "TOKAUT_PHONE_PEPPER_FILE",
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--days", default=35, show_default=True, help="Copies older than this are deleted; 0 keeps them all.")
def backup(folder: Path, days: int) -> None:
    """Copy the embedded database into FOLDER, while everything runs.

    The copy is one moment, checked before it gets its name: <mode>-<time>.tokaut.db. Keys are never in it, and FOLDER
    must be where no key is: who finds both can read every report. Nor is the spool: it belongs to its host's disk.
    The journal of deletions and opt-outs goes into FOLDER/erasures.
    Run it each 15 minutes, then take FOLDER to another disk; tokaut-backup.timer does the first.

    \b
    Example:  tokaut backup /mnt/backup

    Next: `tokaut check` says how old the last one is. The way back: `tokaut restore <file>`.
    """
    harden()
    try:
        place = load_settings(InstallationSettings, os.environ)
        database = embedded_database(place)
        if not database.exists():
            raise CommandError(
                f"There is no database {database}, so nothing was copied. `tokaut check` says what to do."
            )
        _refuse_keys(folder.absolute(), place)
        made = _make(place, database, folder)
        touch_marker(marker_path(place.database_url, place.data))
    except (SettingError, BackupError) as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(
            f"{folder} cannot be used ({error.strerror}). Name a folder that this account may write."
        ) from None
    echo(f"{made}  {made.stat().st_size / 1e6:.1f} MB, whole")
    _copy_journal(place, folder)
    if days and (old := _delete_older(folder, place.mode, days)):
        echo(f"{old} older than {days} days deleted.")
    if folder.stat().st_dev == place.data.stat().st_dev:
        echo("This is the disk of the database itself. Take the copy to another one.")


def _copy_journal(place: InstallationSettings, folder: Path) -> None:
    """The copy of the database is whole without it, so a fault here does not refuse that."""
    journal = journal_folder(place.database_url, place.data)
    try:
        copy_journal(journal, folder / FOLDER_NAME)
    except OSError as error:
        echo(f"{journal}, the journal of deletions, was not copied ({error.strerror}). May this account read it?")


def embedded_database(place: InstallationSettings) -> Path:
    """The file of the embedded database. Raises Plain where it is PostgreSQL."""
    if found := place.database_file:
        return found
    raise CommandError(
        "The database is PostgreSQL, which has its own tools: docs/operating/restore.md has the commands."
    )


def _refuse_keys(folder: Path, place: InstallationSettings) -> None:
    """Database and keys never on one medium."""
    keys = place.keys.absolute()
    if folder == keys or keys in folder.parents or folder in keys.parents or folder == place.data.absolute():
        raise CommandError(f"{folder} and the keys in {keys} are one place. Name a folder on another disk.")
    for name in SECRET_FILES:
        secret = os.environ.get(name, "").strip()
        if secret and folder in Path(secret).absolute().parents:
            raise CommandError(f"{secret} ({name}) lies in {folder}. Keys and backups are never kept together.")
    if folder.is_dir():
        for path in readable_private_keys(folder):
            raise CommandError(f"{path} is a private key. Keys and backups are never kept together: take it away.")


def _make(place: InstallationSettings, database: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if shutil.disk_usage(folder).free < database.stat().st_size + LEAST_FREE:
        megabytes = database.stat().st_size // 1_000_000
        raise CommandError(f"{folder} has too little room for the database ({megabytes} MB). {ROOM}")
    target = folder / f"{place.mode.value}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{ENDING}"
    with Progress(transient=True, disable=not sys.stdout.isatty()) as shown:
        bar = shown.add_task("copying", total=None)
        copy_database(database, target, lambda done, total: shown.update(bar, completed=done, total=total))
    return target


def _delete_older(folder: Path, mode: str, days: int) -> int:
    """Only our own, and only when a new one stands: what was purged is then gone after so many days."""
    before = time.time() - days * 86_400
    old = [path for path in folder.glob(f"{mode}-*{ENDING}") if path.stat().st_mtime < before]
    for path in old:
        path.unlink()
    return len(old)
