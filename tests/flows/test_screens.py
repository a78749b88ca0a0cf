"""Every screen as a reporter sees it: the table in screens.txt, byte for byte, with its counts."""

from __future__ import annotations

import pathlib
import re

import pytest

import flows
from flows.engine import render, render_notice
from flows.loader import build_book, parse_flow
from flows.model import FACTS, Answer, FlowState, Option
from flows.pagination import fits, septets
from tests.flows.phone import LIMITS, NOON, book, world

TABLE = pathlib.Path(__file__).with_name("screens.txt")
ROWS = [line.split(" | ") for line in TABLE.read_text().replace("| |", "|  |").splitlines() if line and line[0] != "#"]
INSIDE = {
    "places_in_group": (Option("KE-14", "Kilifi"), Option("KE-19", "Kwale")),
    "languages": (Option("bi", "Bislama"), Option("en", "English"), Option("fr", "Francais")),
}
LEAVE = "\n00 Leave"


def _state(screen: str, page: int, answers: dict[str, str]) -> FlowState:
    given = tuple(Answer("report.danger", question, value, False, NOON) for question, value in answers.items())
    return FlowState(screen, tuple(("report.danger", n) for n in range(len(given))), given, page=page)


@pytest.mark.parametrize(("screen", "when", "count", "words"), ROWS, ids=[f"{row[0]} {row[1]}" for row in ROWS])
def test_a_screen_is_what_the_table_says(screen: str, when: str, count: str, words: str) -> None:
    name, _, page = screen.partition("/")
    said = dict(part.split("=") for part in when.split())
    facts = {key: value for key, value in said.items() if key in FACTS}
    answers = {key: value for key, value in said.items() if key not in FACTS}
    here = world(facts, lists=INSIDE)
    channel = here.facts["channel"]
    prefix = "" if channel == "sms" else words[:4]
    shown = render(book(), _state(name, int(page or 1) - 1, answers), here, LIMITS[channel])

    expected = words.removeprefix(prefix).replace("¶", "\n")
    assert shown.text.removesuffix("" if book().screens[name].start else LEAVE) == expected
    assert septets(prefix + expected) == int(count)
    assert prefix in ("", "CON " if shown.expects_reply else "END ")
    assert shown.page == int(page or 1)
    if shown.expects_reply and "\n00 " not in shown.text:
        assert not fits(shown.text + LEAVE, LIMITS[channel])


def test_every_screen_is_in_the_table() -> None:
    assert {row[0].partition("/")[0] for row in ROWS} == set(book().screens)


def test_one_language_alone_needs_no_line_and_the_others_keep_their_numbers() -> None:
    assert render_notice(book(), "home.home", world({"languages": "one"}), LIMITS["ussd"]).text.split("\n")[2:] == [
        "1 Report",
        "2 Safety tips",
        "3 My report",
        "4 Law",
        "00 Leave",
    ]


def test_a_line_of_a_flow_that_is_not_installed_is_not_shown() -> None:
    folder = pathlib.Path(flows.__file__).parent
    there = [path for path in sorted(folder.glob("*.yaml")) if path.stem not in ("law", "language")]
    fewer = build_book([parse_flow(path.name, path.read_text()) for path in there])
    lines = render_notice(fewer, "home.home", world(), LIMITS["ussd"]).text.split("\n")
    assert lines[2:] == ["1 Report", "2 Safety tips", "3 My report", "00 Leave"]


@pytest.mark.rule("S-01")
@pytest.mark.parametrize("screen", ["home.home", "home.home_sms", "home.did_you_mean", "home.first_words"])
@pytest.mark.parametrize("has_helpline", ["yes", "no"])
@pytest.mark.parametrize("limit", [*LIMITS.values()], ids=[*LIMITS])
def test_the_emergency_number_is_on_every_first_screen(screen: str, has_helpline: str, limit: object) -> None:
    del limit
    for channel, room in LIMITS.items():
        here = world({"channel": channel, "has_helpline": has_helpline})
        assert "police 111" in render_notice(book(), screen, here, room).text


@pytest.mark.rule("S-05")
def test_a_conversation_by_sms_begins_with_the_warning_that_texts_stay() -> None:
    sms = world({"channel": "sms"})
    for screen in ("home.home_sms", "home.first_words"):
        assert "Texts stay on this phone." in render_notice(book(), screen, sms, LIMITS["sms"]).text
    assert render_notice(book(), "home.home_sms", sms, LIMITS["sms"]).text.endswith("No texts: *111*163#")
    no_ussd = world({"channel": "sms"}, {"ussd": None})
    assert render_notice(book(), "home.home_sms", no_ussd, LIMITS["sms"]).text.endswith("Delete them after.")


