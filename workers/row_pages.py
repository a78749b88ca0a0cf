"""Process the rows of a table that wait, page by page, so that rows that fail hold up no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from reports.store.row_isolation import process_each

RETRY_SECONDS = 60.0
MAX_PAGES = 10  # of one call that finds nothing to do in them

Row = TypeVar("Row", bound=Hashable)


class RowPages:
    """The position of one job among the rows that wait, and the rows that failed.

    Each call goes on behind the rows that the one before left waiting; after the last row comes the first again.
    """

    def __init__(
        self,
        job: str,
        on_fault: Callable[[], object] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin at the first row. `job`: its name in the log. `on_fault`: is called after each fault."""
        self._job = job
        self._on_fault = on_fault
        self._monotonic = monotonic
        self._position = 0
        self._retry_at: dict[Hashable, float] = {}  # of reports, or of rows

    def process(
        self,
        list_page: Callable[[int], Sequence[Row]],
        page_size: int,
        process: Callable[[Row], bool],
        report_of: Callable[[Row], str] | None = None,
    ) -> bool:
        """Process one page of rows; return whether there may be more. Raises DatabaseUnavailable.

        `list_page`: takes how many rows to skip, and returns the next page of the rows that wait. `process`: returns
        whether the row waits no longer. A row that fails is tried again a minute later. Until then no other row of its
        report (`report_of`) is processed, so that they stay in order. If nothing in a page can be done, the next page
        follows.
        """

        def key(row: Row) -> Hashable:
            return report_of(row) if report_of else row

        def postpone(row: Row) -> None:
            self._retry_at[key(row)] = self._monotonic() + RETRY_SECONDS
            self._on_fault()

        if self._position == 0:  # not in between: a later row of a report would come before an earlier one
            now = self._monotonic()
            self._retry_at = {failed: at for failed, at in self._retry_at.items() if at > now}
        for _ in range(MAX_PAGES):
            failed_before = len(self._retry_at)
            page = list_page(self._position)
            processed = process_each(
                self._job,
                page,
                lambda row: key(row) not in self._retry_at and process(row),
                ids=lambda row: {"report_id": report_of(row)} if report_of else {},
                on_fault=postpone,
            )
            if len(page) < page_size:
                self._position = 0
                return False
            self._position += len(page) - processed
            if processed or len(self._retry_at) > failed_before:
                break
        return True
