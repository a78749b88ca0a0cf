"""`tokaut backup`: copy the database while everything runs, to another medium than that of the keys."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import Progress

from reports.crypto.key_files import readable_private_keys
from reports.erasure_journal import FILE_SUFFIX, FOLDER_NAME, copy_journal, journal_folder
from reports.store.operations.maintenance import (
    FILE_SUFFIXES,
    PART_ENDING,
    copy_database,
    delete_unfinished_restore,
    lock_copies,
    marker_path,
    share_folder,
    touch_marker,
)
from runtime.hardening import harden
from runtime.operator_error import OperatorError
from runtime.settings import InstallationSettings, Mode
from runtime.time_units import DAY_SECONDS
from tokaut.database import installation_settings
from tokaut.terminal import CommandError, echo

MIN_FREE_BYTES = 200 << 20  # bytes that must stay free beside the copy
MAX_DAYS = 36_500
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
@click.option(
    "--days",
    default=35,
    show_default=True,
    type=click.IntRange(0, MAX_DAYS),
    help="Copies older than this are deleted, once one is from the days since; 0 keeps them all.",
)
def backup(folder: Path, days: int) -> None:
    """Copy the embedded database into FOLDER, while everything runs.

    The copy shows the database at one moment, and is checked before it gets its name: <mode>-<time>.tokaut.db. It never
    contains keys, and FOLDER must be where no key is: anyone who finds both can read every report. It does not contain
    the spool, which stays on the disk of its host. The journal of deletions and opt-outs is copied to FOLDER/erasures.
    Run this every 15 minutes (tokaut-backup.timer does), then copy FOLDER to another disk.

    \b
    Example:  tokaut backup /mnt/backup

    Next: `tokaut check` says how old the last backup is. To go back to one: `tokaut restore <file>`.
    """
    harden()
    faults: list[str] = []  # what was not done, though the copy was made
    try:
        settings = installation_settings()
        database = embedded_database(settings)
        if not database.exists():
            raise CommandError(
                f"There is no database {database}, so nothing was copied. `tokaut check` says what to do."
            )
        if database.is_dir() or not os.access(database, os.R_OK):
            cause = "it is a directory" if database.is_dir() else "this account may not read it"
            raise CommandError(f"The database {database} cannot be copied: {cause}. Nothing was copied.")
        _refuse_keys(_real(folder), settings)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ended_by_sigterm(), _locked(database, folder, settings.mode, faults):
            faults += _copy_journal(settings, folder)
            copy = _copy(settings, database, folder)
        touch_marker(marker_path(settings.database_url, settings.data))
    except OperatorError as error:
        raise CommandError("\n".join((*faults, str(error)))) from None
    except OSError as error:
        cause = f"{folder} cannot be used ({error.strerror}). Name a folder that this account may write."
        raise CommandError("\n".join((*faults, cause))) from None
    echo(f"{copy}  {copy.stat().st_size / 1e6:.1f} MB, checked")
    if days:
        _delete_older(copy, settings.mode, days, faults)
    if folder.stat().st_dev == database.stat().st_dev:
        echo("This is the disk of the database itself. Take the copy to another one.")
    if faults:
        raise CommandError("\n".join(faults))


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """End with status 143 at SIGTERM, but first delete the files that are not complete."""
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _locked(database: Path, folder: Path, mode: Mode, faults: list[str]) -> Iterator[None]:
    """Delete what a backup or restore left that was killed, then hold the locks of the database and of the folder.

    Another backup may run, also one of another installation that copies to the same folder: its files stay. What cannot
    be deleted is added to `faults`.
    """
    with ExitStack() as stack:
        is_one_folder = folder.samefile(database.parent)  # and one lock
        is_alone = is_one_folder or stack.enter_context(lock_copies(database))

        def delete_leftovers(min_age: float) -> None:
            if is_alone:
                _delete_leftovers(folder, mode, min_age, faults)
            if is_one_folder and not min_age:
                delete_unfinished()

        def delete_unfinished() -> None:
            try:
                delete_unfinished_restore(database)
            except OSError as error:
                faults.append(_not_deleted(Path(error.filename or database), error))

        if is_alone and not is_one_folder:
            delete_unfinished()
        stack.enter_context(share_folder(folder, delete_leftovers))
        yield


def _delete_leftovers(folder: Path, mode: Mode, min_age: float, faults: list[str]) -> None:
    """Delete what a backup left that was killed: it may contain reports that were purged since."""
    endings = "|".join(FILE_SUFFIXES)
    left = _written(folder, f"{_copy_name(mode)}{re.escape(PART_ENDING)}({endings})")
    left += _written(folder / FOLDER_NAME, rf"\d{{8}}-.*{re.escape(FILE_SUFFIX + PART_ENDING)}")
    now = time.time()
    _delete_each(left, lambda path: not min_age or now - path.stat().st_mtime > min_age, faults)


def _delete_each(paths: Iterable[Path], is_old: Callable[[Path], bool], faults: list[str]) -> int:
    """Delete the old ones of these files, and return their number. One that cannot be deleted is added to `faults`."""
    deleted = 0
    for path in paths:
        try:
            if is_old(path):
                path.unlink()
                deleted += 1
        except FileNotFoundError:
            continue
        except OSError as error:
            faults.append(_not_deleted(path, error))
    return deleted


def _not_deleted(path: Path, error: OSError) -> str:
    return (
        f"{path} could not be deleted ({error.strerror}). It may contain reports that were purged since: delete it, or "
        "let this account delete it."
    )


def _copy_name(mode: Mode) -> str:
    """Return the pattern of the names that `_copy` gives."""
    return rf"{mode}-\d{{8}}T\d{{6}}\.\d{{6}}Z{re.escape(ENDING)}"


def _written(folder: Path, pattern: str) -> list[Path]:
    """Return the files in a folder whose whole name is like the pattern; nothing else there was written by a backup."""
    named = [path for path in folder.glob("*") if re.fullmatch(pattern, path.name)]
    return [path for path in named if path.is_file() and not path.is_symlink()]


def _copy_journal(settings: InstallationSettings, folder: Path) -> list[str]:
    """Copy the journal of deletions, and return what was not done; the database is copied without it, too."""
    journal, copies = journal_folder(settings.database_url, settings.data), folder / FOLDER_NAME
    try:
        faults = copy_journal(journal, copies, time.time_ns() // 1000)
    except OSError as error:
        return [_not_copied(journal, copies, error)]
    not_copied = [_not_copied(path, copies, error) for path, error in faults.not_copied.items()]
    return [*not_copied, *(_not_deleted(path, error) for path, error in faults.not_deleted.items())]


def _not_copied(path: Path, copies: Path, error: OSError) -> str:
    return (
        f"{path}, the journal of deletions, was not copied ({error.strerror}). May this account read it, and write "
        f"{copies}?"
    )


def embedded_database(place: InstallationSettings) -> Path:
    """Return the file of the embedded database. Raises CommandError if the database is PostgreSQL."""
    if file := place.database_file:
        return file
    raise CommandError(
        "The database is PostgreSQL, which has its own tools: docs/operating/restore.md has the commands."
    )


def _real(path: Path) -> Path:
    """Return where a path leads, without links."""
    return Path(os.path.realpath(path))


def _refuse_keys(folder: Path, settings: InstallationSettings) -> None:
    """Refuse a folder with keys. Database and keys must never be on one medium."""
    keys = _real(settings.keys)
    if folder == keys or keys in folder.parents or folder in keys.parents or folder == _real(settings.data):
        raise CommandError(f"{folder} and the keys in {keys} are one place. Name a folder on another disk.")
    for name in SECRET_FILES:
        secret = os.environ.get(name, "").strip()
        if secret and folder in (*_real(Path(secret)).parents, _real(Path(secret).parent)):
            raise CommandError(f"{secret} ({name}) is in {folder}. Keys and backups are never kept together.")
    if folder.is_dir():
        for path in readable_private_keys(folder):
            raise CommandError(f"{path} is a private key. Keys and backups are never kept together: take it away.")


def _copy(settings: InstallationSettings, database: Path, folder: Path) -> Path:
    if shutil.disk_usage(folder).free < database.stat().st_size + MIN_FREE_BYTES:
        megabytes = database.stat().st_size // 1_000_000
        raise CommandError(f"{folder} has too little room for the database ({megabytes} MB). {ROOM}")
    target = folder / f"{settings.mode}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{ENDING}"
    with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("copying", total=None)
        copy_database(database, target, lambda done, total: progress.update(task, completed=done, total=total))
    return target


def _delete_older(copy: Path, mode: Mode, days: int, faults: list[str]) -> None:
    """Delete the copies of this mode beside `copy` that are older.

    Called only once a new copy is complete. So purged reports are gone from the backups after that many days. None is
    deleted while there is no copy of a day to `days` before: the clock may have jumped.
    """
    now, ages = time.time(), dict[Path, float]()
    for path in _written(copy.parent, _copy_name(mode)):
        with suppress(FileNotFoundError):  # another backup has deleted it
            ages[path] = now - path.stat().st_mtime
    old = [path for path, age in ages.items() if path != copy and age > days * DAY_SECONDS]
    if old and not any(DAY_SECONDS <= age <= (days + 1) * DAY_SECONDS for age in ages.values()):
        echo(f"{len(old)} older than {days} days stay: no copy is from the days since. Is this host's time right?")
    elif deleted := _delete_each(old, lambda _: True, faults):
        echo(f"{deleted} older than {days} days deleted.")
