"""The country files agree with their sources."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reports.countries.country import Country, load_countries, shipped_countries
from reports.countries.hotline import Hotline, PhoneNumber
from tests.reports.sample import read
from tests.reports.sample_countries import text_of

FACTS: dict[str, Any] = read("country_facts.json")
COUNTRIES = load_countries(shipped_countries(), "demo")
EACH = pytest.mark.parametrize("country", list(COUNTRIES), ids=lambda country: country.iso)
UNSETTLED = {"KI", "PG", "TV", "ZM", "ET"}  # sources disagree about the first number

# Numbers that lists still contain but no file may have: dead, of another service, or without a source.
NOT_TO_BE_SHIPPED = {
    "VU": ["112"],
    "KE": ["0800 722 203", "114", "292"],
    "WS": ["994", "995", "996"],
    "GH": ["191", "192", "193", "292"],
    "PG": ["000"],
    "FM": ["320221"],
    "NG": ["622", "199"],
    "ZA": ["0800 055 555", "0800 148 148"],
    "UG": ["0800 111 222", "0800 111 333"],
    "CK": ["996", "998"],
}


def plain(text: str) -> str:
    """Return the text without accents: ISO spells Vanuatu's provinces in French."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def proof(entry: Hotline | PhoneNumber) -> tuple[str, str, str, str]:
    return entry.source, entry.source_date, entry.grade, entry.note


def told(fact: dict[str, Any]) -> tuple[str, str, str, str]:
    return fact["source"], fact["source_date"] or "", fact["grade"], fact.get("note", "")


@EACH
def test_the_frame_is_that_of_the_facts(country: Country) -> None:
    facts = FACTS[country.iso]
    assert (country.name, country.calling_code) == (facts["name"], facts["calling_code"])
    assert list(country.languages) == [tag.partition("-")[0] for tag in facts["languages"]]
    zones = {place.time_zone for place in country.places if place.time_zone}
    assert {country.time_zone, *zones} <= set(facts["time_zones"])
    assert all(ZoneInfo(zone) for zone in (country.time_zone, *zones))


@EACH
@pytest.mark.rule("S-31")
def test_emergency_numbers_are_those_of_the_facts(country: Country) -> None:
    facts = FACTS[country.iso]
    fit = [fact for fact in facts["emergency"] if fact["grade"] in ("official", "secondary")]
    assert [(n.number, n.service, *proof(n)) for n in country.emergency] == [
        (fact["number"], fact["service"], *told(fact)) for fact in fit
    ]
    first = facts["first_emergency"]
    assert (country.emergency[0].number, country.emergency[0].service, country.emergency[0].conflict) == (
        first["number"],
        first["service"],
        first["sources_conflict"],
    )


@EACH
@pytest.mark.rule("S-31")
def test_hotlines_are_those_of_the_facts(country: Country) -> None:
    facts = {fact["name"]: fact for fact in FACTS[country.iso]["helplines"]}
    for hotline in country.hotlines.values():
        if not hotline.listed_as:  # a placeholder for a hotline that is not yet known; it has no number
            assert (hotline.phone, hotline.show.sms, hotline.grade, hotline.kind) == (None, "", "unverified", "police")
            continue
        fact = facts[hotline.listed_as]
        reach = fact["reach"]
        assert (hotline.kind, hotline.show.hours) == (fact["kind"], fact["hours"] or "")
        assert hotline.show.phone == reach.get("phone", "")
        assert hotline.show.sms == reach.get("sms", "")
        others = [*hotline.show.phone_alt, *hotline.show.by_place.values()]
        assert others == reach.get("phone_alt", [])
        assert proof(hotline) == told(fact)
        assert set(hotline.show.by_place) <= {place.code for place in country.places}
        if hotline.toll_free:
            note = fact["name"] + fact.get("note", "")
            assert "toll-free" in note
            assert "toll-free on Digicel;" not in note, "a call over another network costs, and may be on a bill"


