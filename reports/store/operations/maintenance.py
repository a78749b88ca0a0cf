"""Copies of the embedded database while everything runs, and the way back. PostgreSQL has tools of its own for both.

Never `cp`: what was committed last stands in the WAL beside the file, and a copy of one without the other is torn.
"""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from reports.store.engine.database import Database
from runtime import filesystem
from runtime.settings.installation import sqlite_file

MARKER_NAME = "last-backup"  # a file whose age is the backup's
PAGES_PER_STEP = 256  # of 4 KiB, a step: between two of them a progress bar moves
SHARED_LOCK = (0x40000002, 510)  # the bytes that SQLite locks while a database in WAL mode is open (its source, os.h)
FILE_SUFFIXES = ("", "-wal", "-shm", "-journal")  # what SQLite keeps with a database


class BackupError(Exception):
    """It was not made, or cannot be used. One line that says why and what to do."""


def copy_database(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """A whole, checked copy of one moment, on the disk when this returns. Raises NoBackup."""
    part = target.with_name(target.name + ".part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(_open(source, "ro")) as here, closing(sqlite3.connect(part, isolation_level=None)) as there:
            with _one_moment(here):
                here.backup(
                    there, pages=PAGES_PER_STEP, progress=lambda _, remaining, total: progress(total - remaining, total)
                )
            there.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        filesystem.sync(part)
        check_backup(part)
        part.rename(target)
        filesystem.sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"The copy could not be made ({_why(error)}); nothing of it was kept.") from None
    finally:
        part.unlink(missing_ok=True)


def check_backup(path: Path) -> str:
    """The mode for which the database was made. Raises NoBackup where it cannot be read, is none of ours or damaged."""
    try:
        path.open("rb").close()
    except OSError as error:
        hint = "nothing is known of what is in it. Correct the path, or give this account a copy that it may read."
        raise BackupError(f"{path} cannot be read ({_why(error)}): {hint}") from None
    try:
        with closing(_open(path, "ro")) as here:
            found = [row[0] for row in here.execute("PRAGMA integrity_check(3)")]
            (mode,) = here.execute("SELECT mode FROM made_for").fetchone()
    except (OSError, sqlite3.Error, TypeError) as error:
        raise BackupError(f"{path} is no whole database of Tokaut ({_why(error)}). Take an older one.") from None
    if found != ["ok"]:
        raise BackupError(f"{path} is damaged ({found[0]}). Take an older one.")
    return str(mode)


def is_in_use(database: Path) -> bool:
    """Whether another process has it open. Looks at the locks alone: a broken one must not be touched."""
    try:
        with database.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_LOCK[1], SHARED_LOCK[0])
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def restore_backup(backup: Path, database: Path) -> Path | None:
    """In the place of the database, which is put aside whole; returns where. Raises NoBackup.

    An old WAL left beside a new file would be played into it.
    """
    part = database.with_name(database.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with backup.open("rb") as here, os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as there:
            shutil.copyfileobj(here, there, 1 << 20)
        filesystem.sync(part)
        check_backup(part)
        _as_before(part, database)
        aside = _put_aside(database)
        part.rename(database)
        filesystem.sync(database.parent)
    except OSError as error:
        raise BackupError(f"{database} could not be written ({_why(error)}).") from None
    return aside


def marker_path(address: str, data: Path) -> Path:
    """Beside an embedded database, so that all accounts see it; else in TOKAUT_DATA."""
    embedded = sqlite_file(address)
    return (embedded.parent if embedded else data) / MARKER_NAME


def touch_marker(done: Path) -> None:
    done.unlink(missing_ok=True)  # an older one may belong to another account
    done.touch(mode=0o600)


def backup_age_seconds(done: Path) -> float:
    """Of the last backup, by its mark; infinite where there was none."""
    try:
        return max(0.0, time.time() - done.stat().st_mtime)
    except OSError:
        return math.inf


def _as_before(part: Path, database: Path) -> None:
    """Where accounts share it by a group, whoever restores must not lock them out."""
    if database.exists():
        before = database.stat()
        os.chown(part, before.st_uid if os.getuid() == 0 else -1, before.st_gid)
        part.chmod(before.st_mode & 0o777)


def _put_aside(database: Path) -> Path | None:
    if not database.exists():
        return None
    aside = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    for ending in FILE_SUFFIXES:
        if (old := database.with_name(database.name + ending)).exists():
            old.rename(aside.with_name(aside.name + ending))
    return aside


@contextmanager
def _one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Within a read of its own the copy does not begin anew at each commit of others."""
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    yield
    connection.execute("COMMIT")


def _open(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={how}", uri=True, isolation_level=None, timeout=5)


def _why(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)


# After a purge: lets nothing of it stay in the files of the embedded database.
#
# `secure_delete` overwrites what is deleted, but a row that SQLite has moved may leave a copy in the gaps of a page:
# some were found there. VACUUM writes every page anew; then the WAL is emptied. PostgreSQL looks after its own files,
# and this promises nothing of them.


def compact(database: Database) -> bool:
    """True: done. False: PostgreSQL, a disk without room for a second copy, or a reader in the way: later. Raises
    DatabaseUnavailable.

    Nobody else writes meanwhile: some seconds for a gigabyte, in which web keeps what is sent in the spool.
    """
    file = Path(database.engine.url.database or "")
    if not database.is_sqlite or not file.exists() or _lacks_room(file):
        return False
    with database.read() as connection:  # outside a transaction, as VACUUM must be
        connection.exec_driver_sql("VACUUM")
        busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    return not busy


def _lacks_room(file: Path) -> bool:
    return shutil.disk_usage(file.parent).free < 3 * file.stat().st_size  # a copy, and the WAL that brings it back
