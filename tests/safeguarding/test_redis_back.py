"""A call by Africa's Talking continues if Redis comes back with its data, and also if it comes back empty."""

from __future__ import annotations

import pytest

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, TO_SEND, dial_path
from tests.safeguarding.outages import redis_unavailable
from tests.support.app import App

pytestmark = pytest.mark.slow
WORDS = "Somebody waits near the school every day"


@pytest.mark.parametrize("kept", range(2, len(TO_SEND)))
def test_answers_given_meanwhile_are_walked(app: App, kept: int) -> None:
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *TO_SEND[:kept])
    with redis_unavailable(app):
        for reply in TO_SEND[kept : kept + 2]:
            phone.type(reply)
    for reply in (*TO_SEND[kept + 2 :], "Send"):
        seen = phone.type(reply)
    assert seen.text.startswith("Sent to Pikinini Helpline.")
    assert app.count(t.report) == 1
    assert [answer["value"] for answer in app.bodies()[0].data["answers"]][:3] == ["soon", "luring", "me"]


def test_words_after_a_send_that_redis_missed_are_kept(app: App) -> None:
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *TO_SEND)
    with redis_unavailable(app):
        phone.type("Send")
    phone.type(WORDS)
    app.submit_due_within(0)
    assert app.count(t.report) == 1
    assert max(app.bodies(), key=lambda kept: kept.revision).data["narrative"] == WORDS


@pytest.mark.rule("S-11")
def test_stars_typed_in_one_reply_send_nothing(app: App) -> None:
    """The last of the replies would press Send on a screen that was never shown."""
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *TO_SEND[:-1])
    seen = phone.type("No*Send")
    assert not seen.text.startswith("Sent")
    assert app.count(t.report) == 0
