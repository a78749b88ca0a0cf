"""One way to the database, SQLite or PostgreSQL, with durability set on each connection and one error for "away"."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
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
    event,
    func,
    literal,
    make_url,
    select,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

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
from runtime.deadline import DeadlineExceeded

T = TypeVar("T")

SQLITE_SETTINGS: Mapping[
    str, str | int
] = {  # set on each connection: the file keeps only the WAL (sqlite.org/pragma.html)
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk before it returns
    "foreign_keys": 1,
    "busy_timeout": int(LOCK_SECONDS * 1000),
    "cache_size": -512,  # KiB of each connection; web holds ten, and the kernel has the pages anyway
    "secure_delete": 1,
    "trusted_schema": 0,
}


_answer_until: ContextVar[float] = ContextVar("answer_until", default=math.inf)  # monotonic seconds
READINESS_INTERVAL_SECONDS = 5.0  # between two checks of whether the database is ready
FILE_REPLACED = (
    "The database file was deleted or replaced while it was in use. Stop all processes, put the right file back "
    "(docs/operating/restore.md) and start them again"
)


class DatabaseUnavailable(Exception):
    """The database did not say yes: refused, slow, locked, full, or the outcome unknown. Never says what was sent.

    `cause` is one word for the log: SQLite's name of the error, or the class of the driver's exception.
    """

    cause = ""


class PermissionDenied(DatabaseUnavailable):
    """PostgreSQL refused a right. Says which role asked and for what, in PostgreSQL's own words without any value."""

    def __init__(self, role: str, refusal: str) -> None:
        super().__init__("InsufficientPrivilege")
        self.sentence = f"PostgreSQL refused {role}: {refusal}"


class InvalidDatabaseURL(ValueError):
    """DATABASE_URL is not an address that can be used; the message says which it can be."""


