"""Process rows one by one, so that a row that cannot be processed does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import structlog

from reports.store.engine.database import DatabaseUnavailable

Row = TypeVar("Row")

log = structlog.get_logger()


def process_each(
    job: str,
    rows: Iterable[Row],
    process: Callable[[Row], object],
    *,
    ids: Callable[[Row], Mapping[str, str]] = lambda _: {},
    on_fault: Callable[[Row], object] = lambda _: None,
    outages: tuple[type[Exception], ...] = (),
) -> int:
    """Call `process` with each row; return for how many it returned something true.

    An exception is logged with the job's name and `ids(row)`, `on_fault` is called with the row, and the next row
    follows. Raises DatabaseUnavailable and `outages`: these faults are not the row's.
    """
    services_away: tuple[type[Exception], ...] = (DatabaseUnavailable, *outages)
    processed = 0
    for row in rows:
        try:
            processed += bool(process(row))
        except services_away:
            raise
        except Exception:
            log.exception("job_failed", job=job, **ids(row))
            on_fault(row)
    return processed
