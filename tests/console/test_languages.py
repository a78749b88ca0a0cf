"""The pages in another language: no English is left, and every translation is used on a page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from console import templating
from console.templating import BRACES, COMPLETE_LANGUAGES, load_page_catalogues, offered_catalogues
from console.untranslated import BEGIN, END, finish, translator
from flows.catalogues import Catalogue
from tests.console import test_one_language
from tests.console.page_words import messages
from tests.console.test_one_language import DRAFTS, ENGLISH_WORDS
from tests.console.test_safe_hours import CALL, told
from tests.support.console import Console
from tests.support.staff import Person, joined
from tokaut.local_stack.settings import StackPlan

COMMAND = re.compile(r"\btokaut [a-z ]+")
NUMBERS = re.compile(r"\d+")
LAST_SIGN = re.compile(r"[.:?…!]$")
# Names, and words borrowed from English.
SAME_WORDS = {
    "Bislama",
    "Code",
    "Help",
    "No",
    "Pijin",
    "Status",
    "Status:",
    "Swahili",
    "Text:",
    "Tok Pisin",
    "Yes",
    "no",
    "yes",
}
every_language = pytest.mark.parametrize("tag", sorted(set(load_page_catalogues()) - {"en"}))


@every_language
def test_a_language_has_every_sentence_or_is_a_draft_and_has_no_other(tag: str) -> None:
    words = set(load_page_catalogues()[tag].words)
    assert words <= messages()
    assert words == messages() or tag not in COMPLETE_LANGUAGES


@pytest.mark.parametrize("tag", DRAFTS)
def test_a_draft_is_complete_offered_by_name_alone_and_has_no_english(tag: str) -> None:
    catalogue = load_page_catalogues()[tag]
    assert catalogue.lacks(messages()) == ()
    assert not offered_catalogues({tag: catalogue}, ())
    said = {words: COMMAND.sub("", said) for words, said in catalogue.words.items()}
    assert [one for one in said.values() if ENGLISH_WORDS.search(one)] == []
    assert {words for words, one in said.items() if words == one and re.search(r"[a-z]{2}", words)} <= SAME_WORDS


@every_language
def test_placeholders_numbers_and_the_last_sign_are_as_in_english(tag: str) -> None:
    for words, said in load_page_catalogues()[tag].words.items():
        for pattern in (BRACES, NUMBERS, LAST_SIGN):
            assert sorted(pattern.findall(said)) == sorted(pattern.findall(words)), said
        assert said == said.strip() and "  " not in said


def test_an_incomplete_language_is_offered_by_name_alone() -> None:
    known = {tag: Catalogue(tag, tag) for tag in ("en", "fr", "qq", "xx")}
    assert list(offered_catalogues(known, ())) == ["en", "fr"]
    assert list(offered_catalogues(known, ("qq", "none"))) == ["en", "fr", "qq"]


@pytest.fixture
def half() -> Catalogue:
    """Return a language with every second sentence translated."""
    return Catalogue("qq", "Qq", words={words: f"⟦{words}⟧" for words in sorted(messages())[::2]})


@pytest.fixture
def partly(made: StackPlan, monkeypatch: pytest.MonkeyPatch, half: Catalogue) -> Iterator[Console]:
    """Offer this language in a console by its setting."""
    all_languages = {**load_page_catalogues(), "qq": half}
    monkeypatch.setattr(templating, "load_page_catalogues", lambda: all_languages)
    one = Console({**made.settings, "COUNTRIES": "vu", "TOKAUT_DRAFT_LANGUAGES": "qq"})
    yield one
    one.close()


@pytest.mark.parametrize("path", ["/", "/me", "/help", "/people", "/replies", "/statistics", ""])
def test_what_a_draft_lacks_is_english_and_marked(
    partly: Console, made: StackPlan, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(test_one_language, "READ_ALOUD", ())  # an attribute cannot name its language
    monkeypatch.setattr(test_one_language, "SOMEBODYS", (*test_one_language.SOMEBODYS, "title"))
    lead = joined(partly.flask, partly.parts.database, "lead1", "lead")
    lead.log_in()
    page = lead.get(path or told(partly, made, CALL, answers=[]), Accept_Language="qq")
    assert '<html lang="qq">' in page.html and '<span lang="en">' in page.html and "⟦" in page.text
    assert test_one_language.untranslated(page) == []
    assert BEGIN not in page.html and END not in page.html


def test_in_a_tag_and_in_an_option_there_is_no_element() -> None:
    said = translator(Catalogue("qq", "Qq"))
    page = f'<a title="{said("One")}"><b>{said("Two")}</b></a><option value="1">{said("Three")}</option>'
    assert finish(page) == (
        '<a title="One"><b><span lang="en">Two</span></b></a><option value="1" lang="en">Three</option>'
    )
    assert finish(f"<title>{said('Four')} · Tokaut</title>") == "<title>Four · Tokaut</title>"


def test_what_somebody_chose_holds_in_that_browser(console: Console) -> None:
    mere = joined(console.flask, console.parts.database, "mere")
    assert "Log in" in mere.get("/login").text
    assert "Se connecter" in mere.get("/login", Accept_Language="fr-FR,fr;q=0.9,en;q=0.5").text
    mere.post("/language", {"language": "fr"}, at="/login")
    page = mere.get("/login", Accept_Language="en")
    assert '<html lang="fr">' in page.html and "Code à 6 chiffres de votre application" in page.text
    mere.log_in()
    assert "Signalements" in mere.get("/").text and "écoutant" in mere.get("/me").text
    assert mere.post("/language", {"language": "../en"}, at="/me").status == 400
    assert "Log in" in Person(console.flask, console.parts.database, "x").get("/login", Accept_Language="tlh").text


def test_what_the_reporter_said_of_themselves_is_in_the_page_s_language(console: Console, made: StackPlan) -> None:
    mere = joined(console.flask, console.parts.database, "mere")
    mere.log_in()
    mere.post("/language", {"language": "fr"}, at="/me")
    contact = {"allowed": False, "how": "none", "safe_hours": None}
    page = mere.get(told(console, made, contact, language="en", child={"age_band": "unknown"}, reporter_role=None))
    facts = page.html.partition('<dl class="facts">')[2].partition("</dl>")[0]
    assert "anglais" in facts and "non précisé" in facts
    assert [
        one for one in ("unknown", "English", "not allowed", "not said", "Told by", 'lang="en"') if one in facts
    ] == []
