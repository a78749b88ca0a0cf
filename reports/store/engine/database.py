"""Connect to the database, SQLite or PostgreSQL, with durable commits and one exception for "unavailable"."""

from __future__ import annotations

import importlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from sqlite3 import Connection as SQLiteConnection
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Table,
    cast,
    create_engine,
    delete,
    event,
    func,
    literal,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.pool import ConnectionPoolEntry

from reports.store.engine import postgresql
from reports.store.engine.sqlite import (
    LOCK_SECONDS,
    DatabaseFile,
    FileReplaced,
    SQLiteWriter,
    begin_immediate,
    is_read_only,
)
from reports.store.engine.time_expressions import deferred_number
from reports.store.engine.timeouts import BACKGROUND, Timeouts
from runtime import event_loop_guard
from runtime.deadline import DeadlineExceeded, request_time
from runtime.operator_error import OperatorError

T = TypeVar("T")


SQLITE_SETTINGS: Mapping[
    str, str | int
] = {  # set on each connection: the file itself stores only the journal mode (sqlite.org/pragma.html)
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk before it returns
    "foreign_keys": 1,
    "busy_timeout": int(LOCK_SECONDS * 1000),
    "cache_size": -512,  # KiB for each connection; web has twelve, and the kernel caches the pages anyway
    "secure_delete": 1,
    "trusted_schema": 0,
}


ENOUGH_SECONDS = 2.0  # of the 2.5 s of one use; in less, a database that works may fail
SPOOL_SECONDS = 0.5  # of an answer's time that stay for the spool if the database fails
READINESS_INTERVAL_SECONDS = 5.0  # between two checks of whether the database is ready
FILE_REPLACED = (
    "The database file was deleted or replaced while it was in use. Stop all processes, put the right file back "
    "(docs/operating/restore.md) and start them again"
)


class DatabaseUnavailable(Exception):
    """The database refused, was too slow, is locked or full, or the outcome is unknown. Never holds the values sent.

    `cause`: one word for the log: SQLite's name of the error, or the class of the driver's exception.
    `explanation`: why no connection was made, and the remedy; for the operator's terminal alone, since it names server,
    database and role.
    """

    cause = ""
    explanation = ""


class NoTimeLeft(DatabaseUnavailable):
    """The time of an answer was over before this use of the database began. The database was not asked."""


class RowRefused(DatabaseUnavailable):
    """The database refused the values of one row, and would refuse them again; it stores others meanwhile.

    Work on many rows isolates it. Where one row is all there is, as at Send, it is an outage like any other.
    """


class PermissionDenied(DatabaseUnavailable):
    """PostgreSQL refused a privilege. `sentence`: the role and PostgreSQL's own message, without any value."""

    def __init__(self, role: str, refusal: str) -> None:
        super().__init__("InsufficientPrivilege")
        self.sentence = f"PostgreSQL refused {role}: {refusal}"


class InvalidDatabaseURL(OperatorError):
    """DATABASE_URL cannot be used; the message shows the forms that can."""


class _ReadinessGate:
    """Prevent a process from using a database that is empty or not migrated yet."""

    def __init__(self, reason: str, check: Callable[[], str]) -> None:
        self.reason = reason
        self._check = check
        self._lock = threading.Lock()
        self._check_at = 0.0

    def is_shut(self) -> bool:
        """Return whether the database is not ready, checking again every few seconds.

        While one thread checks, the gate is shut for the others.
        """
        if not self._lock.acquire(blocking=False):
            return True
        try:
            if time.monotonic() >= self._check_at:
                self.reason = self._check()
                self._check_at = time.monotonic() + READINESS_INTERVAL_SECONDS
            return bool(self.reason)
        finally:
            self._lock.release()


