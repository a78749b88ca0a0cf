"""Words that the reporter took back before Send go to nobody; words of an interrupted report are not lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.safeguarding.call_paths import PHONE, TO_SEND, send_texts
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-11")]

TO_WORDS = ("REPORT", "1", *TO_SEND[1:6])  # by SMS the words are asked for before Send
FIRST, PART, SECOND = "My uncle Samuel comes at night", "and he has a key to the house", "Somebody comes at night"


def sent(app: App, *texts: str) -> Any:
    replies = send_texts(app.sms(PHONE), *texts)
    assert any(reply.startswith("Sent to ") for reply in replies), replies
    return next(one.data for one in app.bodies() if one.hotline == "vu-pikinini" and one.data["sent_at"])


@pytest.mark.parametrize(
    ("then", "narrative"),
    [
        (("0", "1"), None),
        (("0", SECOND), SECOND),
        (("0", "0", "Tafea", SECOND), SECOND),
        (("0", "0", "Tafea", "1"), None),
        (("No", "0", "0", SECOND), SECOND),
        ((PART, "0", SECOND), SECOND),
    ],
    ids=["skipped", "typed again", "with the place", "place and skipped", "from Send", "two texts"],
)
def test_words_taken_back_are_nowhere_in_the_report(app: App, then: tuple[str, ...], narrative: str | None) -> None:
    data = sent(app, *TO_WORDS, FIRST, *then, "No", "Send")
    assert data["narrative"] == narrative
    assert "Samuel" not in json.dumps(data) and PART not in json.dumps(data)


def test_words_that_were_not_taken_back_go_with_their_continuation(app: App) -> None:
    data = sent(app, *TO_WORDS, FIRST, PART, "No", "0", "No", "Send")
    assert data["narrative"] == FIRST
    assert [(one["screen"], one["text"]) for one in data["unasked"]] == [("report.words", PART)]


@pytest.mark.parametrize(("taken_back", "narrative"), [((), FIRST), (("0",), None), (("0", SECOND), SECOND)])
def test_words_of_an_interrupted_report_are_sent_unless_they_were_taken_back(
    app: App, taken_back: tuple[str, ...], narrative: str | None
) -> None:
    send_texts(app.sms(PHONE), *TO_WORDS, FIRST, *taken_back, "00")
    data = sent(app, *TO_WORDS, "1", "No", "Send")
    assert data["narrative"] == narrative
    assert ("Samuel" in json.dumps(data)) == (narrative == FIRST)


def test_after_back_the_words_are_asked_for_as_if_none_had_come(app: App) -> None:
    asked = send_texts(app.sms(PHONE), *TO_WORDS)[-1]
    assert send_texts(app.sms(PHONE), FIRST, "0")[-1] == asked


IN_DANGER = ("hi", "Report", "Now", "Go on", "Asks photos, money", "Shefa", "Me")


def after_silence(app: App, *texts: str) -> Any:
    send_texts(app.sms(PHONE), *IN_DANGER, *texts)
    app.submit_due_within(601)
    [body] = app.bodies()
    return body.data


@pytest.mark.rule("S-12")
@pytest.mark.parametrize(
    ("then", "narrative"),
    [
        (("0",), FIRST),
        (("0", "0"), FIRST),
        (("0", "0", "0", "0"), FIRST),
        (("0", "00"), FIRST),
        (("0", "1"), None),
        (("0", "0", "Me", "1"), None),
        (("0", SECOND), SECOND),
        (("0", SECOND, "0", "1"), None),
    ],
)
def test_in_danger_words_stay_until_they_are_replaced_or_skipped(
    app: App, then: tuple[str, ...], narrative: str | None
) -> None:
    """The screen has promised: the helpline gets it even if you are cut off."""
    data = after_silence(app, FIRST, *then)
    assert data["narrative"] == narrative
    assert ("Samuel" in json.dumps(data)) == (narrative == FIRST)
    questions = [one["question"] for one in data["answers"] if one["question"] == "narrative"]
    assert len(questions) == 1 + then.count("1") + then.count(SECOND)


@pytest.mark.rule("S-12")
def test_back_from_now_takes_the_words_back_with_the_promise(app: App) -> None:
    send_texts(app.sms(PHONE), *IN_DANGER, FIRST, *["0"] * 6)
    app.submit_due_within(1801)
    assert app.bodies() == []
    data = sent(app, "Soon", "Asks photos, money", "Me", "13-15", "Shefa", "1", "No", "Send")
    assert data["narrative"] is None and "Samuel" not in json.dumps(data)


@pytest.mark.rule("S-12")
def test_words_of_an_interrupted_report_in_danger_stay(app: App) -> None:
    send_texts(app.sms(PHONE), *IN_DANGER, FIRST, "0", "00")
    data = sent(app, *IN_DANGER, "1", "No", "Send")
    assert data["narrative"] == FIRST
