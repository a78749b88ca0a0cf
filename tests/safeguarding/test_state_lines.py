"""With code and PIN the reporter reads the state of the report, also that nobody has read it yet (S-39, S-35)."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import CHANNELS, PHONE, TO_SENT, dial_path, number
from tests.safeguarding.outages import code_and_pin
from tests.support.app import App

pytestmark = pytest.mark.slow

LINES = {
    "queued": "We have it and are still sending it. In danger? Call police 111.",
    "delivered": "Pikinini Helpline has it. Not read yet. In danger? Call police 111.",
    "overdue": "Not read yet. We are asking again. If it is not safe to wait, call police 111 or helpline 163.",
    "accepted": "Read by Pikinini Helpline. In danger? Call police 111.",
    "in_progress": "Being looked at by Pikinini Helpline. In danger? Call police 111.",
    "closed": "Closed by Pikinini Helpline. You can write more.",
    "needs_person": "We are asking who can take it. You can call Pikinini Helpline 163. In danger? Call police 111.",
}


@pytest.mark.rule("S-39")
@pytest.mark.rule("S-35")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
def test_each_state_is_told_in_words_that_promise_nothing(app: App, channel: str) -> None:
    """An unread report is described as unread; until it is closed, each line has the number to call in danger."""
    code, pin = code_and_pin(dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1])
    for n, (state, line) in enumerate(LINES.items()):
        with app.database.write() as connection:
            connection.execute(update(t.report).values(state=state, desk="vu-pikinini"))
        phone = app.ussd(number(n), channel)
        seen = dial_path(phone, "My report", code, pin)[-1]
        if state == "closed":
            assert seen.split("\n")[0] == "Closed by Pikinini Helpline. Did it help?"
            seen = phone.type("Skip").text
        assert seen.split("\n")[0] == line
        assert state == "closed" or "Call police 111" in line or "call police 111" in line
