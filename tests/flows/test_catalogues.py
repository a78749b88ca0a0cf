"""Languages: which messages a catalogue has and lacks, and which languages may be offered."""

from __future__ import annotations

import pytest

import locales
from flows.catalogues import (
    ENGLISH_CATALOGUE,
    Catalogue,
    language_options,
    load,
    messages,
    offered_languages,
    parse_catalogue,
    safety_messages,
)
from flows.model import FlowState, Option
from flows.pagination import in_context
from flows.renderer import render
from tests.flows.phone import LIMITS, book, world

PO = r"""
msgid ""
msgstr ""
"Language: bi\n"
"X-Name: Bislama\n"
"X-Greetings: halo, Gud moning\n"

msgid "Report"
msgstr "Ripot"

msgid "Back"
msgstr ""

msgid "In danger? Call {emergency}."
msgstr "Denja? Kolem."
"""
WORDS = {"Report": "Ripot", "Back": "Go bak"}
BI = Catalogue("bi", "Bislama", words=WORDS)
FR = Catalogue("fr", "Francais", words=WORDS, signed=frozenset(WORDS))
ALL = {"bi": BI, "fr": FR, "en": ENGLISH_CATALOGUE}


@pytest.mark.rule("B-69")
def test_a_catalogue_says_what_is_translated_and_what_is_not_stays_english() -> None:
    found = parse_catalogue("bi", PO)
    assert (found.tag, found.name, found.signed) == ("bi", "Bislama", frozenset())
    assert (found.translate("Report"), found.translate("Back")) == ("Ripot", "Back")
    assert found.greetings == {"halo", "gud moning"}


@pytest.mark.rule("S-33")
def test_a_translation_that_lost_a_placeholder_is_none() -> None:
    assert parse_catalogue("bi", PO).lacks(["Report", "In danger? Call {emergency}."]) == (
        "In danger? Call {emergency}.",
    )


@pytest.mark.rule("S-33")
@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        (r"Kolem {emergency}.\nSMS {emergency_sms}.", True),
        (r"SMS {emergency_sms}.\nKolem {emergency}.", True),
        ("Kolem {emergency}. SMS {emergency_sms}.", False),
    ],
)
def test_a_translation_keeps_a_number_on_a_line_of_its_own(words: str, is_one: bool) -> None:
    """If nobody can be texted, the line with that number is removed; the other number must stay."""
    english = r"Call {emergency} now.\nOr text {emergency_sms}."
    found = parse_catalogue("bi", f'{PO}\nmsgid "{english}"\nmsgstr "{words}"\n')
    assert found.lacks([english.replace(r"\n", "\n")]) == (() if is_one else (english.replace(r"\n", "\n"),))


@pytest.mark.rule("S-33")
@pytest.mark.parametrize(
    ("spoken", "drafts", "found"),
    [
        (["bi", "en", "fr"], [], ["fr", "en"]),
        (["bi", "en", "fr"], ["bi"], ["fr", "en", "bi"]),
        (["bi", "en"], ["bi"], ["en", "bi"]),
        (["en"], ["bi"], ["en"]),
        (["sw"], [], ["en"]),
    ],
)
def test_who_is_offered_and_in_which_order(spoken: list[str], drafts: list[str], found: list[str]) -> None:
    """A draft only if it is configured, and never first automatically; English always."""
    assert [one.tag for one in offered_languages(spoken, ALL, WORDS, drafts)] == found


@pytest.mark.rule("S-33")
def test_a_language_that_lacks_a_safety_screen_is_not_offered() -> None:
    needed = (*WORDS, "Call {emergency} now.")
    assert [one.tag for one in offered_languages(["bi", "fr"], ALL, needed, ["bi"])] == ["en"]


def test_the_safety_screens_are_those_with_the_numbers() -> None:
    needed = safety_messages(messages(book()))
    assert {"In danger? Call {emergency}.", "Are you or a child in danger?", "Back", "Missing child"} <= set(needed)
    assert "Where did it happen?" not in needed


def test_a_language_is_chosen_by_its_own_name() -> None:
    assert language_options([ENGLISH_CATALOGUE, BI]) == (Option("en", "English"), Option("bi", "Bislama"))


def test_the_same_english_with_another_meaning_has_a_translation_of_its_own() -> None:
    """`context:` in a flow is msgctxt in a catalogue; without a translation of its own, English is shown."""
    entries = '\nmsgctxt "a person"\nmsgid "Other"\nmsgstr "Narafala man"\n\nmsgid "Other"\nmsgstr "Narafala"\n'
    found = parse_catalogue("bi", PO + entries)
    message = in_context("a person", "Other")
    assert (found.translate(message), found.translate("Other")) == ("Narafala man", "Narafala")
    assert found.translate(in_context("a place", "Other")) == "Other"
    assert message in messages(book())
    assert messages(book())[message] == ("more.role",)


def test_a_context_is_never_shown() -> None:
    for tag in ("en", "bi"):
        here = world(translate=load(locales.FOLDER)[tag].translate)
        label = {"en": "5 Other", "bi": "5 Narafala man"}[tag]
        assert label in render(book(), FlowState("more.role"), here, LIMITS["ussd"]).text