class Database:
    """A database and its connection pool.

    `address`: a SQLAlchemy URL. `threads`: how many threads use it at once. `offset`: seconds by which the clock is
    moved (never in live mode). `timeouts`: how long PostgreSQL may take. SQLite waits one second for a lock, and for
    the disk too if a reporter waits.
    """

    def __init__(self, address: str, *, threads: int = 8, offset: float = 0, timeouts: Timeouts = BACKGROUND) -> None:
        url = _read_address(address)
        self.address = address
        self.offset = int(offset * 1_000_000)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.timeouts = timeouts
        self._file = DatabaseFile(url.database if self.is_sqlite else None)
        self.engine = (
            _sqlite_engine(url, threads, self._file) if self.is_sqlite else _postgresql_engine(url, threads, timeouts)
        )
        self._statements: dict[Any, Any] = {}
        self._gate: _ReadinessGate | None = None
        self._gate_of: Database = self
        self._writer = (
            SQLiteWriter(self.engine, self._file, is_background=timeouts is BACKGROUND) if self.is_sqlite else None
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a short write transaction, committed when the block ends.

        Raises DatabaseUnavailable unless the commit is certain.
        """
        event_loop_guard.check("database.write")
        self._pass_gate()
        with self._translate_errors(), self._writer.write() if self._writer else self._postgresql_write() as connection:
            yield connection

    @contextmanager
    def _postgresql_write(self) -> Iterator[Connection]:
        with self._connected() as connection:
            with connection.begin():
                yield connection
                self._await_commit(connection)
            if postgresql.driver_connection(connection).notices:
                # for example "committed locally, but might not have been replicated": the standby may not have it
                raise DatabaseUnavailable("the database gave a warning at commit")

    @property
    def has_write_queue(self) -> bool:
        """Return whether too many threads wait to write, so that optional writes should be skipped."""
        return self._writer is not None and self._writer.has_write_queue

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reads, each statement by itself: on SQLite it never blocks the writer."""
        event_loop_guard.check("database.read")
        self._pass_gate()
        with self._translate_errors(), self._connected() as connection:
            yield connection if self.is_sqlite else connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Open a connection without a time limit on statements. It waits for locks no longer than others do."""
        with self._translate_errors(), self.engine.connect().execution_options(immediate=True) as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.commit()
            yield connection

    @property
    def has_enough_time(self) -> bool:
        """Return whether a use that begins now has enough time for its failure to be the database's fault.

        SQLite has timeouts of its own, which a request does not shorten.
        """
        return self.is_sqlite or self._seconds_left(begin=False) >= ENOUGH_SECONDS

    def _seconds_left(self, *, begin: bool = True) -> float:
        """Return the seconds that the current request may still use PostgreSQL; infinite outside of a request.

        All uses of one request together may take as long as a single one. `begin`: a use begins now; the first one of a
        request starts that time.
        """
        request = request_time.get()
        if request is None:
            return math.inf
        end = request.database_ends_at
        if end is None:
            end = min(time.monotonic() + self.timeouts.total, request.ends_at - SPOOL_SECONDS)
            if begin:
                request.database_ends_at = end
        return end - time.monotonic()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        if self.is_sqlite:
            self._file.check()
            with self.engine.connect() as connection:
                yield connection
            return
        seconds_left = self._seconds_left()
        if seconds_left <= 0:
            raise NoTimeLeft("no time is left")
        seconds = min(self.timeouts.statements, seconds_left - min(self.timeouts.commit, seconds_left / 2))
        deadline = time.monotonic() + seconds
        with self.engine.connect() as connection:
            postgresql.driver_connection(connection).until = deadline
            yield connection

    def _await_commit(self, connection: Connection) -> None:
        dbapi_connection = postgresql.driver_connection(connection)
        dbapi_connection.notices.clear()
        dbapi_connection.until = time.monotonic() + min(self.timeouts.commit, self._seconds_left())

    @contextmanager
    def sent_together(self, connection: Connection) -> Iterator[None]:
        """Send the statements of the block to PostgreSQL without waiting for each other's result: one round trip.

        Only for statements that return no rows and whose row count is not needed. The block's end raises the error of
        the first that failed.
        """
        if self.is_sqlite:
            yield
            return
        with postgresql.pipeline(connection):
            yield

    def now(self) -> int:
        """Return this host's time in microseconds, moved by the offset."""
        return time.time_ns() // 1000 + self.offset

    def now_sql(self) -> ColumnElement[int]:
        """Return the current time in microseconds as an SQL expression, evaluated when the statement is executed.

        This is the clock of leases: the database's own, because hosts may differ; on SQLite, this host's.
        """
        if self.is_sqlite:
            return deferred_number(self.now)
        return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger) + deferred_number(
            lambda: self.offset
        )

    def moment(self, connection: Connection) -> int:
        """Return the current time in microseconds by the clock of `now_sql`."""
        return int(connection.execute(select(self.now_sql())).scalar_one())

    def to_database_time(self, moment: int) -> ColumnElement[int]:
        """Convert this host's `moment` to the clock of `now_sql`.

        A row that is due now is due at once, however wrong this host's clock is.
        """
        return literal(moment, BigInteger) if self.is_sqlite else self.now_sql() + (moment - self.now())

    def insert_or_ignore(self, table: Table) -> Any:
        """Return an INSERT that does nothing if the row exists. It names no conflict target: that would need SELECT."""
        return self.once(_insert_new, table)

    def delete_any(self, table: Table, condition: ColumnElement[bool]) -> int:
        """Delete the rows that match, and return how many. Without any it only reads: writers need not wait for it."""
        with self.read() as connection:
            if connection.execute(select(literal(1)).select_from(table).where(condition).limit(1)).first() is None:
                return 0
        with self.write() as connection:
            return connection.execute(delete(table).where(condition)).rowcount

    def once(self, make: Callable[..., T], *arguments: Any) -> T:
        """Return the statement `make(database, *arguments)`, built once: building takes longer than executing."""
        key = (make, *arguments)
        if key not in self._statements:
            self._statements[key] = make(self, *arguments)
        statement: T = self._statements[key]
        return statement

    def lock_until_commit(self, connection: Connection, name: str) -> None:
        """Take the advisory lock `name` until the end of the transaction. SQLite has a single writer anyway."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(name))))

    def close_until_ready(self, reason: str, check: Callable[[], str]) -> None:
        """Treat the database as unavailable, for `reason`, until `check` returns "".

        `check` is called every few seconds and returns the current reason. Afterwards new connections are opened,
        because the address may lead to another file or server by then.
        """
        self._gate = _ReadinessGate(reason, check)

    def _pass_gate(self) -> None:
        """Raise DatabaseUnavailable while the database is not ready."""
        gate = self._gate
        if self._gate_of is not self:
            self._gate_of._pass_gate()
        if gate is None:
            return
        if gate.is_shut():
            raise DatabaseUnavailable(gate.reason)
        self._file.forget()
        self._reopen()
        self._gate = None

    def in_background(self) -> Database:
        """Return the same database, with longer timeouts, for work that no reporter waits for.

        It is ready when this one is. SQLite has no network, and one writer in each process: there it is this one.
        """
        if self.is_sqlite:
            return self
        background = Database(self.address, threads=2, offset=self.offset / 1_000_000, timeouts=BACKGROUND)
        background._gate_of = self
        return background

    def check_writes(self) -> None:
        """Begin and commit an empty write transaction.

        Raises DatabaseUnavailable if the database does not accept writes.
        """
        with self.write() as connection:
            connection.execute(select(1))

    def durability_faults(self) -> list[str]:
        """Return the settings of the database with which a report could be lost, one sentence each.

        Raises DatabaseUnavailable.
        """
        required, command = (SQLITE_SETTINGS, "PRAGMA") if self.is_sqlite else (postgresql.SETTINGS, "SHOW")
        with self.read() as connection:
            actual = {name: connection.exec_driver_sql(f"{command} {name}").scalar() for name in required}
        return [
            f"The database says {name} = {actual[name]}; a report is safe only with {required[name]}. Change it there."
            for name in required
            if str(actual[name]) != str(required[name])
        ]

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Turn the errors of the drivers into DatabaseUnavailable, without the values that were sent."""
        try:
            yield
        except DeadlineExceeded:
            raise DatabaseUnavailable("the statement took too long") from None
        except FileReplaced:
            self._reopen()  # if the same file is at the path again, a new connection finds its write-ahead log
            raise DatabaseUnavailable(FILE_REPLACED) from None
        except SQLAlchemyError as error:
            if refusal := postgresql.refused_privilege(error):
                raise PermissionDenied(self.engine.url.username or "the role of this account", refusal) from None
            if is_read_only(error):
                self._reopen()  # close all connections: SQLite shares the mode of its memory map within a process
            # Only the class, because the message of a driver may hold the values that were sent.
            cause = getattr(error, "orig", None) or error
            refused = RowRefused if _refuses_values(error) else DatabaseUnavailable
            unavailable = refused(type(cause).__name__)
            unavailable.cause = getattr(cause, "sqlite_errorname", type(cause).__name__)
            if not self.is_sqlite:
                unavailable.explanation = postgresql.explain_no_connection(error, self.engine.url)
            raise unavailable from None

    def _reopen(self) -> None:
        """Close all connections: those in use as soon as they are returned to the pool.

        SQLAlchemy would keep the latter open in the replaced pool until the garbage collector runs, and one of them is
        enough to keep the mode of SQLite's memory map.
        """
        replaced = self.engine.pool
        self.engine.dispose()
        event.listen(replaced, "checkin", _close_returned)
        replaced.dispose()  # the connections that were returned since the first call

    def close(self) -> None:
        """Close all connections and stop the threads that commit."""
        self._reopen()
        if self._writer:
            self._writer.close()


