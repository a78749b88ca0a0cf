"""Process rows one by one, so that a row that cannot be processed does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import structlog

from reports.store.engine.database import DatabaseUnavailable, RowRefused

Row = TypeVar("Row")

log = structlog.get_logger()
_FAILED: Final = object()


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
    follows, also if `on_fault` raises. Raises DatabaseUnavailable and `outages`: these faults are not the row's, but
    RowRefused is.
    """
    all_outages: tuple[type[Exception], ...] = (DatabaseUnavailable, *outages)
    processed = 0

    def isolate(step: Callable[[Row], object], row: Row) -> object:
        try:
            return step(row)
        except Exception as error:
            if isinstance(error, all_outages) and not isinstance(error, RowRefused):
                raise
            log.exception("job_failed", job=job, **ids(row))
            return _FAILED

    for row in rows:
        result = isolate(process, row)
        if result is _FAILED:
            isolate(on_fault, row)
        else:
            processed += bool(result)
    return processed
