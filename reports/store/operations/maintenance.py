"""Back up, restore and compact the embedded database. PostgreSQL has its own tools.

A backup may be made while all processes run. Never use `cp`: the latest commits are in the WAL beside the file, and a
copy of one without the other is damaged.
"""

from __future__ import annotations

import fcntl
import glob
import math
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from reports.store.engine.database import Database
from runtime import filesystem
from runtime.operator_error import OperatorError
from runtime.settings.processes import sqlite_file

MARKER_NAME = "last-backup"  # a file whose age is the age of the last backup
PAGES_PER_STEP = 256  # pages of 4 KiB; the progress bar moves after each step
SHARED_LOCK = (0x40000002, 510)  # the bytes that SQLite locks while a database in WAL mode is open (its source, os.h)
PART_ENDING = ".part"  # of a file that is not complete yet
MAX_SKEW_SECONDS = 60  # of a marker on another computer's disk
LEFTOVER_AGE = 86_400  # seconds; no copy is written for so long
OLD_ENDING = ".before-"  # of a database that a restore has moved; the time of the restore follows
FILE_SUFFIXES = ("", "-wal", "-shm", "-journal")  # the files of an SQLite database


class BackupError(OperatorError):
    """A backup could not be made or used. The message is one line with the reason and the remedy."""


def copy_database(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Make a consistent, checked copy that is on the disk when this returns. Raises BackupError.

    `progress` is called with the pages that are done and all pages.
    """
    part = target.with_name(target.name + PART_ENDING)
    try:
        _write_copy(source, part, progress)
        check_backup(part)
        part.rename(target)
        filesystem.sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"The copy could not be made ({_reason(error)}); the incomplete copy was deleted.") from None
    finally:
        _delete_database(part)


@contextmanager
def lock_copies(database: Path) -> Iterator[bool]:
    """Hold the lock of backups and restores of a database. Yields False without it: another one of them runs."""
    try:
        descriptor = os.open(database.parent, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except OSError:
            is_alone = False
        yield is_alone
    finally:
        os.close(descriptor)


@contextmanager
def share_folder(folder: Path, delete_leftovers: Callable[[float], None]) -> Iterator[None]:
    """Hold a shared lock of a folder of backups, so that no other backup deletes what this one is writing.

    Before that `delete_leftovers` is called with the age in seconds from which a file there is surely nobody's: 0 while
    no other backup writes to the folder, a day where the file system has no such lock. Raises OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            min_age: float | None = 0
        except BlockingIOError:
            min_age = None
        except OSError:
            min_age = LEFTOVER_AGE
        if min_age is not None:
            delete_leftovers(min_age)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def delete_unfinished_restore(database: Path) -> None:
    """Delete what a restore left that was killed. Call it under `lock_copies`. Raises OSError."""
    _delete_database(database.with_name(database.name + PART_ENDING))


def _write_copy(source: Path, part: Path, progress: Callable[[int, int], None]) -> None:
    """Copy a database with the commits in its WAL into a new file, and sync it. Raises OSError and sqlite3.Error."""
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_open(source, "ro")) as origin, closing(sqlite3.connect(part, isolation_level=None)) as destination:
        with _snapshot(origin):
            origin.backup(
                destination,
                pages=PAGES_PER_STEP,
                progress=lambda _, remaining, total: progress(total - remaining, total),
            )
        destination.execute("PRAGMA journal_mode=DELETE")  # a single file without a WAL
    filesystem.sync(part)


def _delete_database(path: Path) -> None:
    for suffix in FILE_SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def check_backup(path: Path) -> str:
    """Check a backup and return the mode for which its database was made.

    Raises BackupError if it cannot be read, is damaged, or is not a database of Tokaut.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        hint = "nothing is known of what is in it. Correct the path, or give this account a copy that it may read."
        raise BackupError(f"{path} cannot be read ({_reason(error)}): {hint}") from None
    try:
        with closing(_open(path, "ro")) as origin:
            problems = [row[0] for row in origin.execute("PRAGMA integrity_check(3)")]
            (mode,) = origin.execute("SELECT mode FROM made_for").fetchone()
    except (OSError, sqlite3.Error, TypeError) as error:
        raise BackupError(
            f"{path} is not a complete database of Tokaut ({_reason(error)}). Take an older one."
        ) from None
    if problems != ["ok"]:
        raise BackupError(f"{path} is damaged ({problems[0]}). Take an older one.")
    return str(mode)


def newest_entry(path: Path) -> int:
    """Return the time of the newest audit entry of a backup in microseconds; 0 if there is none. Raises BackupError."""
    try:
        with closing(_open(path, "ro")) as origin:
            (newest,) = origin.execute("SELECT max(at) FROM audit").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{path} cannot be read ({error}). Take an older one.") from None
    return int(newest or 0)


_MISSING = """
    WITH stored AS (SELECT report_id FROM main.report UNION SELECT report_id FROM main.pending),
    kept AS (SELECT report_id FROM backup.report UNION SELECT report_id FROM backup.pending),
    received AS (SELECT report_id FROM main.delivery WHERE state = 'delivered')
    SELECT count(*), coalesce(sum(report_id NOT IN received), 0) FROM stored WHERE report_id NOT IN kept
