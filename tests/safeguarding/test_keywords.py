"""Words instead of numbers by SMS: in every language of the country, with typing errors, and never guessed."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

import flows
import locales
from flows.catalogues import ENGLISH_CATALOGUE, Catalogue, load
from flows.loader import load as load_book
from flows.pagination import CARRIER_WORDS, NAVIGATION_KEYS
from gateway.conversation.context import CountryContext, RenderContext
from gateway.conversation.keywords import HELP, Keywords, Vocabulary, word
from reports.countries.country import Country, load_countries, shipped_countries
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import IN_DANGER, PHONE, TO_SEND_SMS, number, send_texts
from tests.support.app import App

HOME = "In danger? Call police 111.\n1 Report\n2 Safety tips\n3 My report\n4 Law\n5 Language\n00 Leave\n"
STAY = "Texts stay on this phone. Delete them after."
BISLAMA = "Long denja? Kolem polis 111.\n1 Ripotem\n"
OPENS = {
    "REPORT": "Are you or a child in danger?",
    "tips": "In danger? Call police 111.\nTips. Who for?",
    " Law ": "Sexual pictures of children",
    "CODE": "Type your 8-digit code.",
    "language": "Language / Lanwis\n",
    "Lanwis": "Language / Lanwis\n",
    "HELP": HOME,
    "Report!": "Are you or a child in danger?",
    "ripotem": "Are you or a child in danger?",
    "Stap sef": "In danger? Call police 111.\nTips. Who for?",
    "Ripot blong mi": "Type your 8-digit code.",
    "Mon signalement": "Type your 8-digit code.",
    "loa": "Sexual pictures of children",
    "helpem": HOME,
}
# Typed text → the label that the reply asks about.
ERRORS = {
    "REPRT": "Report",
    "Repport": "Report",
    "reprot": "Report",
    "riport": "Report",
    "TIPPS": "Safety tips",
    "tisp": "Safety tips",
    "tip": "Safety tips",
    "coed": "My report",
    "LANGAUGE": "Language",
    "laws": "Law",
    "lanwiss": "Language",
}
TO_CONTACT = ("hello", *TO_SEND_SMS[:-1])
ALL = tuple(load_countries(shipped_countries(), "demo"))


@pytest.fixture
def reviewed(redis_url: str) -> Iterator[App]:
    """Web without the draft languages of the demo."""
    app = App(redis_url, {"TOKAUT_DRAFT_LANGUAGES": ""})
    yield app
    app.close()


@pytest.mark.slow
@pytest.mark.rule("S-33")
@pytest.mark.parametrize("text", OPENS)
def test_a_keyword_opens_what_it_names_in_any_language(app: App, text: str) -> None:
    assert send_texts(app.sms(PHONE), "hello", text)[1].startswith(OPENS[text])


@pytest.mark.slow
@pytest.mark.rule("S-01")
@pytest.mark.rule("S-05")
@pytest.mark.parametrize("text", [one for one in OPENS if OPENS[one] != OPENS["tips"]])
def test_the_first_text_gets_the_number_and_the_warning_whatever_word_it_is(app: App, text: str) -> None:
    """Before any question, the reply contains the emergency number and says that texts stay on the phone."""
    [reply] = send_texts(app.sms(PHONE), text)
    stay = ("Texts stay on this phone.", "Teks i stap long fon.", "Les SMS restent ici.")
    assert "111.\n" in reply and any(map(reply.__contains__, stay)), reply


@pytest.mark.slow
@pytest.mark.rule("S-33")
@pytest.mark.parametrize("first", [True, False], ids=["first text", "at the home screen"])
@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("tips please", "tips"),
        ("Safety tips pls!", "tips"),
        ("Tips for parents", "tips"),
        ("please tips for my child", "tips"),
        ("REPORT PLEASE", "report"),
        ("my report please", "code"),
        ("ripotem plis please", None),
        ("please help me please", None),
    ],
)
def test_a_keyword_with_courtesy_is_no_report_of_words(app: App, text: str, keyword: str | None, first: bool) -> None:
    before = () if first else ("hello",)
    reply = send_texts(app.sms(PHONE), *before, text)[-1]
    if keyword is None:
        assert reply.startswith("Not sent yet.")
    else:
        assert reply == send_texts(app.sms(number(1)), *before, keyword)[-1]
    assert app.count(t.pending) == (keyword is None)


@pytest.mark.slow
@pytest.mark.rule("S-33")
@pytest.mark.parametrize(
    "text", ["Halo", "halo!", "BISLAMA", "Ripotem", "Ripot blong mi", "loa", "denja", "polis", "Helpem"]
)
def test_a_first_text_in_a_known_word_of_a_language_picks_it(app: App, text: str) -> None:
    """The language stays for the conversation, including HELP."""
    phone = app.sms(PHONE)
    first, second, third = send_texts(phone, text, "REPORT", "HELP")
    assert first.startswith("Long denja? Kolem polis 111.\n")
    assert second.startswith("Yu o wan pikinini i stap long denja?"), second
    assert third.startswith(BISLAMA)


@pytest.mark.slow
@pytest.mark.rule("S-33")
def test_a_word_of_a_language_that_is_not_offered_picks_none(reviewed: App) -> None:
    for n, text in enumerate(("Halo", "Bonjour", "denja")):
        assert send_texts(reviewed.sms(number(n)), text)[0].startswith("In danger? Call police 111.\n1 Report\n"), text


@pytest.mark.product(parts=2)
@pytest.mark.slow
@pytest.mark.rule("S-01")
@pytest.mark.rule("S-05")
@pytest.mark.parametrize("first", [True, False], ids=["first text", "at the home screen"])
@pytest.mark.parametrize("text", ERRORS)
def test_a_typing_error_is_asked_about(app: App, text: str, first: bool) -> None:
    """The question comes with the emergency number and the choices of the home screen under their usual numbers."""
    meant, rest = ERRORS[text], f"{HOME.partition(chr(10))[2]}{STAY}"
    asked = send_texts(app.sms(PHONE), *(() if first else ("hello",)), text)[-1]
    forms = [f"In danger? Call police 111.\n{form}\n{rest}" for form in (f"Did you mean {meant}?", f"{meant}?")]
    assert asked.replace("Language / Lanwis\n", "Language\n") in forms


@pytest.mark.slow
@pytest.mark.parametrize("yes", ["yes", "Yes", "Oui !", "2", "TIPS", "safety tips"])
def test_what_was_asked_about_is_said_again_or_confirmed(app: App, yes: str) -> None:
    assert send_texts(app.sms(PHONE), "hi", "TIPPS", yes)[-1].startswith("In danger? Call police 111.\nTips. Who for?")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "opens"),
    [
        ("1", "Are you or a child"),
        ("4", "Sexual pictures of children"),
        ("REPORT", "Are you or a child"),
        ("3", "Type your 8"),
    ],
)
def test_something_else_is_reached_from_there_as_from_the_home_screen(app: App, reply: str, opens: str) -> None:
    assert send_texts(app.sms(PHONE), "hi", "TIPPS", reply)[-1].startswith(opens)


@pytest.mark.slow
@pytest.mark.parametrize("aside", ["LAW", "TIPS", "LANGUAGE"])
def test_where_no_question_of_a_report_is_open_an_error_is_asked_about_too(app: App, aside: str) -> None:
    asked, danger = send_texts(app.sms(PHONE), "hi", aside, "repport", "yes")[2:]
    assert "\nDid you mean Report?\n1 Report\n" in asked
    assert danger.startswith("Are you or a child in danger?")


@pytest.mark.slow
@pytest.mark.rule("S-10")
@pytest.mark.parametrize("reply", ["0", "00", "STOP"])
def test_one_leaves_from_there_in_silence(app: App, reply: str) -> None:
    assert send_texts(app.sms(PHONE), "hi", "REPRT", reply)[-1] == ""


@pytest.mark.slow
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("typed", ["Snd", "Sned", "Sendd", "SEN", "Delet", "Delte", "Who els", "o", "9o", "I"])
def test_nothing_is_sent_or_deleted_for_a_near_miss(app: App, typed: str) -> None:
    phone = app.sms(PHONE)
    send = send_texts(phone, *TO_CONTACT, "No")[-1]
    assert send.startswith("Send to Pikinini Helpline")
    said = send_texts(phone, typed)[0]
    assert said.removeprefix("Sorry, try again.\n").startswith("Send to Pikinini Helpline"), said
    assert app.count(t.report) == 0


@pytest.mark.slow
@pytest.mark.rule("S-12")
@pytest.mark.parametrize("typed", ["Delet it", "Dlete it", "Leav", "STPO", "stopp", "Snd now", "o", "REPRT"])
def test_words_that_wait_are_not_taken_back_by_a_near_miss(app: App, typed: str) -> None:
    phone = app.sms(PHONE)
    reply = send_texts(phone, "my cousin is in trouble pls", typed)[-1]
    assert "Not sent yet." in reply
    assert app.count(t.pending) == 1


@pytest.mark.slow
@pytest.mark.rule("S-01")
@pytest.mark.parametrize("typed", ["HLEP", "hepl", "helpp", "Hlp"])
def test_help_with_an_error_brings_the_numbers_and_keeps_the_question(app: App, typed: str) -> None:
    phone = app.sms(PHONE)
    asked, numbers, again = send_texts(phone, "hello", "Report", "Soon", typed, "1")[2:]
    assert numbers.startswith("In danger? Call police 111. Pikinini Helpline: call 163.\n")
    assert again == asked


@pytest.mark.product(parts=3)
@pytest.mark.slow
@pytest.mark.rule("S-12")
@pytest.mark.parametrize("then", [(), ("Report",), ("Law",), ("tips",), ("0",), ("Report", "Soon", "Photos online")])
@pytest.mark.parametrize("word", ["HELP", "LAW", "tips"])
def test_a_word_in_between_takes_nothing_back_that_was_said_in_danger(
    app: App, word: str, then: tuple[str, ...]
) -> None:
    send_texts(app.sms(PHONE), "hello", *IN_DANGER[:5], word, *then)
    assert [kept.data["completeness"] for kept in app.pending_revisions()] == ["incomplete"]


@pytest.mark.slow
@pytest.mark.rule("S-12")
@pytest.mark.parametrize("word", ["HELP", "LAW"])
def test_the_same_answers_after_a_word_in_between_go_on_with_the_same_report(app: App, word: str) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "hello", *IN_DANGER[:5], word, "HELP", *IN_DANGER[:-1], "it happened again today", "No", "Send")
    assert {kept.data["completeness"] for kept in app.bodies()} == {"complete"}
    assert len({kept.report_id for kept in app.bodies()}) == 1
    assert app.count(t.pending) == 0


@pytest.mark.slow
@pytest.mark.rule("S-04")
@pytest.mark.parametrize("word", ["LAW", "TIPS", "CODE", "LANGUAGE", "HELP"])
def test_a_word_after_send_opens_what_it_opens_on_a_phone_that_never_reported(app: App, word: str) -> None:
    used = send_texts(app.sms(PHONE), *TO_CONTACT, "No", "Send", word)[-1]
    assert used == send_texts(app.sms("+6785550199"), word)[-1]


@pytest.mark.slow
@pytest.mark.rule("S-38")
def test_what_is_answered_after_a_report_was_sent_does_not_change_it(app: App) -> None:
    """Answers after Sent and HELP belong to another report."""
    phone = app.sms(PHONE)
    send_texts(phone, *TO_CONTACT, "No", "Send", "HELP")
    send_texts(phone, "Report", "No", "Missing child", "My child", "6-9", "Tafea", "1", "No", "Send")
    app.submit_due_within(200)
    assert sorted(kept.data["category"] for kept in app.bodies() if kept.hotline == "vu-pikinini") == [
        "luring",
        "missing",
    ]


@pytest.mark.slow
@pytest.mark.rule("S-22")
@pytest.mark.parametrize("words", ["report", "TIPS", "law", "helpem", "reprt"])
def test_where_own_words_are_asked_every_word_is_theirs(app: App, words: str) -> None:
    phone = app.sms(PHONE)
    assert send_texts(phone, *TO_CONTACT[:-1], words)[-1].startswith("May staff contact you")
    assert send_texts(phone, "No", "Send")[-1].startswith("Sent to ")
    assert app.bodies()[0].data["narrative"] == words


# Every country, with all its draft languages


@pytest.fixture(scope="module")
def catalogues() -> dict[str, Catalogue]:
    return load(locales.FOLDER)


def keywords(country: Country, catalogues: dict[str, Catalogue]) -> Keywords:
    spoken = [catalogues[tag] for tag in country.languages if tag in catalogues and tag != "en"]
    languages = (ENGLISH_CATALOGUE, *spoken)
    grounds = {one.tag: CountryContext.of(country, one, languages) for one in languages}
    book = load_book(pathlib.Path(flows.__file__).parent)
    return Vocabulary(book, "home.home_sms").of(country.iso, RenderContext(grounds, "sms", True, ()))


@pytest.mark.rule("S-09")
@pytest.mark.parametrize("country", ALL, ids=lambda one: one.iso)
def test_no_keyword_is_a_carriers_word_nor_near_one(country: Country, catalogues: dict[str, Catalogue]) -> None:
    known = keywords(country, catalogues)
    for one in (CARRIER_WORDS | NAVIGATION_KEYS) - {HELP}:
        assert known.exact(one) is None, one
        assert known.near(one) in (None, HELP), one


@pytest.mark.parametrize("country", ALL, ids=lambda one: one.iso)
def test_a_word_means_one_thing_in_a_country(country: Country, catalogues: dict[str, Catalogue]) -> None:
    known = keywords(country, catalogues)
    for labels in known.labels.values():
        for keyword, label in labels.items():
            assert known.exact(keyword) == keyword
            assert known.exact(label) == keyword, label
    for one, keyword in known.words.items():
        assert known.exact(f" {one.upper()}. ") == keyword, one


@pytest.mark.parametrize("country", ALL, ids=lambda one: one.iso)
def test_a_greeting_is_no_typing_error(country: Country, catalogues: dict[str, Catalogue]) -> None:
    known = keywords(country, catalogues)
    greetings = {word for tag in country.languages if tag in catalogues for word in catalogues[tag].greetings}
    parts = {part for greeting in greetings for part in greeting.split()}
    assert [word for word in (*greetings, *parts, "hello", "hi") if known.near(word)] == []


@pytest.mark.parametrize("country", ALL, ids=lambda one: one.iso)
def test_a_word_of_another_meaning_is_no_typing_error(country: Country, catalogues: dict[str, Catalogue]) -> None:
    known = keywords(country, catalogues)
    words = ("come", "cold", "hell", "lips", "trip", "loan", "leave", "conseil", "malo", "sawa", "idee")
    assert [word for word in words if known.near(word)] == []
    assert known.near("coed") == "code"


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("sign", ["\u02bb", "\u02bc", "\u2018", "\u2019", "'", "`", ""])
def test_a_glottal_stop_may_be_written_as_any_apostrophe_or_left_out(
    sign: str, catalogues: dict[str, Catalogue]
) -> None:
    tonga, samoa = (keywords(next(one for one in ALL if one.iso == iso), catalogues) for iso in ("TO", "WS"))
    assert (
        tonga.refuses(f"T\u0101mate{sign}i")
        and tonga.refuses(f"tamate{sign}i.")
        and tonga.refuses(f"00 T\u0101mate{sign}i")
    )
    for no in (f"{sign}Ikai", "No", "no."):
        assert tonga.is_no(no) and not tonga.refuses(no)
    assert samoa.is_no("Leai!") and not samoa.refuses("Leai")
    assert tonga.exact(f"{sign}Eku lipooti") == samoa.exact(f"La{sign}u ripoti!") == "code"
    assert tonga.language(f"{sign}eku lipooti") == tonga.language("Malo e lelei") == "to"


@pytest.mark.parametrize("country", ALL, ids=lambda one: one.iso)
def test_a_yes_is_no_keyword_and_no_typing_error(country: Country, catalogues: dict[str, Catalogue]) -> None:
    known = keywords(country, catalogues)
    for yes in known.yeses:
        assert known.is_yes(f" {yes.upper()}! ") and not (known.is_no(yes) or known.refuses(yes) or known.is_stop(yes))
        assert known.exact(yes) is None and known.near(yes) is None and not known.asks_for_call(yes)


@pytest.mark.rule("S-09")
@pytest.mark.parametrize("country", ALL, ids=lambda one: one.iso)
def test_no_label_is_a_word_that_acts_before_the_choice(country: Country, catalogues: dict[str, Catalogue]) -> None:
    """STOP, START, HELP and "call me" act on every screen; a keyword may only lead where its label leads."""
    book, known = load_book(pathlib.Path(flows.__file__).parent), keywords(country, catalogues)
    home = {choice.also[0]: choice.go for choice in book.screens["home.home_sms"].choices}
    for tag in ("en", *country.languages):
        language = catalogues.get(tag, ENGLISH_CATALOGUE)
        for screen in book.screens.values():
            for choice in filter(None, (*screen.choices, screen.zero)):
                for variant in choice.say.variants:
                    for label in map(language.translate, () if "voice" in str(variant.when) else variant.says):
                        assert not known.is_stop(label) and word(label) is None, (tag, screen.id, label)
                        assert variant.says == ("Call me",) or not known.asks_for_call(label), (tag, screen.id, label)
                        keyword = known.exact(label) if screen.flow != "home" else None
                        assert keyword is None or home[keyword] == choice.go, (tag, screen.id, label)
