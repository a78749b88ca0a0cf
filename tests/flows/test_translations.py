"""Every draft and every reviewed translation: complete where it must be, safe to read, and it fits the phone."""

from __future__ import annotations

import functools
import itertools
import pathlib
from collections.abc import Iterator
from dataclasses import replace

import polib
import pytest

import locales
from flows.catalogues import ENGLISH, Catalogue, load, safety
from flows.fit import alphabet, fits
from flows.messages import messages
from flows.model import World
from flows.show import lay, leave_label, offered, zero_label
from flows.vocabulary import MAY_BE_ABSENT
from flows.words import CARRIER_WORDS, KEYS, MORE, OWN_WORDS, PLACEHOLDER, fold
from reports.country import Country
from reports.law import CRITERIA
from reports.screen_words import SAID
from tests.flows.phone import LIMITS, book
from tests.flows.test_countries import COUNTRIES, country, here

FOLDER = pathlib.Path(locales.__file__).parent
# Which alphabet a language is written in, as it is properly spelled: a decision for each, never of a program.
ALPHABET = dict.fromkeys(("bi", "fj", "fr", "pis", "sm", "sw", "tpi"), "gsm7") | {"to": "ucs2"}
# Whoever marks a language reviewed writes it here too: a native speaker and a child-protection worker have read it.
REVIEWED: frozenset[str] = frozenset()
TRANSLATED = ("home.", "report.", "language.", "my.", "law.")
ONE_PAGE = ("home.", "report.danger", "report.emergency", "report.care", "report.send", "report.sent", "my.")
BY_SMS = {"home.home_sms", "home.first_words", "home.how_to_delete", "home.no_pictures", "report.sent_sms"}
CURLY = set("\u2018\u2019\u201c\u201d\u2010\u2011\u2013\u2014\u2026\u00a0\u202f")

every_language = pytest.mark.parametrize("tag", sorted(ALPHABET))


@functools.cache
def entries(tag: str) -> dict[str, str]:
    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(FOLDER / f"{tag}.po"), check_for_duplicates=True)}


@functools.cache
def catalogues() -> dict[str, Catalogue]:
    return load(FOLDER)


def speaks(tag: str) -> list[Country]:
    return [of for of in map(country, COUNTRIES) if tag in of.languages]


def world(of: Country, channel: str, send_to: str, catalogue: Catalogue) -> World:
    base = here(of, channel, send_to)
    helpline = of.helpline()
    rescue = "no" if not of.incomplete_to else "yes" if helpline and helpline.id == of.incomplete_to else "other"
    fields = {**base.fields, **of.fields(catalogue.say)}
    return replace(base, facts={**base.facts, "rescue": rescue}, fields=fields, translate=catalogue.say)


def laid(tag: str) -> Iterator[tuple[str, str, World, dict[str, str | None]]]:
    """Each screen of home, danger, report and my report, as each country that speaks the language may show it."""
    names = [name for name in book().screens if name.startswith(TRANSLATED)]
    for of, channel, send_to in itertools.product(speaks(tag), LIMITS, ("one", "two", "staff")):
        if send_to == "two" and len(of.hotlines) < 2:
            continue
        here_now = world(of, channel, send_to, catalogues()[tag])
        for name in names:
            if channel == "ussd" and name in BY_SMS:
                continue
            yield name, channel, here_now, {}
            if name == "report.send":
                yield name, channel, here_now, {"contact": "sms_07_21"}


def test_every_catalogue_has_its_row() -> None:
    assert set(catalogues()) == {*ALPHABET, ENGLISH}


@every_language
@pytest.mark.rule("S-33")
def test_the_header_says_whose_words_they_are_and_that_they_are_a_draft(tag: str) -> None:
    po = polib.pofile(str(FOLDER / f"{tag}.po"))
    assert po.metadata["Language"] == tag
    assert po.metadata["Content-Type"] == "text/plain; charset=UTF-8"
    assert po.metadata["Plural-Forms"].startswith("nplurals=")
    assert po.metadata["X-Name"] and po.metadata["X-Greetings"]
    assert alphabet(po.metadata["X-Name"]) == "gsm7"
    assert bool(po.metadata["X-Reviewed"]) == (tag in REVIEWED)
    assert ("DRAFT" in po.header) == (tag not in REVIEWED)


@every_language
def test_it_has_the_messages_of_english_in_their_order(tag: str) -> None:
    assert list(entries(tag)) == list(entries(ENGLISH))


