"""Every translation, draft or signed: complete where required, safe to read, and fitting on the phone."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

import locales
from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, screen_variants
from flows.catalogues import ENGLISH, ENGLISH_CATALOGUE, Catalogue, load, messages, needed_messages, safety_messages
from flows.pagination import ENGINE_MESSAGES, MORE, PLACEHOLDER, fits, fold, without_marks
from flows.renderer import OVERLAY_SCREEN, fill_all, leave_label, offered_choices, zero_label
from reports.countries.country import Country, load_countries, shipped_countries
from reports.countries.law import LAW_MESSAGES
from reports.countries.validation import TRANSLATED_WORDS
from runtime.telephony import CHANNEL_KINDS
from tests.flows.phone import book
from tokaut.screens.combinations import menu_languages, phone

FOLDER = locales.FOLDER
COUNTRIES = load_countries(shipped_countries(), "demo")
# Written with GSM-7 letters; Tongan is not, and takes more pages.
PLAIN_LETTERS = ("bi", "fj", "fr", "pis", "sm", "sw", "tpi")
LANGUAGES = (*PLAIN_LETTERS, "to")
# Languages whose safety screens are signed: two organisations have read them. Signing adds the language here.
SIGNED: frozenset[str] = frozenset()
TRANSLATED = ("home.", "report.", "language.", "my.", "law.")
ONE_PAGE = ("home.", "report.danger", "report.emergency", "report.care", "report.send", "report.sent", "my.")
BOTH = {"emergency", "helpline_named", "helpline", "helpline_number", "code", "pin"}

Shown = list[tuple[ScreenVariant, PhoneProfile, PhoneProfile]]


@pytest.fixture(scope="module", params=LANGUAGES)
def tag(request: pytest.FixtureRequest) -> str:
    """Return each language."""
    return str(request.param)


@functools.cache
def catalogues() -> dict[str, Catalogue]:
    return load(FOLDER)


def phones(tag: str) -> Iterator[tuple[Country, PhoneProfile, PhoneProfile]]:
    """Yield each phone that may show this language, and the same one in English."""
    for of in COUNTRIES:
        if tag in of.languages:
            menu = menu_languages(of, catalogues())
            for channel in CHANNEL_KINDS:
                yield (
                    of,
                    phone(book(), of, catalogues()[tag], channel, menu),
                    phone(book(), of, ENGLISH_CATALOGUE, channel, menu),
                )


@pytest.fixture(scope="module")
def shown(tag: str) -> Shown:
    """Return each variant of each screen that a draft must translate."""
    return [
        (form, own, english)
        for _, own, english in phones(tag)
        for form in screen_variants(book(), own)
        if form.screen.id.startswith(TRANSLATED)
    ]


def test_every_catalogue_is_looked_at() -> None:
    assert set(catalogues()) == {*PLAIN_LETTERS, "to", ENGLISH}
    needed = needed_messages(book(), TRANSLATED_WORDS)
    assert {tag for tag, one in catalogues().items() if one.has_signed(needed)} == {ENGLISH, *SIGNED}


@pytest.mark.rule("S-33")
def test_home_danger_report_and_sent_are_complete(tag: str) -> None:
    found = messages(book())
    promised = {words for words, screens in found.items() if any(name.startswith(TRANSLATED) for name in screens)}
    catalogue = catalogues()[tag]
    assert catalogue.lacks(safety_messages(found)) == ()
    assert catalogue.lacks((*promised, *ENGINE_MESSAGES, *TRANSLATED_WORDS, *LAW_MESSAGES)) == ()


@pytest.mark.parametrize("of", list(COUNTRIES), ids=lambda of: of.iso)
def test_a_greeting_picks_one_language_of_a_country(of: Country) -> None:
    known = [catalogues()[tag] for tag in of.languages if tag in catalogues()]
    greetings = [greeting for catalogue in known for greeting in catalogue.greetings]
    assert len(greetings) == len(set(greetings))


def test_the_labels_of_a_screen_are_different_words(shown: Shown) -> None:
    """So that a typed label is understood like its number."""
    for form, own, _ in shown:
        screen, world = form.screen, own.context
        labels = {(offer.key, say) for offer in offered_choices(screen, form.values, world) for say in offer.say}
        labels |= {("00", leave_label(screen, world)), ("0", zero_label(screen, world)), ("98", world.translate(MORE))}
        said = [without_marks(fold(say)) for _, say in labels if say]
        assert len(said) == len(set(said)), (screen.id, said)


@pytest.mark.rule("S-01")
def test_every_screen_fits_and_its_numbers_stay_whole(tag: str, shown: Shown) -> None:
    for form, own, english in shown:
        assert all(fits(page, own.limit) for page in form.text), form.screen.id
        for number in _numbers(form, own):
            assert any(number in page for page in form.text), (form.screen.id, number, form.text)
        if tag in PLAIN_LETTERS and form.screen.id.startswith((*ONE_PAGE, "report.category")):
            assert len(form.text) <= len(english.lay_out(form).pages), (form.screen.id, form.text)


@pytest.mark.parametrize("tag", PLAIN_LETTERS)
def test_all_is_translated_and_tips_take_no_more_screens_than_in_english(tag: str) -> None:
    found = messages(book())
    assert catalogues()[tag].lacks(tuple(found)) == ()
    for _, own, english in phones(tag):
        for form in screen_variants(book(), own):
            if form.screen.id.startswith("tips_"):
                assert len(form.text) <= len(english.lay_out(form).pages), (form.screen.id, form.text)


def _numbers(form: ScreenVariant, own: PhoneProfile) -> set[str]:
    """Return the numbers that all variants of these words name, each with its service."""
    says = form.screen.words.says(form.values, form.facts)
    named = [set(PLACEHOLDER.findall(say)) for say in says]
    return {own.context.fields[name] for name in set.intersection(*named) & BOTH}


@pytest.mark.rule("S-01")
@pytest.mark.parametrize("drill", ["no", "yes"])
def test_a_last_screen_and_a_notice_are_one_page_with_every_number(tag: str, drill: str) -> None:
    """Nobody can ask for a second page: the session is over, or each reply is read as one to the notice."""
    for of, own, _ in phones(tag):
        facts = {**own.context.facts, "drill": drill, "call_key": "yes"}
        for form in screen_variants(book(), replace(own, context=replace(own.context, facts=facts))):
            if form.screen.end or form.screen.id == OVERLAY_SCREEN:
                assert len(form.text) == 1, (of.iso, form.screen.id, form.text)
                words = fill_all(form.screen.words, form.values, own.context)
                assert words == ("",) or all(number in form.text[0] for number in _numbers(form, own)), form.text


@pytest.mark.rule("S-05")
def test_the_danger_question_and_the_number_are_on_the_first_page(shown: Shown) -> None:
    """Also with 70 units per screen, in another alphabet than GSM-7."""
    for form, own, _ in shown:
        if form.screen.id == "report.danger":
            assert len(form.text) == 1, form.text
        if form.screen.id in {"home.home", "home.home_sms", "home.first_words", "report.emergency"}:
            assert own.context.fields["emergency"] in form.text[0], form.text


def test_the_note_that_texts_stay_is_in_the_language_too(tag: str) -> None:
    for of, own, english in phones(tag):
        if own.context.facts["channel"] == "sms":
            home = next(form for form in screen_variants(book(), own) if form.screen.id == "home.home_sms")
            foot = next(
                line for line in english.lay_out(home).pages[0].text.split("\n") if line.startswith("Texts stay")
            )
            assert foot not in "\n".join(home.text), of.iso
