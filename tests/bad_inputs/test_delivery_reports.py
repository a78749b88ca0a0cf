"""Delivery reports and opt-outs: of unknown messages, out of order, with unknown words."""

from __future__ import annotations

import itertools

import pytest

from tests.bad_inputs.row import REPEATS, Row
from tests.support.wait import until

pytestmark = pytest.mark.slow

STATUS = "SELECT status FROM outgoing WHERE provider_id = ?"
IDS = itertools.count(1)


def report(row: Row, id_: str | None, status: str | None) -> None:
    form = {"id": id_, "status": status, "phoneNumber": row.phone, "networkCode": "54101"}
    answer = row.post("africastalking/T/delivery", {name: v for name, v in form.items() if v is not None})
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.fixture
def sent(row: Row) -> str:
    """Send an SMS, and return its provider id: a unique one, because the small test server may repeat ids."""
    texts = row.texts()
    texts.send("hi")
    texts.until_at_rest()
    newest = "SELECT id FROM outgoing WHERE state = 'sent' ORDER BY created_at DESC LIMIT 1"
    [(message,)] = row.stored_data.rows(newest)
    provider_id = f"ATXid_d{next(IDS)}"
    row.stored_data.rows("UPDATE outgoing SET provider_id = ?, status = NULL WHERE id = ?", provider_id, message)
    return provider_id


@pytest.mark.rule("B-53")
def test_about_a_message_of_somebody_else(row: Row) -> None:
    before = row.stored_data.figure("delivery_receipts_unmatched")
    with row.nothing_kept():
        for n in range(REPEATS):
            report(row, f"ATXid_of_others_{n}", "Success")
    assert row.stored_data.figure("delivery_receipts_unmatched") == before + REPEATS


@pytest.mark.rule("B-53")
@pytest.mark.parametrize("id_", [None, "", "x" * 500, "\0", "' OR 1=1 --", "../1"])
def test_about_nothing_at_all(row: Row, id_: str | None) -> None:
    with row.nothing_kept():
        report(row, id_, "Success")


@pytest.mark.rule("B-54")
def test_before_the_answer_to_our_own_call(row: Row, sent: str) -> None:
    early = f"ATXid_e{next(IDS)}"
    report(row, early, "Success")
    row.stored_data.rows(
        "UPDATE outgoing SET provider_id = ? WHERE provider_id = ?", early, sent
    )  # now the provider answers our request
    until(lambda: row.stored_data.rows(STATUS, early) == [("delivered",)], "the early report is lost", seconds=30)


@pytest.mark.rule("B-55")
@pytest.mark.parametrize("status", ["Foo", "AbsentSubscriber", "", None, "success", "x" * 10_000])
def test_a_status_that_nobody_knows(row: Row, sent: str, status: str | None) -> None:
    before = row.stored_data.figure("delivery_receipts_unknown_status")
    report(row, sent, status)
    assert row.stored_data.figure("delivery_receipts_unknown_status") == before + 1
    assert row.stored_data.rows(STATUS, sent)[0][0] in (None, "unknown")
    report(row, sent, "Success")
    assert row.stored_data.rows(STATUS, sent) == [("delivered",)]


@pytest.mark.rule("B-55")
@pytest.mark.parametrize("later", ["Sent", "Buffered", "Foo", "Failed"])
def test_a_state_never_goes_back(row: Row, sent: str, later: str) -> None:
    for status in ("Success", later):
        report(row, sent, status)
    assert row.stored_data.rows(STATUS, sent) == [("delivered",)]


def test_an_opt_out_that_says_nothing_is_no_fault(row: Row) -> None:
    with row.nothing_kept():
        for body in ({}, {"phoneNumber": ""}, {"senderId": "163"}, b"\xff&&=="):
            assert row.post("africastalking/T/optout", body).status_code == 200
