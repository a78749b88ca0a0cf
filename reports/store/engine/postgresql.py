"""Settings and connections of PostgreSQL: every use has a deadline, and a warning at COMMIT counts as a failure.

A statement may hang in the network, and COMMIT may wait for a standby for ever (`statement_timeout` does not end that).
So each connection has a deadline; once it has passed, the connection is closed, and the outcome is unknown.
"""

from __future__ import annotations

import importlib
import math
import re
import time
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen, PQGenConn
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from reports.store.engine.timing import BACKGROUND, INTERACTIVE, Timeouts

T = TypeVar("T")
SETTINGS: Mapping[str, str | int] = {  # required values
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_encoding": "UTF8",  # with SQL_ASCII the driver returns bytes for text
    "client_min_messages": "notice",  # otherwise a warning at COMMIT would not arrive
}
OPTIONS = (
    "-c synchronous_commit=on -c client_min_messages=notice -c default_transaction_isolation=read\\ committed"
    " -c lock_timeout=1000 -c idle_in_transaction_session_timeout=10000"
)


# The messages of SQLSTATE 42501 that name an object and hold no value (PostgreSQL's aclchk.c and rls).
_REFUSALS = re.compile(
    r"(permission denied (for|to) [a-z ]+|must be (owner|member) of [a-z ]+)( \"?[\w.]+\"?)?"
    r"|new row violates row-level security policy( \"?\w+\"?)? for table \"?\w+\"?"
)


# Connections of PostgreSQL's driver that have a deadline.


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that closes itself at its deadline `until`. `heard`: SQLSTATE of each notice of the server."""

    connect_seconds = BACKGROUND.connect
    until: float  # monotonic seconds

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.until = time.monotonic() + self.connect_seconds
        self.heard: list[str] = []
        self.add_notice_handler(lambda notice: self.heard.append(str(notice.sqlstate)))

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run the driver's generator until the deadline. Closes the connection once that has passed."""
        remaining = max(0.0, min(self.until - time.monotonic(), math.inf if timeout is None else timeout))
        try:
            return super().wait(gen, interval, None if remaining == math.inf else remaining)
        except psycopg.Error:
            if time.monotonic() >= self.until:
                self.pgconn.finish()  # the outcome is unknown from now on
            raise

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Any]:
        """Connect as the driver does, but within `connect_seconds`: the driver's shortest `connect_timeout` is 2 s."""
        deadline = time.monotonic() + cls.connect_seconds
        connecting = super()._connect_gen(conninfo)
        awaited = next(connecting)
        while time.monotonic() < deadline:
            ready = yield awaited
            try:
                awaited = connecting.send(ready)
            except StopIteration as finished:
                return finished.value
        connecting.close()
        raise psycopg.OperationalError("no connection in time")


class InteractiveConnection(DeadlineConnection):
    """A connection of a process for which a reporter waits."""

    connect_seconds = INTERACTIVE.connect


def refused_privilege(error: SQLAlchemyError) -> str:
    """Return the refusal of a missing privilege, such as "permission denied for table staff"; "" for other errors."""
    cause = getattr(error, "orig", None)
    if getattr(cause, "sqlstate", "") != "42501":
        return ""
    message = getattr(getattr(cause, "diag", None), "message_primary", None) or ""
    return message if _REFUSALS.fullmatch(message) else "a right is missing"


def install_connector(engine: Engine, timeouts: Timeouts) -> None:
    """Make the engine open connections with deadlines. Only this loads the driver: processes with SQLite save 10 MB."""
    driver = importlib.import_module("reports.store.engine.postgresql")
    connection_class: type[DeadlineConnection] = (
        driver.InteractiveConnection if timeouts is INTERACTIVE else driver.DeadlineConnection
    )

    def connect(_dialect: object, _record: object, _arguments: object, keywords: dict[str, Any]) -> DeadlineConnection:
        return connection_class.connect(**keywords)

    def unlimited(dbapi_connection: DeadlineConnection, _record: object, _proxy: object) -> None:
        dbapi_connection.until = math.inf  # until a caller sets a deadline; a migration has none

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", unlimited)


def connect_arguments(timeouts: Timeouts) -> dict[str, Any]:
    """Return the driver's arguments for a connection: our options, and half a second more than our own timeout."""
    return {"options": f"{OPTIONS} -c statement_timeout={round((timeouts.statements + 0.5) * 1000)}"}


def driver_connection(connection: Connection) -> DeadlineConnection:
    """Return the driver's connection below an SQLAlchemy connection."""
    return cast("DeadlineConnection", connection.connection.driver_connection)