@every_language
@pytest.mark.rule("S-33")
def test_home_danger_report_and_sent_are_complete(tag: str) -> None:
    found = messages(book())
    promised = {words for words, screens in found.items() if any(name.startswith(TRANSLATED) for name in screens)}
    catalogue = catalogues()[tag]
    assert catalogue.lacks(safety(found)) == ()
    assert catalogue.lacks((*promised, *OWN_WORDS, *SAID, *CRITERIA.values())) == ()


@every_language
@pytest.mark.rule("S-01")
def test_each_line_has_the_placeholders_of_the_english_line(tag: str) -> None:
    """A line goes with a field that may be absent: nothing else may stand on it."""
    for english, words in entries(tag).items():
        if words:
            lines = [(PLACEHOLDER.findall(one), PLACEHOLDER.findall(other)) for one, other in _lines(english, words)]
            assert all(sorted(one) == sorted(other) for one, other in lines), words


def _lines(english: str, words: str) -> Iterator[tuple[str, str]]:
    if not MAY_BE_ABSENT.intersection(PLACEHOLDER.findall(english)):
        assert words.count("\n") <= english.count("\n"), words
        return iter([(english, words)])
    return zip(english.split("\n"), words.split("\n"), strict=True)


@every_language
def test_its_letters_are_those_of_its_alphabet(tag: str) -> None:
    found = {alphabet(words) for words in entries(tag).values()}
    assert found == ({"gsm7"} if ALPHABET[tag] == "gsm7" else {"gsm7", "ucs2"})
    assert not CURLY.intersection(itertools.chain.from_iterable(entries(tag).values()))


@every_language
def test_no_label_and_no_greeting_is_a_carriers_word_or_a_key(tag: str) -> None:
    said = {fold(words) for words in entries(tag).values()} | catalogues()[tag].greetings
    assert not said & (CARRIER_WORDS | KEYS)


@pytest.mark.parametrize("iso", COUNTRIES)
def test_a_greeting_picks_one_language_of_a_country(iso: str) -> None:
    spoken = [catalogues()[tag] for tag in country(iso).languages if tag in catalogues()]
    greetings = [greeting for catalogue in spoken for greeting in catalogue.greetings]
    assert len(greetings) == len(set(greetings))


@every_language
def test_the_labels_of_a_screen_are_different_words(tag: str) -> None:
    """Whoever types a label instead of its number is understood."""
    for name, _, here_now, values in laid(tag):
        screen = book().screens[name]
        own = {
            ("00", leave_label(screen, here_now)),
            ("0", zero_label(screen, here_now)),
            ("98", here_now.translate(MORE)),
        }
        own |= {(offer.key, say) for offer in offered(screen, values, here_now) for say in offer.say}
        labels = [fold(say) for _, say in own if say]
        assert len(labels) == len(set(labels)), (name, labels)


@every_language
@pytest.mark.rule("S-01")
def test_every_screen_fits_and_its_numbers_stay_whole(tag: str) -> None:
    for name, channel, here_now, values in laid(tag):
        screen, limit = book().screens[name], LIMITS[channel]
        pages = [page.text for page in lay(screen, values, here_now, limit).pages]
        english = lay(screen, values, replace(here_now, translate=str), limit).pages
        assert all(fits(page, limit) for page in pages), name
        if not english[0].text:  # never shown in this country
            continue
        for number in _numbers(screen.words.says(values, here_now.facts), here_now):
            assert any(number in page for page in pages), (name, number, pages)
        if ALPHABET[tag] == "gsm7" and name.startswith((*ONE_PAGE, "report.category")):
            assert len(pages) <= len(english), (name, pages)


def _numbers(says: tuple[str, ...], here_now: World) -> set[str]:
    """The numbers to call that all forms of these words have, each with its service."""
    named = [set(PLACEHOLDER.findall(say)) for say in says]
    both = {"emergency", "helpline_named", "helpline", "code", "pin"}
    return {here_now.fields[name] for name in set.intersection(*named) & both} if named else set()


@every_language
@pytest.mark.rule("S-05")
def test_the_danger_question_and_the_number_are_on_the_first_page(tag: str) -> None:
    """Also where letters take more room: 70 units a screen."""
    for name, channel, here_now, values in laid(tag):
        pages = lay(book().screens[name], values, here_now, LIMITS[channel]).pages
        if name == "report.danger":
            assert len(pages) == 1, pages
        if name in {"home.home", "home.home_sms", "home.first_words", "report.emergency"}:
            assert here_now.fields["emergency"] in pages[0].text, (name, pages)