"""


def count_missing(database: Path, backup: Path) -> tuple[int, int] | None:
    """Return how many reports of a database a backup lacks, and how many of those no hotline has received.

    None if the database cannot be read, or is none of Tokaut. Nobody else may have it open.
    """
    has_wal = database.with_name(database.name + "-wal").exists()
    try:
        # Without a WAL a file that is opened as immutable gets none.
        with closing(_open(database, "ro" if has_wal else "ro&immutable=1")) as connection:
            connection.execute("ATTACH ? AS backup", (f"{backup.absolute().as_uri()}?mode=ro",))
            lacking, undelivered = connection.execute(_MISSING).fetchone()
    except (OSError, sqlite3.Error):
        return None
    return lacking, undelivered


def is_in_use(database: Path) -> bool:
    """Return whether another process has the database open. Only tests the lock: a damaged file must not be touched."""
    try:
        with database.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_LOCK[1], SHARED_LOCK[0])
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def restore_backup(backup: Path, database: Path) -> Path | None:
    """Replace the database by a backup. Returns where the old database was moved, None if there was none.

    The backup may be such a moved database; its last commits are in the WAL beside it. The old WAL is moved as well:
    SQLite would apply it to the new file. Call it under `lock_copies`. Raises BackupError.
    """
    part = database.with_name(database.name + PART_ENDING)
    try:
        delete_unfinished_restore(database)
        _write_copy(backup, part, lambda *_: None)
        check_backup(part)
        _copy_ownership(part, database)
        old_path = _move_aside(database)
        part.rename(database)
        filesystem.sync(database.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(
            f"{database} could not be written ({_reason(error)}). Make room there, or run this under an account that "
            "may write it."
        ) from None
    finally:
        _delete_database(part)
    return old_path


def marker_path(address: str, data: Path) -> Path:
    """Return the path of the marker: beside an embedded database, where all accounts see it; else in TOKAUT_DATA."""
    database_file = sqlite_file(address)
    return (database_file.parent if database_file else data) / MARKER_NAME


def touch_marker(marker: Path) -> None:
    """Record that a backup was made now."""
    marker.unlink(missing_ok=True)  # an older one may belong to another account
    marker.touch(mode=0o600)


def backup_age_seconds(marker: Path) -> float:
    """Return the age of the last backup by its marker; infinite if there was none, or one from a time ahead.

    Until that time nobody would notice that no backup is made.
    """
    try:
        age = time.time() - marker.stat().st_mtime
    except OSError:
        return math.inf
    return math.inf if age < -MAX_SKEW_SECONDS else max(0.0, age)


def old_database_files(database: Path) -> list[Path]:
    """Return the files of databases that restores have moved. They contain reports that were deleted since."""
    return sorted(database.parent.glob(f"{glob.escape(database.name)}{OLD_ENDING}*"))


def _copy_ownership(part: Path, database: Path) -> None:
    """Give the new file the owner and mode of the old one: accounts that share it by a group must not be locked out."""
    if database.exists():
        previous = database.stat()
        os.chown(part, previous.st_uid if os.getuid() == 0 else -1, previous.st_gid)
        part.chmod(previous.st_mode & 0o777)


def _move_aside(database: Path) -> Path | None:
    if not database.exists():
        return None
    old_path = database.with_name(f"{database.name}{OLD_ENDING}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for suffix in FILE_SUFFIXES:
        if (old_file := database.with_name(database.name + suffix)).exists():
            old_file.rename(old_path.with_name(old_path.name + suffix))
    return old_path


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold a read transaction, so that the copy does not restart at each commit of other processes."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    yield
    connection.execute("COMMIT")


def _open(path: Path, access: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={access}", uri=True, isolation_level=None, timeout=5)


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)


def compact(database: Database) -> bool:
    """Remove all traces of purged rows from the files of the embedded database.

    `secure_delete` overwrites deleted rows, but a row that SQLite has moved may leave a copy in unused space of a page.
    VACUUM rewrites every page, then the WAL is emptied. This guarantees nothing for PostgreSQL's files. No other
    process can write meanwhile, some seconds for a gigabyte; web stores submissions in the spool.

    Returns False if it was not done: PostgreSQL, no disk space for a second copy, or another reader has the database
    open. Raises DatabaseUnavailable.
    """
    file = Path(database.engine.url.database or "")
    if not database.is_sqlite or not file.exists() or _lacks_space(file):
        return False
    with database.read() as connection:  # outside a transaction, as VACUUM must be
        connection.exec_driver_sql("VACUUM")
        busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    return not busy


def _lacks_space(file: Path) -> bool:
    # VACUUM writes a copy, and then the WAL from which the copy is written back.
    return shutil.disk_usage(file.parent).free < 3 * file.stat().st_size