@pytest.mark.parametrize(
    ("iso", "hotline", "places", "ages", "words"),
    [
        ("FM", "fm-tongen-inepwineu", ("FM-TRK",), ("all",), "Chuuk State only"),
        ("MH", "mh-wutmi", ("MH-MAJ", "MH-KWA"), ("all",), "Majuro and Ebeye"),
        ("PG", "pg-police", ("PG-NCD", "PG-CPM"), ("all",), "National Capital District and Central only"),
        ("ZM", "zm-lifeline", ("all",), ("18+",), "adults"),
    ],
)
def test_a_hotline_gets_reports_only_of_whom_its_source_says_that_it_serves(
    iso: str, hotline: str, places: tuple[str, ...], ages: tuple[str, ...], words: str
) -> None:
    """A report of a child in Yap named a centre that serves Chuuk only."""
    country = COUNTRIES.get(iso)
    assert country is not None
    found = country.hotlines[hotline]
    assert (found.card.places, found.card.ages) == (places, ages)
    assert words in f"{found.listed_as} {found.note}"


@EACH
def test_places_are_those_of_the_facts(country: Country) -> None:
    facts = FACTS[country.iso]["places"]
    assert [(p.code, plain(p.name), p.label, p.group) for p in country.places] == [
        (f["code"], plain(f["name"]), f["short_label"], f["group"]) for f in facts
    ]
    assert len({place.code for place in country.places}) == len(country.places)


@EACH
def test_the_law_is_that_of_the_facts_and_what_is_not_established_stays_none(country: Country) -> None:
    for key in ("seed_2014", "latest"):
        fact, reading = FACTS[country.iso]["law"][key], getattr(country.law, key)
        if fact is None:
            assert reading is None
            continue
        for criterion in ("specific", "defined", "computer", "possession", "isp"):
            assert getattr(reading, criterion) is fact[criterion]
        if key == "latest":
            assert (reading.title, reading.grade, reading.edition) == (
                fact["title"] or "",
                fact["grade"],
                fact["edition"],
            )


@EACH
@pytest.mark.rule("X-13")
@pytest.mark.rule("S-32")
def test_what_must_not_be_shipped_is_in_no_file(country: Country) -> None:
    shown = set(numbers_in(country))
    unfit = {f["number"] for f in FACTS[country.iso]["emergency"] if f["grade"] not in ("official", "secondary")}
    unfit |= {
        f["reach"]["phone"]
        for f in FACTS[country.iso]["helplines"]
        if f["grade"] == "unverified" and "phone" in f["reach"]
    }
    fit = {f["number"] for f in FACTS[country.iso]["emergency"]} - unfit
    fit |= {f["number"] for f in FACTS[country.iso]["emergency"] if f["grade"] in ("official", "secondary")}
    assert not shown & (unfit - fit | set(NOT_TO_BE_SHIPPED.get(country.iso, [])))


def numbers_in(country: Country) -> Iterator[str]:
    yield from (number.number for number in country.emergency)
    for hotline in country.hotlines.values():
        yield from (hotline.show.phone, hotline.show.sms, *hotline.show.phone_alt, *hotline.show.by_place.values())


@EACH
def test_nobody_has_confirmed_a_number_or_agreed_to_anything_yet(country: Country) -> None:
    entries = [*country.emergency, *country.hotlines.values()]
    assert not any(entry.verified_on or entry.verified_by for entry in entries)
    assert not any(h.card.agreement_date or h.card.verified_on or h.agreed() for h in country.hotlines.values())


@EACH
@pytest.mark.rule("S-18")
def test_an_old_term_stands_in_the_title_of_a_law_and_nowhere_else(country: Country) -> None:
    old = re.compile("child.?" + "porn", re.IGNORECASE)
    assert not [line for line in text_of(country).splitlines() if old.search(line) and not line.startswith("title = ")]


def test_the_files_are_those_of_the_facts_and_say_which_first_number_is_in_dispute() -> None:
    assert {country.iso for country in COUNTRIES} == set(FACTS)
    assert {country.iso for country in COUNTRIES if country.emergency[0].conflict} == UNSETTLED
    assert not COUNTRIES.problems("demo")


def test_ids_and_their_order() -> None:
    hotlines = [(country, hotline) for country in COUNTRIES for hotline in country.hotlines.values()]
    assert all(hotline.id.startswith(f"{country.iso.lower()}-") for country, hotline in hotlines)
    assert [h.id for c, h in hotlines if c.iso == "VU"] == ["vu-pikinini", "vu-womens-centre", "vu-police"]
    assert {hotline.delivery for _, hotline in hotlines} == {"webhook"}


def test_the_files_are_toml_that_says_where_each_number_is_from() -> None:
    for country in COUNTRIES:
        raw = tomllib.loads(text_of(country))
        for entry in (*raw["emergency"], *raw["hotline"]):
            assert {"source", "source_date", "grade", "verified_on", "verified_by"} <= set(entry)
