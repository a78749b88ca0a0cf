"""PostgreSQL as we use it: nobody waits for it longer than a caller can, and it must say yes without a word beside it.

A statement may hang in the network, and COMMIT may wait for a second copy for ever (`statement_timeout` does not end
that). So each connection has a time by which it must have answered; then it is closed, and the outcome is unknown.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from reports.store.engine.timeouts import INTERACTIVE, Timeouts

if TYPE_CHECKING:
    from reports.store.engine.postgresql_connection import DeadlineConnection

SETTINGS: Mapping[str, str | int] = {  # what it must say of itself
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_encoding": "UTF8",  # under SQL_ASCII the driver gives bytes for text
    "client_min_messages": "notice",  # or a warning at COMMIT would not be heard
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


def refused_privilege(error: SQLAlchemyError) -> str:
    """Return what PostgreSQL refused for want of a right, such as "permission denied for table staff"; else ""."""
    cause = getattr(error, "orig", None)
    if getattr(cause, "sqlstate", "") != "42501":
        return ""
    said = getattr(getattr(cause, "diag", None), "message_primary", None) or ""
    return said if _REFUSALS.fullmatch(said) else "a right is missing"


def install_connector(engine: Engine, patience: Timeouts) -> None:
    """Let the engine make its connections here. The driver is loaded now: a process with SQLite does without 10 MB."""
    driver = importlib.import_module("reports.store.engine.postgresql_connection")
    kind: type[DeadlineConnection] = (
        driver.InteractiveConnection if patience is INTERACTIVE else driver.DeadlineConnection
    )

    def connect(_dialect: object, _record: object, _arguments: object, named: dict[str, Any]) -> DeadlineConnection:
        return kind.connect(**named)

    def unlimited(line: DeadlineConnection, _record: object, _proxy: object) -> None:
        line.until = math.inf  # until somebody says how long it may take; a migration may take what it takes

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", unlimited)


def connect_arguments(patience: Timeouts) -> dict[str, Any]:
    return {"options": f"{OPTIONS} -c statement_timeout={round((patience.statements + 0.5) * 1000)}"}


def driver_connection(connection: Connection) -> DeadlineConnection:
    """The driver's connection under it."""
    return cast("DeadlineConnection", connection.connection.driver_connection)
