"""PostgreSQL's driver with a time by which a connection must have answered."""

from __future__ import annotations

import math
import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen, PQGenConn

from reports.store.engine.timeouts import BACKGROUND, INTERACTIVE

T = TypeVar("T")


class DeadlineConnection(psycopg.Connection[Any]):
    """Closes itself rather than wait on; `heard` is what the server said beside its answers."""

    connect_seconds = BACKGROUND.connect
    until: float  # monotonic

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.until = time.monotonic() + self.connect_seconds
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
        until = time.monotonic() + cls.connect_seconds
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


class InteractiveConnection(DeadlineConnection):
    connect_seconds = INTERACTIVE.connect
