"""PostgreSQL as we use it: nobody waits for it longer than a caller can, and it must say yes without a word beside it.

A statement may hang in the network, and COMMIT may wait for a second copy for ever (`statement_timeout` does not end
that). So each connection has a time by which it must have answered; then it is closed, and the outcome is unknown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen, PQGenConn
from sqlalchemy import Connection, Engine, event

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a new connection, for all statements of one transaction together, and for its COMMIT."""

    connect: float
    statements: float
    commit: float

    @property
    def whole(self) -> float:
        return self.statements + self.commit


A_CALLER = Patience(connect=1, statements=1.5, commit=1)  # getting a connection counts as a statement
NOBODY = Patience(connect=5, statements=15, commit=5)  # nobody holds a phone meanwhile


class Timed(psycopg.Connection[Any]):
    """Closes itself rather than wait on; `heard` is what the server said beside its answers."""

    connects_within = NOBODY.connect
    until: float  # monotonic

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.until = time.monotonic() + self.connects_within
        self.heard: list[str] = []
        self.add_notice_handler(lambda notice: self.heard.append(str(notice.sqlstate)))

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        left = max(0.0, min(self.until - time.monotonic(), math.inf if timeout is None else timeout))
        try:
            return super().wait(gen, interval, None if left == math.inf else left)
        except psycopg.Error:
            if time.monotonic() >= self.until:
                self.pgconn.finish()  # what it does from now on, nobody is told
            raise

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Any]:
        """The driver's own steps, within our time: its shortest `connect_timeout` is 2 s."""
        until = time.monotonic() + cls.connects_within
        steps = super()._connect_gen(conninfo)
        wanted = next(steps)
        while time.monotonic() < until:
            ready = yield wanted
            try:
                wanted = steps.send(ready)
            except StopIteration as connected:
                return connected.value
        steps.close()
        raise psycopg.OperationalError("no connection in time")


class ForACaller(Timed):
    connects_within = A_CALLER.connect


def use(engine: Engine, patience: Patience) -> None:
    """Let the engine make its connections here."""
    kind = ForACaller if patience is A_CALLER else Timed

    def connect(_dialect: object, _record: object, _arguments: object, named: dict[str, Any]) -> Timed:
        return kind.connect(**named)

    def unlimited(line: Timed, _record: object, _proxy: object) -> None:
        line.until = math.inf  # until somebody says how long it may take; a migration may take what it takes

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", unlimited)


def arguments(patience: Patience) -> dict[str, Any]:
    return {"options": f"{OPTIONS} -c statement_timeout={round((patience.statements + 0.5) * 1000)}"}


def line_of(connection: Connection) -> Timed:
    """The driver's connection under it."""
    return cast(Timed, connection.connection.driver_connection)
