"""Connections of PostgreSQL's driver that have a deadline."""

from __future__ import annotations

import math
import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen, PQGenConn

from reports.store.engine.timeouts import BACKGROUND, INTERACTIVE

T = TypeVar("T")


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that closes itself at its deadline `until`. `notices`: SQLSTATE of each notice of the server."""

    driver_error: type[Exception] = psycopg.Error
    connect_seconds = BACKGROUND.connect
    until: float  # monotonic seconds

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.until = time.monotonic() + self.connect_seconds
        self.notices: list[str] = []
        self.add_notice_handler(lambda notice: self.notices.append(str(notice.sqlstate)))

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
        raise psycopg.OperationalError("no connection was free in time")


class InteractiveConnection(DeadlineConnection):
    """A connection of a process for which a reporter waits."""

    connect_seconds = INTERACTIVE.connect
