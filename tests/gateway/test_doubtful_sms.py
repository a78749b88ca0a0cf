"""An SMS whose sender or time is doubtful is stored, and logged for the operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from reports.store.schema import tables as t
from tests.support.app import App

pytestmark = pytest.mark.slow

WORDS = "My cousin is afraid to go home today"
ROAMING_OR_NOT = "687754696"  # valid in Kenya, and with + in New Caledonia


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    made = App(redis_url)
    yield made
    made.close()


def text(app: App, sender: str, code: str, *, late: int = 0) -> list[tuple[str, int | None]]:
    """Send an SMS that its provider dates `late` seconds back; return the events about it."""
    date = datetime.fromtimestamp(time.time() - late, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    form = {"from": sender, "to": code, "text": WORDS, "date": date, "id": f"{sender} {late}"}
    with capture_logs() as logs:
        address = f"/hooks/africastalking/{app.plan.secrets.africastalking}/sms"
        assert app.http.post(address, data=form).status_code == 200
    events = ("sender_ambiguous", "sms_time_differs")
    return [(line["event"], line.get("count")) for line in logs if line["event"] in events]


def test_a_number_of_two_countries_gets_no_text_and_its_words_are_stored(app: App) -> None:
    assert text(app, ROAMING_OR_NOT, "22384") == [("sender_ambiguous", None)]
    app.submit_due_within(1)
    assert (app.count(t.outgoing), app.count(t.report)) == (0, 1)
    assert text(app, f"+{ROAMING_OR_NOT}", "22384") == []
    assert app.count(t.outgoing) == 1


@pytest.mark.parametrize("late", [20 * 60, -20 * 60, 2 * 10**9])
def test_a_time_that_is_too_far_away_is_logged(app: App, late: int) -> None:
    [(event, count)] = text(app, "+6785550101", "163", late=late)
    assert event == "sms_time_differs"
    assert count is not None
    assert abs(count - min(abs(late), 999_999_999)) < 5
    assert text(app, "+6785550101", "163", late=10 * 60) == []
