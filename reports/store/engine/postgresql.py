"""Settings and connections of PostgreSQL: every use has a deadline, and a warning at COMMIT counts as a failure.

A statement may hang in the network, and COMMIT may wait for a standby for ever (`statement_timeout` does not end that).
So each connection has a deadline; once it has passed, the connection is closed, and the outcome is unknown.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from reports.store.engine.timeouts import INTERACTIVE, Timeouts

if TYPE_CHECKING:
    from reports.store.engine.postgresql_connection import DeadlineConnection

SETTINGS: Mapping[str, str | int] = {  # required values
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_encoding": "UTF8",  # with SQL_ASCII the driver returns bytes for text
    "client_min_messages": "notice",  # otherwise a warning at COMMIT would not arrive
}
DEFAULT_PORT = 5432
OPTIONS = (
    "-c synchronous_commit=on -c client_min_messages=notice -c default_transaction_isolation=read\\ committed"
    " -c lock_timeout=1000 -c idle_in_transaction_session_timeout=10000"
)


# The messages of SQLSTATE 42501 that name an object and hold no value (PostgreSQL's aclchk.c and rls).
_REFUSALS = re.compile(
    r"(permission denied (for|to) [a-z ]+|must be (owner|member) of [a-z ]+)( \"?[\w.]+\"?)?"
    r"|new row violates row-level security policy( \"?\w+\"?)? for table \"?\w+\"?"
)


def refused_privilege(error: SQLAlchemyError) -> str:
    """Return the refusal of a missing privilege, such as "permission denied for table staff"; "" for other errors."""
    cause = getattr(error, "orig", None)
    if getattr(cause, "sqlstate", "") != "42501":
        return ""
    message = getattr(getattr(cause, "diag", None), "message_primary", None) or ""
    return message if _REFUSALS.fullmatch(message) else "a right is missing"


# Why a connection failed, by the message of the driver, which has no SQLSTATE for it. Refusals of a server come first:
# with several addresses the message has the failures of all. The explanation has names from DATABASE_URL only.
_EXPLANATIONS = (
    (r'role ".*" (does not exist|is not permitted)', "it has no role {role}; correct DATABASE_URL, or: tokaut roles"),
    (r'database ".*" does not exist', "it has no database {database}; correct DATABASE_URL"),
    (r"authentication failed|no password supplied", "it refuses the password or account of {role}; correct it"),
    (
        r"permission denied for database|pg_hba\.conf",
        "it does not let {role} into {database} from here; correct DATABASE_URL, pg_hba.conf, or the rights there",
    ),
    (r"too many (clients|connections)|connection slots", "its connections are all in use; see who holds them"),
    (r"starting up|shutting down|recovery mode", "it starts or stops; wait a moment"),
    (r"resolve host|translate host name", "there is no host {server}; correct DATABASE_URL"),
    (r"[Cc]onnection refused", "nothing listens at {server}; start it, or correct DATABASE_URL"),
    (r"No such file or directory", "its socket is not at {server}; start it, or correct DATABASE_URL"),
    (
        r"in time|timed out|timeout|[Nn]o route|unreachable",
        "no answer in time from {server}; start it, look at the network, or correct DATABASE_URL",
    ),
)


def explain_no_connection(error: SQLAlchemyError, url: URL) -> str:
    """Return for the operator's terminal why no connection was made, and the remedy; "" if that is not known.

    It names server, database and role of the address, never its password, and no word of the driver's message.
    """
    cause = getattr(error, "orig", None)
    if cause is None or getattr(cause, "sqlstate", None):
        return ""
    text = next((text for pattern, text in _EXPLANATIONS if re.search(pattern, str(cause))), "")
    return text.format(
        role=url.username or "this account", database=url.database or "its database", server=_server(url)
    )


def _server(url: URL) -> str:
    """Return the host and port of an address; of several, each."""
    listed = url.query.get("host", ())
    if hosts := (listed,) if isinstance(listed, str) else listed:
        return " or ".join(hosts)
    return f"{url.host or 'localhost'}:{url.port or DEFAULT_PORT}"


def refuses_values(error: SQLAlchemyError) -> bool:
    """Return whether PostgreSQL refused the values: SQLSTATE 22 (data), 23 (a constraint), 54 (a limit).

    The class of the exception says less: an error in a pipeline has none, and a limit is an OperationalError.
    """
    return (getattr(getattr(error, "orig", None), "sqlstate", None) or "")[:2] in ("22", "23", "54")


def install_connector(engine: Engine, timeouts: Timeouts) -> None:
    """Make the engine open connections with deadlines. Only this loads the driver: processes with SQLite save 10 MB."""
    driver = importlib.import_module("reports.store.engine.postgresql_connection")
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
    """Return the driver's arguments for a connection: our options, and a time limit for a statement.

    It is half a second longer than our own deadline, which passes first.
    """
    return {"options": f"{OPTIONS} -c statement_timeout={round((timeouts.statements + 0.5) * 1000)}"}


@contextmanager
def pipeline(connection: Connection) -> Iterator[None]:
    """Send the statements of the block together. Raises SQLAlchemyError, as a statement alone does."""
    dbapi_connection = driver_connection(connection)
    try:
        with dbapi_connection.pipeline():
            yield
    except SQLAlchemyError:
        raise
    except dbapi_connection.driver_error as error:  # the error of an earlier statement of the pipeline
        raise DBAPIError("", None, error) from None


def driver_connection(connection: Connection) -> DeadlineConnection:
    """Return the driver's connection below an SQLAlchemy connection."""
    return cast("DeadlineConnection", connection.connection.driver_connection)
