"""A row that cannot be processed stops no other, and the log says which row and which job it was."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from reports.store.engine.database import DatabaseUnavailable
from reports.store.row_isolation import process_each


def test_the_rows_after_one_that_raises_are_processed() -> None:
    failed: list[int] = []
    with capture_logs() as logs:
        processed = process_each(
            "a job",
            [1, 0, 2],
            lambda row: 10 // row,
            ids=lambda row: {"report_id": f"report {row}"},
            on_fault=failed.append,
        )
    assert (processed, failed) == (2, [0])
    assert [(log["event"], log["job"], log["report_id"]) for log in logs] == [("job_failed", "a job", "report 0")]


def test_a_row_for_which_nothing_was_done_is_not_counted() -> None:
    assert process_each("a job", [True, False, None], lambda row: row) == 1


@pytest.mark.parametrize("outage", [DatabaseUnavailable, ConnectionError])
def test_a_service_that_is_away_is_no_fault_of_the_row(outage: type[Exception]) -> None:
    seen: list[int] = []

    def process(row: int) -> None:
        seen.append(row)
        raise outage("away")

    with capture_logs() as logs, pytest.raises(outage):
        process_each("a job", [1, 2], process, outages=(ConnectionError,))
    assert (seen, logs) == ([1], [])
