"""Signatures of texts: two organisations, one of each role, for exactly that text."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from flows.catalogues import Catalogue, offered_languages, parse_catalogue
from flows.pagination import in_context
from flows.signatures import (
    HEADER,
    Role,
    Signature,
    is_stale,
    read_signatures,
    shown_english,
    signed_keys,
    text_key,
    write_signature,
)

DAY = date(2026, 11, 29)
REPORT, BACK = text_key("bi", "Report", "Ripotem"), text_key("bi", "Back", "Gobak")
SPEAKERS = Signature("Organisation A", Role.LANGUAGE, DAY, {REPORT: "Report", BACK: "Back"})
PROTECTORS = Signature("Organisation B", Role.PROTECTION, DAY, {REPORT: "Report"})
PO = 'msgid ""\nmsgstr ""\n"X-Name: Bislama\\n"\n\nmsgid "Report"\nmsgstr "Ripotem"\n\nmsgid "Back"\nmsgstr "Gobak"\n'


def file(*signatures: Signature) -> str:
    return HEADER.format(tag="bi") + "".join(write_signature("bi", one) for one in signatures)


def signed(po: str, *signatures: Signature, tag: str = "bi") -> frozenset[str]:
    return parse_catalogue(tag, po, file(*signatures)).signed


def test_what_is_written_is_read() -> None:
    odd = replace(SPEAKERS, organisation='An "odd" \\ name, Épi', texts={REPORT: 'Say "Report" \\ / 1'})
    assert read_signatures("bi", file(odd, PROTECTORS)) == ([odd, PROTECTORS], [])
    assert read_signatures("bi", "") == ([], [])


@pytest.mark.rule("S-33")
@pytest.mark.parametrize(
    ("signatures", "found"),
    [
        ([], set()),
        ([SPEAKERS], set()),
        ([PROTECTORS], set()),
        ([SPEAKERS, PROTECTORS], {"Report"}),
        ([SPEAKERS, replace(SPEAKERS, organisation="Organisation C")], set()),  # two organisations of the same role
        ([SPEAKERS, replace(SPEAKERS, role=Role.PROTECTION)], set()),  # one organisation, twice
        ([SPEAKERS, replace(SPEAKERS, organisation="ORGANISATION-A", role=Role.PROTECTION)], set()),
        ([SPEAKERS, replace(PROTECTORS, texts={BACK: "Back"}), PROTECTORS], {"Report", "Back"}),
    ],
)
def test_a_text_is_signed_by_two_organisations_one_of_each_role(signatures: list[Signature], found: set[str]) -> None:
    assert signed(PO, *signatures) == found


@pytest.mark.rule("S-33")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('msgstr "Ripotem"', 'msgstr "Ripotem."'),
        ('msgid "Report"', 'msgid "Report it"'),
        ('msgid "Report"', 'msgctxt "a button"\nmsgid "Report"'),
        ('msgid "Report"', '#, fuzzy\nmsgid "Report"'),
    ],
)
def test_another_english_another_translation_or_another_context_is_not_signed(old: str, new: str) -> None:
    assert signed(PO, SPEAKERS, PROTECTORS) == {"Report"}
    assert signed(PO.replace(old, new), SPEAKERS, PROTECTORS) == set()


@pytest.mark.rule("S-33")
def test_signatures_of_one_language_are_worth_nothing_in_another() -> None:
    """Even if the file is copied with its texts: three languages of the Pacific have many words in common."""
    assert signed(PO, SPEAKERS, PROTECTORS, tag="pis") == set()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Organisation A", "Organisation C", "that of Organisation C was changed after it was written"),
        ('"language"', '"protection"', "that of Organisation A was changed after it was written"),
        ("2026-11-29", "2026-11-28", "that of Organisation A was changed after it was written"),
        (f'{BACK} = "Back"\n', "", "that of Organisation A was changed after it was written"),
        (REPORT, text_key("bi", "Report", "Talemaot"), "that of Organisation A was changed after it was written"),
        ("Organisation A", "?", "'?' is no name of an organisation"),
        ("Organisation A", " Organisation A", "is no name of an organisation"),
        ("Organisation A", "Organisation A" * 9, "longer than 80 letters"),
        ('"Organisation A"', "7", "'7' is no name of an organisation"),
        ('"language"', '"a friend"', "its role is 'a friend'; it has to be language or protection"),
        ("2026-11-29", '"today"', "its date is no day, such as 2026-11-29"),
        ("2026-11-29", "2026-11-29T10:00:00Z", "its date is no day, such as 2026-11-29"),
        (REPORT, "Report", "its texts are not as `tokaut locales sign` writes them"),
        ("seal = ", "stamp = ", "it has to have date, organisation, role, seal, texts, and nothing else"),
    ],
)
def test_a_signature_that_is_wrong_or_was_changed_does_not_count_and_says_why(old: str, new: str, said: str) -> None:
    [other], [fault] = read_signatures("bi", file(SPEAKERS).replace(old, new) + write_signature("bi", PROTECTORS))
    assert other == PROTECTORS
    assert fault.startswith("signature 1 does not count: ") and said in fault and "\n" not in fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[signature]\n", "it cannot be read"),
        ("[signature]\nx = 1\n", "something other"),
        ("x = 1\n", "other than"),
    ],
)
def test_a_file_that_is_none_counts_for_nothing(text: str, said: str) -> None:
    signatures, [fault] = read_signatures("bi", text)
    assert signatures == [] and said in fault


def test_an_organisation_that_signs_in_both_roles_is_named() -> None:
    twice = replace(PROTECTORS, organisation="Organisation a.")
    assert read_signatures("bi", file(SPEAKERS, twice))[1] == [
        "signature 2 does not count: Organisation A has signed for language before; for protection it has to be "
        "another organisation"
    ]


@pytest.mark.parametrize(
    ("message", "own", "stale"),
    [("Report", "Ripotem", False), ("Report", "Talemaot", True), ("Tell", "Ripotem", True), ("Law", "Loa", False)],
)
def test_a_text_is_stale_if_one_of_its_halves_was_signed_with_another(message: str, own: str, stale: bool) -> None:
    key = text_key("bi", message, own)
    assert is_stale(key, [PROTECTORS], {key}) is stale


def test_a_text_with_the_same_translation_as_a_signed_one_is_not_stale() -> None:
    other = text_key("bi", "Tell", "Ripotem")
    assert not is_stale(other, [PROTECTORS], {other, REPORT})


def test_keys_need_both_roles() -> None:
    assert signed_keys([SPEAKERS, PROTECTORS]) == {REPORT}
    assert signed_keys([SPEAKERS]) == frozenset()


def test_the_english_is_shown_short_and_on_one_line() -> None:
    assert shown_english(in_context("a person", "Other")) == "Other"
    assert shown_english("One\nTwo") == "One / Two"
    assert len(shown_english("word " * 40)) == 60


# Signed texts on phones

WORDS = {"Report": "Ripotem", "Back": "Gobak", "Law": "Loa"}
HALF = Catalogue("bi", "Bislama", words=WORDS, signed=frozenset({"Report", "Back"}))


@pytest.mark.rule("S-33")
def test_a_text_that_is_not_signed_is_shown_in_english_unless_the_language_is_named() -> None:
    [shown, _] = offered_languages(["bi"], {"bi": HALF}, ["Report", "Back"], ())
    assert (shown.translate("Report"), shown.translate("Law")) == ("Ripotem", "Law")
    [shown, _] = offered_languages(["bi"], {"bi": HALF}, ["Report", "Back"], ["bi"])
    assert (shown.translate("Report"), shown.translate("Law")) == ("Ripotem", "Loa")


@pytest.mark.rule("S-33")
@pytest.mark.parametrize(("drafts", "offered"), [((), ["en"]), (("bi",), ["en", "bi"])])
def test_a_safety_screen_that_is_not_signed_takes_the_language_from_the_menu(
    drafts: tuple[str, ...], offered: list[str]
) -> None:
    """Or it comes after English, if the operator names it."""
    assert [one.tag for one in offered_languages(["bi"], {"bi": HALF}, ["Report", "Law"], drafts)] == offered
