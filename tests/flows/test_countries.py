"""Every screen in each shipped country: it fits, and its numbers are the country's."""

from __future__ import annotations

import re

import pytest

from flows.engine import render
from flows.model import FlowState, Option, ScreenContext
from reports.countries.country import SHIPPED_FOLDER, Country, load_countries
from tests.flows.phone import FACTS, FIELDS, LIMITS, book

COUNTRIES = sorted(path.stem.upper() for path in SHIPPED_FOLDER.glob("*.toml"))


def country(iso: str) -> Country:
    found = load_countries([iso], "demo").get(iso)
    assert found is not None
    return found


def here(of: Country, channel: str, send_to: str) -> ScreenContext:
    names = sorted((one.screen_name for one in of.hotlines.values()), key=len)
    helpline, texts = ("yes" if there else "no" for there in (of.helpline(), of.fields()["helpline_sms"]))
    known = {"has_helpline": helpline, "helpline_texts": texts}
    facts = {**FACTS, **known, "channel": channel, "send_to": send_to, "police_named": "no"}
    said = {"code": FIELDS["code"], "pin": FIELDS["pin"], "desk": names[-1], "opens": FIELDS["opens"]}
    longest = {"send_to_1": names[-1], "send_to_2": names[-2] if len(names) > 1 else names[-1]}
    lists = {
        "places": tuple(Option(place.code, place.label) for place in of.places),
        "places_in_group": tuple(Option(place.code, place.label) for place in of.places[:8]),
        "who_else": tuple(Option(name, name) for name in names[-3:]),
    }
    return ScreenContext(facts, {**of.fields(), **said, **longest}, lists, str)


@pytest.mark.rule("S-01")
@pytest.mark.parametrize("iso", COUNTRIES)
def test_the_first_screens_have_the_countrys_emergency_number(iso: str) -> None:
    of = country(iso)
    for screen in ("home.home", "home.home_sms", "home.first_words"):
        for channel, limit in LIMITS.items():
            text = render(book(), FlowState(screen), here(of, channel, "one"), limit).text
            assert f"In danger? Call {of.fields()['emergency']}." in text


@pytest.mark.rule("S-32")
@pytest.mark.parametrize("iso", COUNTRIES)
def test_no_number_on_a_screen_comes_from_elsewhere(iso: str) -> None:
    of = country(iso)
    known = set(re.findall(r"\d{3,}", " ".join(of.fields().values()))) | {"4821", "9303", "7350", "2014"}
    for name in book().screens:
        text = render(book(), FlowState(name), here(of, "ussd", "one"), LIMITS["ussd"]).text
        assert set(re.findall(r"\d{3,}", text)) <= known, name


# Numbers that a source names for SMS, for people who cannot call.
TO_TEXT = {
    "TZ": ["Call police 112 now. Or Child Helpline 116.", "Or text police 112."],
    "GH": ["Call emergency 112 now. Or Helpline of Hope 0800 800 800, text 8020."],
    "NZ": ["Call emergency 111 now. Or Need to talk 1737, day and night, text 1737."],
    "ZA": ["Call emergency 112 now. Or Childline 116.", "Or text GBV Centre 31531."],
}


@pytest.mark.rule("S-32")
@pytest.mark.parametrize("iso", COUNTRIES)
@pytest.mark.parametrize("channel", LIMITS)
def test_in_danger_the_screen_says_whom_to_text(iso: str, channel: str) -> None:
    shown = render(book(), FlowState("report.emergency"), here(country(iso), channel, "one"), LIMITS[channel])
    lines = shown.text.split("\n")
    assert ("text" in shown.text) is (iso in TO_TEXT), lines
    if iso in TO_TEXT:
        assert lines[: len(TO_TEXT[iso])] == TO_TEXT[iso]
    assert any("1 Go on" in line for line in lines)


@pytest.mark.rule("S-32")
@pytest.mark.parametrize("iso", ["GH", "NZ"])
def test_who_thinks_of_hurting_oneself_reads_where_to_text(iso: str) -> None:
    of = country(iso)
    text = render(book(), FlowState("report.care"), here(of, "ussd", "one"), LIMITS["ussd"]).text
    assert f"{of.fields()['helpline_line']}, text {of.fields()['helpline_sms']}." in text