def _refuses_values(error: SQLAlchemyError) -> bool:
    """Return whether an error is about the values that were sent, and not about the database.

    A StatementError that is no error of the driver is a value that could not be converted.
    """
    if isinstance(error, DBAPIError):
        return isinstance(error, IntegrityError | DataError) or postgresql.refuses_values(error)
    return isinstance(error, StatementError)


def _insert_new(database: Database, table: Table) -> Any:
    dialect: Any = importlib.import_module(f"sqlalchemy.dialects.{database.engine.dialect.name}")  # PostgreSQL's: 2 MB
    insert = dialect.insert(table)
    # Callers need the row count, to know whether the row existed. For an INSERT, SQLAlchemy drops it otherwise.
    return insert.on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def _read_address(address: str) -> URL:
    try:
        url = make_url(address)
        name = url.get_backend_name()
    except (ArgumentError, SQLAlchemyError):
        name = ""
    if name not in ("sqlite", "postgresql"):
        raise InvalidDatabaseURL(
            "DATABASE_URL is not a valid address; write sqlite:////folder/tokaut.db or postgresql://name@host/database"
        )
    return url.set(drivername="postgresql+psycopg") if name == "postgresql" else url


def _sqlite_engine(url: URL, threads: int, file: DatabaseFile) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS}, **_pool_options(threads))
    event.listen(engine, "connect", lambda connection, record: _prepare_sqlite(connection, record, file))
    event.listen(engine, "begin", begin_immediate)
    return engine


def _postgresql_engine(url: URL, threads: int, timeouts: Timeouts) -> Engine:
    engine = create_engine(
        url, connect_args=postgresql.connect_arguments(timeouts), use_native_hstore=False, **_pool_options(threads)
    )
    postgresql.install_connector(engine, timeouts)
    return engine


def _close_returned(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.invalidate()


def _pool_options(threads: int) -> dict[str, Any]:
    return {"hide_parameters": True, "pool_size": threads + 2, "max_overflow": 0, "pool_timeout": 0.5}


def _prepare_sqlite(connection: SQLiteConnection, _record: object, file: DatabaseFile) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself; `begin_immediate` does
    for name, value in SQLITE_SETTINGS.items():
        connection.execute(f"PRAGMA {name}={value}")
    file.opened()
