"""SQLite has one writer. The threads of a process queue for it here, processes ask for it so often that none waits in
vain, and a disk that hangs holds up no caller.
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
LOCK_SECONDS = 1.0  # that one process waits for the others
LOCK_RETRY_MS = (
    4  # SQLite itself asks ever more seldom, each 0.1 s in the end: under load who came late was always faster
)
MIN_LOCK_ATTEMPTS = 25  # times, also by who was frozen while it waited: all that time others had it
QUEUE_THRESHOLD = 2  # threads of one process
MAX_COMMIT_THREADS = 4  # commits that hang in the disk


def begin_immediate(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes fails under contention otherwise."""
    if not connection.get_execution_options().get("immediate"):
        return
    line: Any = connection.connection.dbapi_connection
    until = time.monotonic() + LOCK_SECONDS
    line.execute(f"PRAGMA busy_timeout={LOCK_RETRY_MS}")
    try:
        for asked in count():
            if asked >= MIN_LOCK_ATTEMPTS and time.monotonic() >= until:
                break
            try:
                line.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:  # nobody above knows the driver's own: what is no lock is asked again below
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    break
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises what SQLAlchemy makes of it
    finally:
        line.execute(f"PRAGMA busy_timeout={int(LOCK_SECONDS * 1000)}")


def is_read_only(error: SQLAlchemyError) -> bool:
    """Return whether a write was refused because the file was opened for reading alone.

    SQLite opens a file on a read-only disk so, and the connection stays so once the disk is writable again.
    """
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return bool(code & 0xFF == sqlite3.SQLITE_READONLY)


class FileReplaced(Exception):
    """The database file was deleted or replaced after this process opened it."""


class DatabaseFile:
    """Detects that the file at the database's path is no longer the file that this process has open.

    An open descriptor outlives its file: SQLite goes on committing to a deleted database without an error, and all of
    it is gone when the last process closes it.
    """

    def __init__(self, name: str | None) -> None:
        """Watch the file `name`; None or ":memory:" is a database without a file."""
        self._path = Path(name) if name and name != ":memory:" else None
        self._wal = Path(f"{name}-wal")
        self._opened: tuple[int, int] | None = None  # device and inode

    def opened(self) -> None:
        """Remember which file the first connection opened."""
        if self._path and self._opened is None:
            self._opened = _identity(self._path)

    def forget(self) -> None:
        """Accept whichever file the next connection opens."""
        self._opened = None

    def check(self) -> None:
        """Raises FileReplaced if another file, or none, is at the path now."""
        if self._path and self._opened and _identity(self._path) != self._opened:
            raise FileReplaced

    def check_committed(self) -> None:
        """Check after a commit, which is in the write-ahead log first. Raises FileReplaced."""
        self.check()
        if self._path and _identity(self._wal) is None:
            raise FileReplaced


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode; None where there is no such file or the disk does not answer."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class SQLiteWriter:
    """`patient`: nobody holds a phone meanwhile, so the disk may take as long as it does."""

    def __init__(self, engine: Engine, file: DatabaseFile, *, patient: bool) -> None:
        self._engine = engine
        self._file = file
        self._patient = patient
        self._turn = threading.Lock()
        self._waiting: list[bool] = []  # a list, for appending to one and popping from it need no lock
        self._io_pool = DeadlinePool(MAX_COMMIT_THREADS)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction. Raises TooSlow where nobody knows what becomes of it, or it never began; FileReplaced."""
        with self._in_turn():
            self._file.check()
            connection = self._engine.connect().execution_options(immediate=True)
            try:
                transaction = connection.begin()
                yield connection
            except BaseException:
                connection.close()  # which rolls back
                raise
            self._commit(connection, transaction)

    def close(self) -> None:
        """End the threads that commit."""
        self._io_pool.close()

    @property
    def has_write_queue(self) -> bool:
        """Whether so many wait that whoever can do without should not."""
        return len(self._waiting) >= QUEUE_THRESHOLD

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Who finds SQLite's lock taken asks again after a while: under load some threads would never get theirs."""
        self._waiting.append(True)
        try:
            if not self._turn.acquire(timeout=BACKGROUND_QUEUE_SECONDS if self._patient else QUEUE_SECONDS):
                raise DeadlineExceeded
        finally:
            self._waiting.pop()
        try:
            yield
        finally:
            self._turn.release()

    def _commit(self, connection: Connection, transaction: Transaction) -> None:
        def commit() -> None:
            try:
                transaction.commit()
                self._file.check_committed()
            finally:
                connection.close()

        if self._patient:
            commit()
            return
        try:
            self._io_pool.within(COMMIT_SECONDS, commit)
        except PoolSaturated:
            connection.close()  # or it would hold SQLite's lock until the garbage is collected
            raise