class _ReadinessGate:
    """Keeps a process from using a database that is empty or not migrated yet."""

    def __init__(self, reason: str, check: Callable[[], str]) -> None:
        self.reason = reason
        self._check = check
        self._lock = threading.Lock()
        self._check_at = 0.0

    def is_shut(self) -> bool:
        """Check again if it is time to; threads that come meanwhile find it shut."""
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
    """`address` is a SQLAlchemy URL; `threads` use it at once; `offset` moves the clock, in seconds (never in live).

    `patience`: how long PostgreSQL may take. SQLite waits a second for a lock; for a disk, too, where a caller waits.
    """

    def __init__(self, address: str, *, threads: int = 8, offset: float = 0, patience: Timeouts = BACKGROUND) -> None:
        url = _read_address(address)
        self.address = address
        self.offset = int(offset * 1_000_000)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.patience = patience
        self._file = DatabaseFile(url.database if self.is_sqlite else None)
        self.engine = _sqlite(url, threads, self._file) if self.is_sqlite else _postgresql(url, threads, patience)
        self._made: dict[Any, Any] = {}
        self._gate: _ReadinessGate | None = None
        self._writer = SQLiteWriter(self.engine, self._file, patient=patience is BACKGROUND) if self.is_sqlite else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One short transaction, committed when the block ends.

        Raises DatabaseUnavailable wherever the commit is not certain.
        """
        event_loop_guard.check("database.write")
        self._pass_gate()
        with self._away(), self._writer.write() if self._writer else self._written() as connection:
            yield connection

    @contextmanager
    def _written(self) -> Iterator[Connection]:
        with self._connected() as connection:
            with connection.begin():
                yield connection
                self._await_commit(connection)
            if postgresql.driver_connection(connection).heard:
                # "committed locally, but might not have been replicated": no second copy is certain
                raise DatabaseUnavailable("the database warned at commit")

    @property
    def has_write_queue(self) -> bool:
        """Whether so many wait to write that whoever can do without should not."""
        return self._writer is not None and self._writer.has_write_queue

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Reads only, each statement by itself: on SQLite it never locks out the writer."""
        event_loop_guard.check("database.read")
        self._pass_gate()
        with self._away(), self._connected() as connection:
            yield connection if self.is_sqlite else connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A connection that may take as long as it needs, but for no lock longer than others can wait."""
        with self._away(), self.engine.connect().execution_options(immediate=True) as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.commit()
            yield connection

    @contextmanager
    def shared_deadline(self) -> Iterator[None]:
        """However often PostgreSQL is used meanwhile, all of it together may take as long as one use."""
        token = _answer_until.set(time.monotonic() + self.patience.whole)
        try:
            yield
        finally:
            _answer_until.reset(token)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        until = min(time.monotonic() + self.patience.statements, _answer_until.get() - self.patience.commit)
        if until < time.monotonic():
            raise DatabaseUnavailable("no time is left")
        self._file.check()
        with self.engine.connect() as connection:
            if not self.is_sqlite:
                postgresql.driver_connection(connection).until = until
            yield connection

    def _await_commit(self, connection: Connection) -> None:
        line = postgresql.driver_connection(connection)
        line.heard.clear()
        line.until = min(time.monotonic() + self.patience.commit, _answer_until.get())

    def now(self) -> int:
        """This host's clock in microseconds, moved by the offset."""
        return time.time_ns() // 1000 + self.offset

    def now_sql(self) -> ColumnElement[int]:
        """The clock that leases go by: the database's own, for hosts may differ; on SQLite, this host's. It is read
        when the statement is carried out.
        """
        if self.is_sqlite:
            return deferred_number(self.now)
        return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger) + deferred_number(
            lambda: self.offset
        )

    def moment(self, connection: Connection) -> int:
        """Now, by that clock."""
        return int(connection.execute(select(self.now_sql())).scalar_one())

    def to_database_time(self, moment: int) -> ColumnElement[int]:
        """This host's `moment` as that clock has it: what is due now is due at once, however wrong a host's time is."""
        return literal(moment, BigInteger) if self.is_sqlite else self.now_sql() + (moment - self.now())

    def insert_new(self, table: Table) -> Any:
        """INSERT that does nothing where the row is there; without a conflict target, so it needs no right to read."""
        return self.once(_insert_new, table)

    def once(self, make: Callable[..., T], *of: Any) -> T:
        """The statement that `make` makes of this database and `of`: to put one together takes longer than to carry it
        out, so that is done once.
        """
        if (make, *of) not in self._made:
            self._made[make, *of] = make(self, *of)
        made: T = self._made[make, *of]
        return made

    def lock_until_commit(self, connection: Connection, what: str) -> None:
        """Within `write`: wait until nobody else is at it. On SQLite there is one writer anyway."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(what))))

    def close_until_ready(self, reason: str, check: Callable[[], str]) -> None:
        """Count as unavailable, for `reason`, until `check` returns no reason any more; it is asked every few seconds.

        Then new connections are opened, for another file or server may be there.
        """
        self._gate = _ReadinessGate(reason, check)

    def _pass_gate(self) -> None:
        """Raises DatabaseUnavailable while the database is not ready."""
        gate = self._gate
        if gate is None:
            return
        if gate.is_shut():
            raise DatabaseUnavailable(gate.reason)
        self._file.forget()
        self.engine.dispose()
        self._gate = None

    def check_writes(self) -> None:
        """Begin and commit an empty write transaction.

        Raises DatabaseUnavailable if the database does not accept writes.
        """
        with self.write() as connection:
            connection.execute(select(1))

    def durability_faults(self) -> list[str]:
        """What the database says about itself by which a report could be lost, a sentence each.

        Raises DatabaseUnavailable.
        """
        wanted, ask = (SQLITE_SETTINGS, "PRAGMA") if self.is_sqlite else (postgresql.SETTINGS, "SHOW")
        with self.read() as connection:
            found = {name: connection.exec_driver_sql(f"{ask} {name}").scalar() for name in wanted}
        return [
            f"The database says {name} = {found[name]}; a report is safe only with {wanted[name]}. Change it there."
            for name in wanted
            if str(found[name]) != str(wanted[name])
        ]

    @contextmanager
    def _away(self) -> Iterator[None]:
        try:
            yield
        except DeadlineExceeded:
            raise DatabaseUnavailable("too slow") from None
        except FileReplaced:
            self.engine.dispose()  # where the same file is at the path, a new connection finds its write-ahead log
            raise DatabaseUnavailable(FILE_REPLACED) from None
        except SQLAlchemyError as error:
            if refusal := postgresql.refused_privilege(error):
                raise PermissionDenied(self.engine.url.username or "the role of this account", refusal) from None
            if is_read_only(error):
                self.engine.dispose()  # all of them: SQLite shares the mode of its memory map within a process
            # Only the class: the message of a driver may hold the values that were sent.
            cause = getattr(error, "orig", None) or error
            unavailable = DatabaseUnavailable(type(cause).__name__)
            unavailable.cause = getattr(cause, "sqlite_errorname", type(cause).__name__)
            raise unavailable from None

    def close(self) -> None:
        self.engine.dispose()
        if self._writer:
            self._writer.close()


def _insert_new(database: Database, table: Table) -> Any:
    insert = sqlite_insert(table) if database.is_sqlite else postgresql_insert(table)
    # Whether it was there is all that the caller wants to know; SQLAlchemy forgets it for an INSERT otherwise.
    return insert.on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def _read_address(address: str) -> URL:
    try:
        url = make_url(address)
        name = url.get_backend_name()
    except (ArgumentError, SQLAlchemyError):
        name = ""
    if name not in ("sqlite", "postgresql"):
        raise InvalidDatabaseURL(
            "DATABASE_URL is no address; write sqlite:////folder/tokaut.db or postgresql://name@host/database"
        )
    return url.set(drivername="postgresql+psycopg") if name == "postgresql" else url


def _sqlite(url: URL, threads: int, file: DatabaseFile) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS}, **_pool(threads))
    event.listen(engine, "connect", lambda connection, record: _prepare_sqlite(connection, record, file))
    event.listen(engine, "begin", begin_immediate)
    return engine


def _postgresql(url: URL, threads: int, patience: Timeouts) -> Engine:
    engine = create_engine(
        url, connect_args=postgresql.connect_arguments(patience), use_native_hstore=False, **_pool(threads)
    )
    postgresql.install_connector(engine, patience)
    return engine


def _pool(threads: int) -> dict[str, Any]:
    return {"hide_parameters": True, "pool_size": threads + 2, "max_overflow": 0, "pool_timeout": 0.5}


def _prepare_sqlite(connection: SQLiteConnection, _record: object, file: DatabaseFile) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `begin` does
    for name, value in SQLITE_SETTINGS.items():
        connection.execute(f"PRAGMA {name}={value}")
    file.opened()
