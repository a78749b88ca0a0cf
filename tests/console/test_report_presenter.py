"""Which parts of a report are covered on the page, and which never are."""

from __future__ import annotations

from typing import Any

import pytest

from console import bodies
from console.presenters import earlier_wordings
from console.presenters.reachability import reach
from console.presenters.report import ChoiceLabels, fill_placeholders, present_report
from flows import loader

CARD = "4111 1111 1111 1111"
TO_BE_CALLED = "+2348000000001"  # 13 digits with the check digit of a card


def data(**more: Any) -> dict[str, Any]:
    hours = {"from": "16:00", "to": "18:00", "tz": "Africa/Lagos"}
    return {
        "triage": {"priority": "P2", "flags": [], "reasons": []},
        "contact": {"allowed": True, "how": "call", "msisdn": TO_BE_CALLED, "safe_hours": hours},
        "routing": {"avoid": [], "to": []},
        "place": {"name": CARD, "group": None},
        "child": {"age_band": "10-12"},
        "attachments": {"count": 0, "links": []},
        **dict.fromkeys(("about", "reporter_role", "narrative"), None),
        **dict.fromkeys(("unasked", "additions", "answers"), ()),
        "category": "hurt",
        "danger": "no",
        "language": "en",
        "channel": "sms",
        "repeat_of": 0,
        "extras": {},
        **more,
    }


@pytest.mark.rule("S-16")
def test_a_card_is_covered_and_the_number_to_call_never() -> None:
    """A number of Nigeria has as many digits as a card, and one in ten passes the check."""
    facts = dict(present_report(data(), ChoiceLabels(loader.load())).facts)
    assert facts["Place"] == "[16 digits that look like a card, ending 11]"
    found = reach(bodies.complete_report(data())["contact"], "", 1_800_000_000_000_000)
    assert found.number == TO_BE_CALLED and (found.fields["from"], found.fields["to"]) == ("16:00", "18:00")


@pytest.mark.parametrize(
    ("to", "contact", "shown"),
    [
        (["Helpline"], None, "Send to Helpline without your number?"),
        (["Helpline"], "none", "Send to Helpline without your number?"),
        (["Helpline"], "sms_08_16", "Send to Helpline with your number?"),
        (["Helpline", "Women"], "none", "Send to Helpline and Women without your number?"),
        (["Helpline", "Women"], "call_07_21", "Send to Helpline and Women with your number?"),
    ],
)
def test_what_the_reporter_agreed_to_stands_in_the_form_that_they_saw(
    to: list[str], contact: str | None, shown: str
) -> None:
    """The report does not say whether the country had a duty to report then, so neither does the page."""
    answers = [{"screen": "report.contact", "question": "contact", "value": contact, "at": ""}] if contact else []
    answers.append({"screen": "report.send", "question": "send", "value": "yes", "at": ""})
    routing = {
        "avoid": [],
        "to": [{"name": name, "role": "primary" if n == 0 else "also"} for n, name in enumerate(to)],
    }
    asked = present_report(data(answers=answers, routing=routing), ChoiceLabels(loader.load())).asked
    assert fill_placeholders(asked[-1].question, asked[-1].fields) == shown


def test_where_no_form_is_certain_no_form_is_shown() -> None:
    answers = [{"screen": "report.send", "question": "send", "value": "yes", "at": ""}]
    assert present_report(data(answers=answers), ChoiceLabels(loader.load())).asked[0].question == "send"


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("danger", "Are you or a child in danger?"),
        ("contact", "May staff contact you? Only if nobody else sees this phone."),
    ],
)
def test_a_question_with_a_shorter_spelling_is_a_question(question: str, shown: str) -> None:
    answers = [{"screen": f"report.{question}", "question": question, "value": "no", "at": ""}]
    assert present_report(data(answers=answers), ChoiceLabels(loader.load())).asked[0].question == shown


@pytest.mark.parametrize(
    ("version", "contact", "danger", "soon"),
    [
        (
            2,
            "May staff contact you on this phone? Only if nobody else sees it.",
            "Are you or a child in danger?",
            "Soon",
        ),
        (
            3,
            "May staff contact you? Only if nobody else sees this phone.",
            "Are you or a child in danger?",
            "Not now, but soon",
        ),
    ],
)
def test_an_earlier_report_shows_the_words_of_its_time(version: int, contact: str, danger: str, soon: str) -> None:
    rows = [("danger", "soon"), ("contact", "none")]
    answers = [{"screen": f"report.{name}", "question": name, "value": value, "at": ""} for name, value in rows]
    found = data(answers=answers, flow={"id": "report", "version": version})
    asked = present_report(found, ChoiceLabels(loader.load())).asked
    assert [row.question for row in asked] == [danger, contact]
    assert asked[0].answer == soon


def test_words_on_the_screen_that_says_sent_have_their_question() -> None:
    rows = [("report.category", "category", "luring"), ("report.sent", "narrative", None)]
    answers = [{"screen": screen, "question": name, "value": value, "at": ""} for screen, name, value in rows]
    asked = present_report(data(answers=answers), ChoiceLabels(loader.load())).asked
    assert asked[1].question == "Add your words? Type a few. 1 = skip"


def test_earlier_words_are_not_those_of_today() -> None:
    book, labels = loader.load(), ChoiceLabels(loader.load())
    for screen, (version, words) in earlier_wordings.QUESTIONS.items():
        screens = [book.screens[screen]] if screen in book.screens else []  # a later version may lack this screen
        today = {spelling for one in screens for variant in one.words.variants[:1] for spelling in variant.says}
        assert version < book.flows["report"].version and words not in today
    for (question, value), (version, label) in earlier_wordings.LABELS.items():
        assert version < book.flows["report"].version and label != labels.chosen(question, value)
