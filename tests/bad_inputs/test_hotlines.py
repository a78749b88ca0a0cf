"""Hotlines that answer without end, a byte at a time, or with a redirect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bad_inputs.row import Row
from tests.support.installation import Installation
from tests.support.wait import until
from tests.workers.fake_http_server import Answer, FakeHttpServer, How

pytestmark = pytest.mark.slow

# Urgent reports do not wait for a hotline that has just failed others.
IN_DANGER = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")
DELIVERY = "SELECT state, attempt, last_class, last_status FROM delivery WHERE report_id = ?"


@pytest.fixture(scope="module")
def hotline() -> Iterator[FakeHttpServer]:
    with FakeHttpServer() as hotline:
        yield hotline


@pytest.fixture(scope="module")
def faulty_installation(hotline: FakeHttpServer) -> Iterator[Installation]:
    """A separate installation whose child helpline is the lying hotline."""
    lying = {"HOTLINE_VU_PIKININI_URL": hotline.url, "HOTLINE_VU_PIKININI_PRIVATE": hotline.host_port}
    installation = Installation(lying).up()
    yield installation
    installation.down()


def quiet(row: Row) -> None:
    """Park due deliveries of earlier tests, which would use up this test's answers; wait for those under way."""

    def parked() -> bool:
        row.stored_data.rows("UPDATE delivery SET state = 'parked' WHERE state = 'due' AND lease_until IS NULL")
        return not row.stored_data.rows("SELECT 1 FROM delivery WHERE state = 'due'")

    until(parked, "something is on its way for ever", 90)
    row.stored_data.rows("DELETE FROM hotline_state")


def sent(row: Row) -> str:
    quiet(row)
    row.call().walk(*IN_DANGER)
    report_id: str = row.report()["report_id"]
    return report_id


@pytest.mark.rule("B-60")
@pytest.mark.parametrize("how", ["endless", "body_in_drips", "half_body", "plainly"])
def test_a_receipt_is_a_receipt_whatever_follows_it(row: Row, hotline: FakeHttpServer, how: How) -> None:
    hotline.answer(Answer(200, how=how), Answer())
    report_id = sent(row)
    until(
        lambda: row.stored_data.rows(DELIVERY, report_id) == [("delivered", 1, "delivered", 200)],
        f"{how} is no receipt: {row.stored_data.rows(DELIVERY, report_id)}",
    )
    took = [taken for taken in hotline.requests if taken.data["data"]["report_id"] == report_id]
    assert len(took) == 1


@pytest.mark.rule("B-61")
@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest/", "http://127.0.0.1/", "/reports", "file:///etc/passwd"]
)
def test_nobody_is_sent_elsewhere(row: Row, hotline: FakeHttpServer, where: str) -> None:
    hotline.answer(Answer(302, {"Location": where}))  # for all requests: an earlier delivery must use up no answer
    quiet(row)
    connections = hotline.connections
    report_id = sent(row)
    until(
        lambda: row.stored_data.rows(DELIVERY, report_id) == [("due", 1, "moved", 302)],
        "it was followed, or never tried",
    )
    assert hotline.connections == connections + 1


@pytest.mark.rule("B-61")
def test_after_a_redirect_the_same_address_is_tried_again(row: Row, hotline: FakeHttpServer) -> None:
    hotline.answer(Answer(302, {"Location": "/elsewhere"}), Answer(204))
    report_id = sent(row)
    until(lambda: row.stored_data.rows(DELIVERY, report_id)[0][2] == "moved", "it is not tried")
    row.stored_data.rows("UPDATE delivery SET next_at = 0 WHERE report_id = ?", report_id)  # as half a minute later
    until(lambda: row.stored_data.rows(DELIVERY, report_id)[0][0] == "delivered", "it is not tried again")
    took = [taken for taken in hotline.requests if taken.data["data"]["report_id"] == report_id]
    assert [taken.head for taken in took] == ["POST /reports HTTP/1.1"] * 2
    assert took[0].headers["webhook-id"] == took[1].headers["webhook-id"]
