"""Every screen in each country that ships: it fits, and its numbers are the country's."""

from __future__ import annotations

import itertools
import re

import pytest

from flows.engine import show
from flows.fit import fits
from flows.model import Option, State, World
from reports.country import SHIPPED, Country, load_all
from tests.flows.phone import FACTS, FIELDS, LIMITS, book

COUNTRIES = sorted(path.stem.upper() for path in SHIPPED.glob("*.toml"))
MORE_PAGES = {
    "report.category",
    "report.place",
    "report.place_me",
    "report.place_seen",
    "more.place",
    "report.who_else",
}


def country(iso: str) -> Country:
    found = load_all([iso], "demo").get(iso)
    assert found is not None
    return found


def here(of: Country, channel: str, send_to: str) -> World:
    names = sorted((one.screen_name for one in of.hotlines.values()), key=len)
    helpline = "no" if of.helpline() is None else "yes"
    facts = {**FACTS, "channel": channel, "has_helpline": helpline, "send_to": send_to, "police_named": "no"}
    said = {"code": FIELDS["code"], "pin": FIELDS["pin"], "desk": names[-1]}
    longest = {"send_to_1": names[-1], "send_to_2": names[-2] if len(names) > 1 else names[-1]}
    lists = {
        "places": tuple(Option(place.code, place.label) for place in of.places),
        "places_in_group": tuple(Option(place.code, place.label) for place in of.places[:8]),
        "who_else": tuple(Option(name, name) for name in names[-3:]),
    }
    return World(facts, {**of.fields(), **said, **longest}, lists, str)


@pytest.mark.parametrize(
    ("iso", "channel", "send_to"), [*itertools.product(COUNTRIES, LIMITS, ["one", "two", "staff"])]
)
def test_every_screen_fits_on_its_pages(iso: str, channel: str, send_to: str) -> None:
    world = here(country(iso), channel, send_to)
    for name in book().screens:
        state = State(name)
        first = show(book(), state, world, LIMITS[channel])
        for page in range(first.pages):
            assert fits(show(book(), State(name, page=page), world, LIMITS[channel]).text, LIMITS[channel]), name
        assert first.pages == 1 or name in MORE_PAGES, f"{name}: {first.text}"


@pytest.mark.rule("S-01")
@pytest.mark.parametrize("iso", COUNTRIES)
def test_the_first_screens_have_the_countrys_emergency_number(iso: str) -> None:
    of = country(iso)
    for screen in ("home.home", "home.home_sms", "home.first_words"):
        for channel, limit in LIMITS.items():
            text = show(book(), State(screen), here(of, channel, "one"), limit).text
            assert f"In danger? Call {of.fields()['emergency']}." in text


@pytest.mark.rule("S-32")
@pytest.mark.parametrize("iso", COUNTRIES)
def test_no_number_on_a_screen_comes_from_elsewhere(iso: str) -> None:
    of = country(iso)
    known = set(re.findall(r"\d{3,}", " ".join(of.fields().values()))) | {"4821", "9303", "7350", "2014"}
    for name in book().screens:
        text = show(book(), State(name), here(of, "ussd", "one"), LIMITS["ussd"]).text
        assert set(re.findall(r"\d{3,}", text)) <= known, name