@pytest.mark.rule("S-08")
def test_the_way_to_leave_is_shown_wherever_a_conversation_begins() -> None:
    for screen in ("home.home", "home.home_sms", "home.first_words"):
        for room in LIMITS.values():
            assert "00 " in render_notice(book(), screen, world(), room).text


@pytest.mark.rule("S-37")
@pytest.mark.parametrize(("duty", "said"), [("may", True), (None, True), ("no", False)])
def test_the_duty_to_pass_it_on_is_told_before_send(duty: str | None, said: bool) -> None:
    for send_to in ("one", "two", "staff"):
        shown = render_notice(book(), "report.send", world({"duty": duty, "send_to": send_to}), LIMITS["ussd"])
        assert ("They may have to tell" in shown.text) is said


def cut(words: str) -> list[str]:
    return [part for part in re.split(r"(\{\w+\})", words) if part]


LONG = {
    "helpline_name": "Rockstar Helpline!",
    "helpline_number": "7150 8000",
    "helpline_named": "Rockstar Helpline! 7150 8000",
    "helpline_line": "Rockstar Helpline! 7150 8000, free, day and night",
    "helpline_free": "Rockstar Helpline! 7150 8000, free",
}


def test_the_call_screen_drops_words_before_it_drops_numbers() -> None:
    shown = render_notice(
        book(), "report.emergency", world(fields={"emergency": "emergency 911", **LONG}), LIMITS["ussd"]
    )
    assert shown.pages == 1
    assert shown.text.startswith("Call emergency 911 now. Or Rockstar Helpline! 7150 8000.\nThen")


def test_a_number_that_takes_texts_stands_on_the_call_screen() -> None:
    shown = render_notice(book(), "report.emergency", world({"rescue": "no"}, {"emergency_sms": "112"}), LIMITS["ussd"])
    assert "Or text 112." in shown.text.split("\n")


@pytest.mark.parametrize(
    ("rescue", "has_helpline", "sentence"),
    [
        ("yes", "yes", "Then say what happened. The helpline gets it even if you are cut off."),
        ("other", "yes", "Then say what happened. Women's Centre gets it even if you are cut off."),
        ("other", "no", "Then say what happened. Women's Centre gets it even if you are cut off."),
        ("no", "yes", None),
        ("no", "no", None),
    ],
)
def test_the_call_screen_says_who_is_told_only_where_somebody_is(
    rescue: str, has_helpline: str, sentence: str | None
) -> None:
    here = world({"rescue": rescue, "has_helpline": has_helpline}, {"incomplete_name": "Women's Centre"})
    text = render_notice(book(), "report.emergency", here, LIMITS["ussd"]).text
    assert ("163" in text) is (has_helpline == "yes")
    assert [line for line in text.split("\n") if line.startswith("Then")] == ([sentence] if sentence else [])


NOBODY = dict.fromkeys(LONG) | {"incomplete_name": None, "helpline": "police 111", "now": "police 111"}


def test_without_a_helpline_no_screen_names_one() -> None:
    here = world({"has_helpline": "no", "rescue": "no"}, NOBODY)
    for screen in set(book().screens) - {"report.nobody"}:
        text = render_notice(book(), screen, here, LIMITS["ussd"]).text
        assert "163" not in text.replace("*111*163#", "")
        assert "{" not in text


NOW = Answer("report.danger", "danger", "now", False, 0)


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("channel", ["ussd", "sms"])
def test_a_drill_of_danger_shows_the_true_numbers(channel: str) -> None:
    state = FlowState("report.emergency", trail=(("report.danger", 0),), answers=(NOW,))
    drill = render(book(), state, world({"drill": "yes", "channel": channel}), LIMITS[channel])
    assert drill.text.startswith("DRILL. Real emergency: Call police 111 now. Or Pikinini Helpline 163")
    assert drill.pages == 1


def test_a_drill_says_so_and_pushes_no_choice_away() -> None:
    for name, screen in book().screens.items():
        plain = render_notice(book(), name, world(), LIMITS["ussd"])
        drill = render_notice(book(), name, world({"drill": "yes"}), LIMITS["ussd"])
        assert drill.text.startswith(("DRILL", "END DRILL") if screen.end else "DRILL"), name
        assert drill.pages == plain.pages, screen.id


def test_a_language_outside_gsm7_gets_short_words_or_more_pages() -> None:
    def long(words: str) -> str:
        return "".join(
            part if part[0] == "{" else part.replace("a", "ā").replace("Not", "Nōt at all") for part in cut(words)
        )

    here = world(translate=long)
    danger = render_notice(book(), "report.danger", here, LIMITS["ussd"])
    assert danger.text.split("\n")[0] == "Child in dānger?"
    for name in book().screens:
        shown = render_notice(book(), name, here, LIMITS["ussd"])
        for page in range(shown.pages):
            assert fits(render(book(), FlowState(name, page=page), here, LIMITS["ussd"]).text, LIMITS["ussd"])
