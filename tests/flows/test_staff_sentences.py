"""The ready-made replies: each passes the check of staff's words, in every language that has it (S-25)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

import locales
from console.bodies import check_message
from flows.catalogues import Catalogue, load
from flows.pagination import alphabet, septets
from flows.staff_replies import MAX_SEPTETS, REPLY_TEMPLATES
from reports.countries.country import load_countries, shipped_countries
from tests.flows.reading import grade
from tests.flows.test_wording import LOOKING, NEVER

COUNTRIES = load_countries(shipped_countries(), "demo")
LANGUAGES = load(files(locales))
HAVE_THEM = ("bi", "en", "fj", "fr", "pis", "sm", "sw", "tpi")


def test_which_languages_have_them_and_all_of_them() -> None:
    having = {tag for tag, one in LANGUAGES.items() if any(words in one.words for words in REPLY_TEMPLATES)} | {"en"}
    assert having == set(HAVE_THEM)
    assert not [tag for tag in HAVE_THEM if LANGUAGES[tag].lacks(REPLY_TEMPLATES)]


@pytest.mark.rule("S-25")
@pytest.mark.parametrize("language", [LANGUAGES[tag] for tag in HAVE_THEM], ids=lambda one: one.tag)
def test_each_can_be_left_as_it_is(language: Catalogue) -> None:
    for country in COUNTRIES:
        for words in REPLY_TEMPLATES:
            found = check_message(language.translate(words), country)
            assert (found.refusals, found.doubts) == ((), ()), (country.iso, language.translate(words))


@pytest.mark.parametrize("language", [LANGUAGES[tag] for tag in HAVE_THEM], ids=lambda one: one.tag)
def test_each_is_in_letters_that_every_phone_has(language: Catalogue) -> None:
    said = [language.translate(words) for words in REPLY_TEMPLATES]
    assert len(set(said)) == len(said)
    assert all(alphabet(one) == "gsm7" and septets(one) <= MAX_SEPTETS for one in said)


@pytest.mark.rule("S-16")
@pytest.mark.rule("S-17")
@pytest.mark.rule("S-18")
@pytest.mark.parametrize("phrase", [*NEVER, *LOOKING, "why"])
def test_none_has_a_word_that_is_never_used(phrase: str) -> None:
    assert not [one for one in REPLY_TEMPLATES if re.search(rf"\b{re.escape(phrase)}\b", one, re.IGNORECASE)]


@pytest.mark.rule("S-19")
def test_they_are_easy_to_read() -> None:
    assert max(map(grade, REPLY_TEMPLATES)) <= 6


def test_the_check_finds_a_planted_one() -> None:
    found = check_message("Tell us about the abuse. We promise to come.", next(iter(COUNTRIES)))
    assert len(found.doubts) == 2
