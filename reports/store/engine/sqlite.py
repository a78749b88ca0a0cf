"""Write transactions of SQLite, which has a single writer.

The threads of a process queue for it; processes retry its lock so often that none starves; and no reporter waits for a
disk that hangs.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Transaction
from sqlalchemy.exc import SQLAlchemyError

from runtime.deadline import DeadlineExceeded, DeadlinePool, PoolSaturated

QUEUE_SECONDS = 0.5
BACKGROUND_QUEUE_SECONDS = 5.0
COMMIT_SECONDS = 1.0
LOCK_SECONDS = 1.0  # how long one process waits for the lock of another
# SQLite's own retries slow down to one every 0.1 s, so that under load newer requests always got the lock first.
LOCK_RETRY_MS = 4
MIN_LOCK_ATTEMPTS = 25  # also for a process that was suspended while it waited
QUEUE_THRESHOLD = 2  # waiting threads of one process
MAX_COMMIT_THREADS = 4  # including commits that hang in the disk


def begin_immediate(connection: Connection) -> None:
    """Take the write lock at the beginning: otherwise a transaction that reads first fails under contention."""
    if not connection.get_execution_options().get("immediate"):
        return
    dbapi_connection: Any = connection.connection.dbapi_connection
    deadline = time.monotonic() + LOCK_SECONDS
    dbapi_connection.execute(f"PRAGMA busy_timeout={LOCK_RETRY_MS}")
    try:
        for attempt in count():
            if attempt >= MIN_LOCK_ATTEMPTS and time.monotonic() >= deadline:
                break
            try:
                dbapi_connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:  # errors other than BUSY are raised again below, by SQLAlchemy
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    break
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises SQLAlchemy's exception, which callers know
    finally:
        dbapi_connection.execute(f"PRAGMA busy_timeout={int(LOCK_SECONDS * 1000)}")


def is_read_only(error: SQLAlchemyError) -> bool:
    """Return whether a write was refused because the file was opened read-only.

    SQLite opens a file on a read-only disk in this way, and the connection stays read-only when the disk is writable
    again.
    """
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return bool(code & 0xFF == sqlite3.SQLITE_READONLY)


class FileReplaced(Exception):
    """The database file was deleted or replaced after this process opened it."""


class DatabaseFile:
    """Detect that the file at the database's path is no longer the file that this process has open.

    An open descriptor outlives its file: SQLite continues to commit to a deleted database without an error, and all
    that is lost when the last process closes it.
    """

    def __init__(self, name: str | None) -> None:
        """Watch the file `name`; None or ":memory:" means a database without a file."""
        self._path = Path(name) if name and name != ":memory:" else None
        self._wal = Path(f"{name}-wal")
        self._opened: tuple[int, int] | None = None  # device and inode

    def opened(self) -> None:
        """Remember which file the first connection opened."""
        if self._path and self._opened is None:
            self._opened = _identity(self._path)

    def forget(self) -> None:
        """Accept the file that the next connection opens, even if it is another one."""
        self._opened = None

    def check(self) -> None:
        """Raise FileReplaced if another file, or none, is at the path now."""
        if self._path and self._opened and _identity(self._path) != self._opened:
            raise FileReplaced

    def check_committed(self) -> None:
        """Raise FileReplaced after a commit also if the write-ahead log, which holds the commit first, is gone."""
        self.check()
        if self._path and _identity(self._wal) is None:
            raise FileReplaced


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode; None if there is no such file or the disk does not answer."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class SQLiteWriter:
    """The write transactions of one process, one at a time.

    `is_background`: no reporter waits meanwhile, so a commit may take as long as the disk needs.
    """

    def __init__(self, engine: Engine, file: DatabaseFile, *, is_background: bool) -> None:
        self._engine = engine
        self._file = file
        self._is_background = is_background
        self._write_lock = threading.Lock()
        self._waiting: list[bool] = []  # a list, since append and pop need no lock
        self._io_pool = DeadlinePool(MAX_COMMIT_THREADS)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a write transaction, committed when the block ends.

        Raises DeadlineExceeded if the outcome is unknown or the transaction never began, and FileReplaced.
        """
        with self._in_turn():
            self._file.check()
            connection = self._engine.connect().execution_options(immediate=True)
            try:
                transaction = connection.begin()
                yield connection
            except BaseException:
                connection.close()  # rolls back
                raise
            self._commit(connection, transaction)

    def close(self) -> None:
        """Stop the threads that commit."""
        self._io_pool.close()

    @property
    def has_write_queue(self) -> bool:
        """Return whether too many threads wait to write, so that optional writes should be skipped."""
        return len(self._waiting) >= QUEUE_THRESHOLD

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Queue for the writer within the process: by retrying SQLite's lock alone, some threads would starve."""
        self._waiting.append(True)
        try:
            if not self._write_lock.acquire(timeout=BACKGROUND_QUEUE_SECONDS if self._is_background else QUEUE_SECONDS):
                raise DeadlineExceeded
        finally:
            self._waiting.pop()
        try:
            yield
        finally:
            self._write_lock.release()

    def _commit(self, connection: Connection, transaction: Transaction) -> None:
        def commit() -> None:
            try:
                transaction.commit()
                self._file.check_committed()
            finally:
                connection.close()

        if self._is_background:
            commit()
            return
        try:
            self._io_pool.within(COMMIT_SECONDS, commit)
        except PoolSaturated:
            connection.close()  # otherwise it would hold SQLite's lock until garbage collection
            raise
