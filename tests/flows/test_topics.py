"""Tips: short, with something to do, with the source of the advice, and always with a way to the report."""

from __future__ import annotations

import re

import pytest

from flows.engine import apply_outcome, render, step
from flows.loader import parse_flow
from flows.model import FlowState, Option, Topic
from flows.pagination import alphabet
from flows.parser import FlowError
from tests.flows.phone import LIMITS, NOON, book, world

TOPICS = [topic for flow in book().flows.values() for topic in flow.topics]
TIPS = [topic for topic in TOPICS if topic.id.startswith("tips_")]
EACH = pytest.mark.parametrize("topic", TIPS, ids=lambda topic: topic.id)
DO = re.compile(
    r"\b(tell|call|say|ask|stop|keep|show|choose|set|write|go|do|pick|stand|sit|leave|log|lock|make|block|talk|visit|"
    r"teach|share|stay|look|report|check|take|listen|can)\b"
)
FEAR = ("predator", "jail", "forever", "ruin", "you will be safe", "we will save", "should have", "should not have")


def text_of(topic: Topic) -> str:
    return " ".join(
        render(book(), FlowState(name), world(), LIMITS["sms"]).text.split("\n")[0] for name in topic.screens
    )


@EACH
def test_a_topic_is_one_or_two_screens_and_leads_to_the_report(topic: Topic) -> None:
    here = world()
    state = FlowState(topic.screens[0], trail=(("tips_young.who", -1),))
    for after in topic.screens[1:]:
        state = step(book(), state, "98", lambda _: here, limit=LIMITS["ussd"], now=NOON).state
        assert state.screen == after
    back = step(book(), state, "0", lambda _: here, limit=LIMITS["ussd"], now=NOON).state
    assert back.screen == ("tips_young.who" if len(topic.screens) == 1 else topic.screens[-2])
    onward = step(book(), state, "1", lambda _: here, limit=LIMITS["ussd"], now=NOON).state
    assert (onward.screen, onward.answers) == ("report.danger", ())


@EACH
@pytest.mark.rule("S-19")
def test_a_topic_says_something_to_do_and_nothing_to_fear(topic: Topic) -> None:
    words = text_of(topic)
    assert alphabet(words) == "gsm7"
    assert not [phrase for phrase in FEAR if phrase in words.lower()]
    last = render(book(), FlowState(topic.screens[-1]), world(), LIMITS["sms"]).text.lower()
    assert DO.search(last)
    for found in re.finditer(r"(\w+ \w+) fault", words.lower()):
        assert found[1] in {"not your", "is their", "it's their"}, found[0]


@EACH
def test_a_topic_names_who_gives_the_advice(topic: Topic) -> None:
    sources = next(flow.sources for flow in book().flows.values() if topic in flow.topics)
    assert topic.sources
    assert all(sources[name].at and sources[name].grade for name in topic.sources)


@pytest.mark.rule("S-32")
def test_no_number_is_typed_into_a_tip() -> None:
    said = [says for flow in book().flows.values() for screen in flow.screens.values() for says in _says(screen)]
    assert not [words for words in said if re.search(r"\d{3,}", words.replace("2014", ""))]


def _says(screen: object) -> list[str]:
    return [one for variant in screen.words.variants for one in variant.says]  # type: ignore[attr-defined]


ALONE = "flow: t\nversion: 1\nscreens:\n  home: {words: Hello, choices: [{say: Go, go: a}]}\n"
GIVEN = "sources: {T1: {by: b, grade: docs, at: c}}"


@pytest.mark.parametrize(
    ("topic", "sources", "says"),
    [
        ("pages: [One], sources: [T1], checked: '2026-11-25'", "", "at the foot of the file"),
        ("pages: [One], checked: '2026-11-25'", GIVEN, "`sources:` is missing"),
        ("pages: [One], sources: [T2], checked: '2026-11-25'", GIVEN, "T2 is not a source"),
        ("pages: [One], sources: [T1], checked: soon", GIVEN, "is not a valid date"),
        ("pages: [1, 2, 3], sources: [T1], checked: '2026-11-25'", GIVEN, "at most 2 pages"),
        ("pages: [One], sources: [T1], checked: '2026-11-25'", GIVEN[:-1] + ", T2: {by: b, grade: docs, at: c}}",
         "no topic names the source T2"),
        ("pages: [One], sources: [T1], checked: '2026-11-25'", "sources: {T1: {by: b, at: c}}", "`grade:` is missing"),
    ],
)  # fmt: skip
def test_a_topic_without_a_source_or_a_date_does_not_parse(topic: str, sources: str, says: str) -> None:
    with pytest.raises(FlowError, match=says):
        parse_flow("t.yaml", f"{ALONE}topics: {{a: {{{topic}}}}}\n{sources}")


MISSED = [f"five_{n}" for n in (2, 4, 1, 3, 5)]  # in the order in which the answers decide


@pytest.mark.parametrize("missed", MISSED)
def test_the_first_of_five_questions_not_answered_with_yes_gives_the_tip(missed: str) -> None:
    here, limit = world(), LIMITS["ussd"]
    state = step(book(), FlowState("tips_parents.menu"), "9", lambda _: here, limit=limit, now=NOON).state
    state = step(book(), state, "1", lambda _: here, limit=limit, now=NOON).state
    later = MISSED[MISSED.index(missed) :]
    while state.screen.startswith("tips_parents.five_"):
        reply = "2" if state.screen.partition(".")[2] in later else "1"
        state = step(book(), state, reply, lambda _: here, limit=limit, now=NOON).state
    shown = step(book(), state, "1", lambda _: here, limit=limit, now=NOON).state
    tips = {"five_2": "p-talk", "five_4": "p-told", "five_1": "p-talk", "five_3": "p-settings", "five_5": "p-call"}
    assert (state.screen, shown.screen) == ("tips_parents.step", f"tips_parents.{tips[missed]}")


def test_five_times_yes_needs_no_step() -> None:
    here = world()
    state = FlowState("tips_parents.five")
    for _ in range(6):
        state = step(book(), state, "1", lambda _: here, limit=LIMITS["ussd"], now=NOON).state
    assert state.screen == "tips_parents.all_well"


def test_what_is_unknown_about_the_law_is_explained_before_the_report() -> None:
    here = world()
    state = step(book(), FlowState("law.known"), "98", lambda _: here, limit=LIMITS["ussd"], now=NOON).state
    assert state.screen == "law.known-2"
    assert step(book(), state, "1", lambda _: here, limit=LIMITS["ussd"], now=NOON).state.screen == "report.danger"


def test_a_language_that_is_chosen_leads_home() -> None:
    here = world(lists={"languages": (Option("en", "English"), Option("bi", "Bislama"))})
    took = step(book(), FlowState("language.choose"), "Bislama", lambda _: here, limit=LIMITS["ussd"], now=NOON)
    assert (took.state.screen, took.state.values) == ("home.home", {"language": "bi"})


@pytest.mark.rule("S-13")
@pytest.mark.parametrize(("channel", "screen"), [("ussd", "contact_request.ask"), ("sms", "contact_request.ask_sms")])
def test_a_request_to_be_called_begins_with_no(channel: str, screen: str) -> None:
    here = world({"channel": channel})
    took = step(book(), FlowState(screen), "1", lambda _: here, limit=LIMITS[channel], now=NOON)
    assert (took.effect, took.state.values) == ("call_me", {"call_hours": "none"})
    asked = apply_outcome(book(), took.state, "withdrawn", lambda _: here).screen
    assert asked == {"ussd": "contact_request.no_call", "sms": "contact_request.no_call_sms"}[channel]
