"""Floods: nobody is refused, and nobody else waits. In a separate installation, whose workers may fall behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.bad_inputs.row import HOME, TO_SENT, Row
from tests.support.installation import Installation
from tests.support.wait import until

pytestmark = pytest.mark.slow

IS_LONG = os.environ.get("LONG") == "1"
REPORTS = 500 if IS_LONG else 150
DIALS = 10 if IS_LONG else 2  # for each of 500 numbers


@pytest.fixture(scope="module")
def faulty_installation() -> Iterator[Installation]:
    installation = Installation(web_processes=2).up()
    yield installation
    installation.down()


@pytest.mark.rule("B-59")
@pytest.mark.rule("S-36")
def test_a_flood_of_reports_from_one_number_is_filed_whole(row: Row) -> None:
    """Each report is counted once. The test may run twice, because a late Redis leaves out a count."""
    assert any(repeats_of_a_flood(row) == list(range(REPORTS)) for _ in range(2))


def repeats_of_a_flood(row: Row) -> list[int]:
    before, phone = row.stored_data.report_ids(), row.new_phone()
    door, path = row.address("africastalking/T/ussd"), "*".join(TO_SENT)

    def report(n: int) -> str:
        with requests.Session() as http:
            form = row.form(path, sessionId=f"ATUid_flood{phone}{n}", phoneNumber=phone)
            return row.said(http.post(door, data=form, timeout=20))

    with ThreadPoolExecutor(8) as pool:
        assert all(said.startswith("CON Sent to Pikinini") for said in pool.map(report, range(REPORTS)))
    # SQLite has one writer at a time: a report that waits for longer than a second goes to the spool first
    until(lambda: len(row.stored_data.report_ids() - before) >= REPORTS, "some reports are not filed", seconds=40)
    made = row.stored_data.report_ids() - before
    assert len(made) == REPORTS
    counted = [row.stored_data.body(one)["repeat_of"] for one in made]
    return sorted(-1 if count is None else count for count in counted)


@pytest.mark.rule("B-59")
@pytest.mark.rule("S-36")
def test_a_flood_of_dials_makes_nobody_wait(row: Row) -> None:
    """A network gives up after 5 s; a lower limit would measure this machine. The benchmark measures speed."""
    slow = row.stored_data.figure("answers_over_5s")
    door, numbers = row.address("africastalking/T/ussd"), [row.new_phone() for _ in range(500)]
    lines = [requests.Session() for _ in range(8)]

    def dial(n: int) -> str:
        form = row.form("", sessionId=f"ATUid_dial{n}", phoneNumber=numbers[n % 500])
        return row.said(lines[n % 8].post(door, data=form, timeout=20))

    with ThreadPoolExecutor(8) as pool:
        flood = pool.map(dial, range(500 * DIALS))
        caller = row.call()
        for _ in range(5):
            assert caller.walk("Report").startswith("Are you or a child in danger?")
            assert caller.type("Now").startswith("Call police 111 now.")
        assert caller.walk(*TO_SENT).startswith("Sent to Pikinini Helpline.")
        assert all(said.startswith("CON " + HOME) for said in flood)
    assert row.stored_data.figure("answers_over_5s") == slow
    for line in lines:
        line.close()
