"""NOT SENT was shown, and a slow disk stored the report nevertheless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from reports.store.engine.database import DatabaseUnavailable
from reports.store.spool import SpoolEntry, SpoolWriteError
from tests.safeguarding.call_paths import dial_path
from tests.safeguarding.outages import database_unavailable
from tests.support.app import App

Fault = Callable[[App], AbstractContextManager[None]]
LONG_AFTER = 2000  # seconds; pending reports are submitted by then


@contextmanager
def in_the_spool(app: App) -> Iterator[None]:
    """Make the database unavailable, and write the spool's entry a moment after the reporter was answered."""
    with database_unavailable(app), _late_in_the_spool(app):
        yield


@contextmanager
def in_the_database(app: App) -> Iterator[None]:
    """Finish COMMIT after the reporter was answered, and let the spool refuse the report."""
    with _late_in_the_database(app), patch.object(app.parts.spool, "put", side_effect=SpoolWriteError("slow")):
        yield


@contextmanager
def in_both(app: App) -> Iterator[None]:
    with _late_in_the_database(app), _late_in_the_spool(app):
        yield


@contextmanager
def nowhere(app: App) -> Iterator[None]:
    with database_unavailable(app), patch.object(app.parts.spool, "put", side_effect=SpoolWriteError("full")):
        yield


FAULTS: dict[str, Fault] = {"spool": in_the_spool, "database": in_the_database, "both": in_both}


@contextmanager
def _late_in_the_spool(app: App) -> Iterator[None]:
    put = app.parts.spool.put

    def late(entry: SpoolEntry) -> None:
        put(entry)
        raise SpoolWriteError("slow")

    with patch.object(app.parts.spool, "put", late):
        yield


@contextmanager
def _late_in_the_database(app: App) -> Iterator[None]:
    def late(write: Callable[[], Any]) -> None:
        write()
        raise DatabaseUnavailable("slow")

    with patch.object(app.parts.submitter, "write", late):
        yield


def not_sent(seen: str) -> None:
    assert seen.startswith("NOT SENT. In danger? Call police 111.")


def ends_not_sent(app: App, fault: Fault, phone: Any, *path: str) -> None:
    """Cause the fault at Send only, and check that NOT SENT is shown."""
    dial_path(phone, *path)
    with fault(app):
        not_sent(phone.type("Send").text)


def newest(app: App) -> dict[str, dict[str, Any]]:
    """Submit all pending reports, and return the newest body of each hotline."""
    app.parts.housekeeping.once()
    assert app.parts.spool.names() == []
    app.submit_due_within(LONG_AFTER)
    return {one.hotline: one.data for one in sorted(app.bodies(), key=lambda one: one.revision)}
