"""A network's request cannot be read: the reporter gets a reply, and the log names the wrong field."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from runtime import logs
from runtime.logs import UNREADABLE_REASONS
from tests.support.app import App

pytestmark = pytest.mark.slow

GOOD = {"session": "a1", "phone": "+6785550101", "service_code": "*111*163#", "event": "new", "text": ""}
WRONG: dict[str, tuple[bytes, str, str | None]] = {
    "no JSON": (b"session=a1&event=new", "not_json", None),
    "an empty body": (b"", "not_json", None),
    "a list": (b"[]", "not_json", None),
    "no session": (json.dumps({**GOOD, "session": ""}).encode(), "no_session", "session"),
    "an event that is not there": (json.dumps({**GOOD, "event": "begin"}).encode(), "unknown_event", "event"),
    "a session that is too long": (json.dumps({**GOOD, "session": "s" * 129}).encode(), "too_long", "session"),
    "a body that is too long": (json.dumps({**GOOD, "text": "w" * 70_000}).encode(), "too_long", None),
    "a phone that is a list": (json.dumps({**GOOD, "phone": ["+6785550101"]}).encode(), "not_text", "phone"),
    "two phones": (
        b'{"session":"a1","phone":"+6785550101","phone":"+6785550102","event":"new"}',
        "two_values",
        "phone",
    ),
    "201 fields": (json.dumps({str(number): "" for number in range(201)}).encode(), "too_many_fields", None),
}


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    made = App(redis_url)
    yield made
    made.close()


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(("body", "reason", "field"), WRONG.values(), ids=list(WRONG))
def test_the_log_says_what_is_wrong_and_the_caller_gets_an_answer(
    app: App, body: bytes, reason: str, field: str | None
) -> None:
    stream = io.StringIO()
    logs.configure("web", strict=True, stream=stream)
    answer = app.http.post(f"/hooks/ussd/{app.plan.secrets.ussd}", body)
    assert answer.status_code == 200
    assert json.loads(answer.content)["text"].startswith("Not working now")
    [line] = [line for line in logged(stream) if line["event"] == "webhook_unreadable"]
    assert (line["channel"], line["reason"], line.get("field")) == ("ussd", reason, field)
    assert reason in UNREADABLE_REASONS
    assert "6785550101" not in stream.getvalue()
