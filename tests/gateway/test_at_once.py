"""The same text twice at the same moment: one request is processed, and the other changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.app import App

pytestmark = pytest.mark.slow
WORDS = "my cousin is in trouble at home"


@pytest.mark.rule("F26")
def test_words_that_came_twice_at_once_are_still_left_to_file_themselves(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug seen with a backlog of 1,500 texts: the request that lost the race withdrew the draft of both."""
    app = App(redis_url)
    door = f"/hooks/africastalking/{app.plan.secrets.africastalking}/sms"
    form = {"from": "+6785550101", "to": "163", "text": WORDS, "id": "ATXid_1"}
    keep = app.parts.sessions.save

    async def slow_keep(*arguments: Any, **named: Any) -> bool:
        monkeypatch.setattr(app.parts.sessions, "save", keep)
        repeat = await asyncio.to_thread(app.http.post, door, data=form)  # the repeat overtakes the first one
        assert repeat.status_code == 200
        return await keep(*arguments, **named)

    monkeypatch.setattr(app.parts.sessions, "save", slow_keep)
    assert app.http.post(door, data=form).status_code == 200
    assert [one.data["narrative"] for one in app.pending_revisions()] == [WORDS]
    app.submit_due_within(1801)
    assert [one.data["narrative"] for one in app.bodies()] == [WORDS]
    app.close()
