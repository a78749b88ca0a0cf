"""Training screens, in every country, language and channel: each is marked, and none loses a number, code or PIN."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest
from msgspec.structs import replace

from flows import catalogues
from flows.authoring.screen_variants import ScreenVariant, screen_variants
from flows.model import ScreenContext
from flows.pagination import DRILL, DRILL_EMERGENCY, DRILL_END, NAVIGATION_KEYS, alphabet
from flows.renderer import lay_out
from runtime.telephony import CHANNEL_KINDS
from tests.flows.phone import book
from tests.flows.test_countries import COUNTRIES, country
from tokaut.screens.combinations import menu_languages, phone

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-40")]

# No service code, no year, and not the 10 minutes of a notice.
NUMBER = re.compile(r"(?<![*\d])(?!20\d\d\b|10\b)\d[\d ]*\d(?![*#\d])")
FAREWELLS = {"home.goodbye", "home.how_to_delete", "report.deleted", "my.erased"}


Drilled = list[tuple[ScreenVariant, ScreenContext, list[str]]]


@pytest.fixture(scope="module", params=COUNTRIES)
def drilled(request: pytest.FixtureRequest) -> Drilled:
    """Each variant of each screen of a country, and its pages in a drill."""
    return list(drills(request.param))


def drills(iso: str) -> Iterator[tuple[ScreenVariant, ScreenContext, list[str]]]:
    of, known = country(iso), catalogues.shipped()
    menu = menu_languages(of, known)
    for channel in CHANNEL_KINDS:
        for language in menu:
            on = phone(book(), of, language, channel, menu)
            for form in screen_variants(book(), on):
                world = replace(on.context, facts={**on.context.facts, **form.facts, "drill": "yes"})
                laid_pages = lay_out(form.screen, form.values, world, on.limit).pages
                yield form, world, [page.text for page in laid_pages]


def numbers(shown: Iterable[str]) -> set[str]:
    return {number for text in shown for number in NUMBER.findall(text)} - NAVIGATION_KEYS


@pytest.mark.rule("S-01")
def test_a_drill_is_marked_and_takes_no_number_away(drilled: Drilled) -> None:
    for form, world, shown in drilled:
        assert shown[0].startswith((world.translate(DRILL), world.translate(DRILL_END))), (form.screen.id, shown)
        assert numbers(form.text) <= numbers(shown), (form.screen.id, form.text, shown)
        most = len(form.text) + (1 if alphabet("".join(shown)) == "gsm7" else 2)
        assert len(shown) <= most, (form.screen.id, form.text, shown)


@pytest.mark.rule("S-02")
def test_the_numbers_to_call_are_said_to_be_for_a_real_emergency(drilled: Drilled) -> None:
    seen = [(world, shown) for form, world, shown in drilled if form.screen.id == "report.emergency"]
    assert seen
    for world, shown in seen:
        assert shown[0].startswith(f"{world.translate(DRILL_EMERGENCY)} "), shown
        assert world.fields["emergency"] in " ".join(text.split("\n")[0] for text in shown), shown


def test_the_last_words_say_that_it_was_no_real_report(drilled: Drilled) -> None:
    ends = [(world, shown) for form, world, shown in drilled if form.screen.id in FAREWELLS]
    assert ends
    for world, shown in ends:
        own, short = (f"{world.translate(mark)} " for mark in (DRILL_END, DRILL))
        assert shown[0].startswith(own if alphabet(own) == "gsm7" else (own, short)), shown
