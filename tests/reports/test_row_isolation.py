"""A row that cannot be processed stops no other, and the log says which row and which job it was."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from reports.store.engine.database import DatabaseUnavailable, RowRefused
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


def test_values_that_the_database_refuses_are_the_fault_of_their_row() -> None:
    seen: list[int] = []

    def process(row: int) -> bool:
        seen.append(row)
        if row == 1:
            raise RowRefused("IntegrityError")
        return True

    with capture_logs() as logs:
        assert process_each("a job", [1, 2], process) == 1
    assert (seen, [log["event"] for log in logs]) == ([1, 2], ["job_failed"])


def test_the_next_row_follows_if_the_fault_itself_cannot_be_recorded() -> None:
    def fails(_: int) -> None:
        raise KeyError

    with capture_logs() as logs:
        assert process_each("a job", [0, 2], lambda row: 10 // row, on_fault=fails) == 1
    assert [log["event"] for log in logs] == ["job_failed", "job_failed"]


def test_an_outage_that_shows_while_a_fault_is_recorded_ends_the_round() -> None:
    def away(_: int) -> None:
        raise DatabaseUnavailable("away")

    with capture_logs(), pytest.raises(DatabaseUnavailable):
        process_each("a job", [0, 2], lambda row: 10 // row, on_fault=away)
