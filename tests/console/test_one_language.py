"""On a page in another language every word is in that language, marked as English, or typed by a person.

The language is made up: each sentence of the catalogue in brackets. Words outside brackets are not translatable. The
drafts of `TOKAUT_DRAFT_LANGUAGES` mark no more as English than such a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from console import templating
from console.presenters.earlier_wordings import EARLIER_TEXTS
from flows.catalogues import Catalogue
from reports.json_bodies import json_bytes
from reports.store.schema import tables as t
from tests.console.page_words import messages
from tests.console.test_entry import form_of, web_makes_mailboxes
from tests.console.test_words_stay_words import PAGES, SharedConsole, plan_of_it
from tests.reports import sample
from tests.support.hotline_clients import store_report
from tests.support.staff import Page, Person, close_form
from tokaut.local_stack.settings import StackPlan

__all__ = ["plan_of_it"]  # a fixture
MADE_UP = Catalogue("qq", "Qq", words={words: f"⟦{words}⟧" for words in messages()})
SOMEBODYS = ("blockquote", "textarea", "code", "kbd", "script", "style")  # typed text, or the name of a key
DRAFTS = ("bi", "fj", "sw")  # complete, and offered only by a setting
ENGLISH_WORDS = re.compile(  # in none of these languages
    r"\b(?:the|and|of|is|was|were|this|that|these|with|has|have|your|will|their|which)\b", re.IGNORECASE
)
ENGLISH_PARTS = ("/statistics", "/readiness")  # published in English, and marked as such
NO_SENTENCE = re.compile(r"English|Chrome, Linux|\d+|ambulance \(ProMedical, .*\)")  # texts that may be marked English
READ_ALOUD = ("aria-label", "title", "alt", "placeholder")
OWN = re.compile(  # in no language: names, ids, units, priorities and names of programs
    r"\b(?:Français|Kiswahili|Na vosa vaka-Viti|draft"
    r"|Demo: Child Welfare Office, Shefa|Demo: Health Centre, Sanma|Demo: Counselling by phone|mon-fri"
    r"|Tokaut|Qq|English|Pikinini|Helpline|Vanuatu|Women|Centre|Police|urgent|not|Shefa|Bislama|Chrome"
    r"|Malampa|Penama|Sanma|Tafea|Torba|Linux"
    r"|tokaut|web|UTC|CSV|JSON|SMS|DRILL|P[1-4]|min|d|h|[a-z]+\d+|[0-9a-f-]{6,}|[0-9A-F]{3}|Pacific/Efate)\b"
)


class Words(HTMLParser):
    """Text of a page that is not marked as English."""

    def __init__(self, page: Page, tag: str = "qq") -> None:
        super().__init__()
        self.tag = tag
        self.tongues: list[tuple[str, str]] = [("", "" if tag == "en" else tag)]
        self.found: list[str] = []
        self.feed(page.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        if tag in ("meta", "link", "input", "br", "img", "path"):
            tongue = of.get("lang") or self.tongues[-1][1]
        else:
            own = tag in SOMEBODYS or of.get("id") == "preview"
            tongue = "" if own else of.get("lang") or self.tongues[-1][1]
            self.tongues.append((tag, tongue))
        if tongue == self.tag:
            self.found += [value for name, value in attrs if name in READ_ALOUD and value]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if any(tag == name for name, _ in self.tongues):
            while self.tongues.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.tongues[-1][1] == self.tag:
            self.found.append(data)


def untranslated(page: Page) -> list[str]:
    left = (OWN.sub(" ", re.sub(r"⟦[^⟧]*⟧", " ", one)) for one in Words(page).found)
    return sorted({" ".join(one.split()) for one in left if re.search(r"[^\W\d_]{2}", one)})


@pytest.fixture(scope="module")
def shared(plan_of_it: StackPlan) -> Iterator[SharedConsole]:
    with pytest.MonkeyPatch.context() as patch:
        all_languages = {**templating.load_page_catalogues(), "qq": MADE_UP}
        patch.setattr(templating, "load_page_catalogues", lambda: all_languages)
        one = SharedConsole(plan_of_it, {"TOKAUT_DRAFT_LANGUAGES": ",".join((*DRAFTS, "qq"))})
    yield one
    one.close()


@pytest.fixture(scope="module")
def report(shared: SharedConsole, plan_of_it: StackPlan) -> str:
    """Return the path of a report with many acts; its own words are digits."""
    lead, path = shared.lead, f"/reports/{shared.report('12345')}"
    for act, form in (
        ("take", {}),
        ("message", {"words": "12", "do": "send"}),
        ("note", {"words": "1234"}),
        ("work", {}),
        ("close", close_form()),
        ("work", {}),
    ):
        assert lead.post(f"{path}/{act}", form, at=path).status == 303, act
    return path


@pytest.fixture(scope="module")
def answered(shared: SharedConsole) -> str:
    """Return the path of a report with an answer to each kind of question, as a phone sends it."""
    data = json.loads((Path(sample.__file__).parent / "example_complete.json").read_text())["data"]
    to = [("vu-pikinini", "primary"), ("vu-police", "fallback")]
    return f"/reports/{store_report(shared.database, shared.keys, to, body=json_bytes(data | {'mode': 'demo'}))}"


def look(shared: SharedConsole, who: str, path: str, tag: str = "qq") -> Page:
    return shared.people[who].get(path, Accept_Language=tag)


@pytest.mark.parametrize(("who", "path"), [(who, path) for who, paths in PAGES.items() for path in paths])
def test_every_page(shared: SharedConsole, report: str, who: str, path: str) -> None:
    page = look(shared, who, path)
    assert page.status == 200 and ('<html lang="qq">' in page.html or path == "/rows")
    assert untranslated(page) == []


def test_what_is_missing_of_an_entry_and_of_a_referral(shared: SharedConsole, report: str) -> None:
    for path, form in (
        ("/enter", {"once": "x", "contact": "call_07_21"}),
        ("/enter", {"once": "x", "category": "missing", "about": "other"}),
        ("/enter", {"once": "x", "category": "harm", "about": "sighting"}),
        (f"{report}/referral", {"do": "pdf", "basis": "consent", "number": "1"}),
    ):
        page = shared.lead.post(path, form, at=path, Accept_Language="qq")
        assert page.status == 400 and untranslated(page) == []
    assert untranslated(shared.lead.get(f"{report}/referral", Accept_Language="qq")) == []


@pytest.mark.parametrize("taker", ["me", "next"])
def test_the_page_with_the_code(shared: SharedConsole, taker: str) -> None:
    for publishes in (False, True):
        if publishes:
            web_makes_mailboxes(shared.database)
        page = shared.lead.post("/enter", form_of(shared.lead, taker=taker), Accept_Language="qq")
        assert page.status == 200 and ('class="digits"' in page.html) is publishes
        assert untranslated(page) == []
        with shared.database.write() as connection:
            connection.execute(t.entry_key.delete())


def test_a_report(shared: SharedConsole, report: str) -> None:
    assert untranslated(look(shared, "lead", report)) == []


@pytest.mark.parametrize(
    ("act", "form"),
    [
        ("message", {"words": "12", "do": "look"}),
        ("message", {"words": "", "do": "put", "ready": "3"}),
        ("message", {"words": "555 123 4567", "do": "send"}),
        ("message", {"words": "abuse", "do": "send"}),
        ("note", {"words": ""}),
        ("decline", {"reason": ""}),
        ("hand-over", {"to": "nobody", "reason": "1"}),
        ("close", {"outcome": "hoax", "done": ""}),
        ("close", {"outcome": "", "done": "1"}),
    ],
)
def test_what_is_said_after_an_act(shared: SharedConsole, report: str, act: str, form: dict[str, str]) -> None:
    page = shared.lead.post(f"{report}/{act}", form, at=report, Accept_Language="qq")
    assert page.status in (200, 400) and untranslated(page) == []


def test_a_report_that_nobody_can_answer_or_open(shared: SharedConsole, plan_of_it: StackPlan) -> None:
    to = [("vu-pikinini", "primary"), ("vu-police", "fallback")]
    keys = plan_of_it.folder.inside / "keys"
    for id_ in (
        store_report(shared.database, keys, to, code=False),
        store_report(shared.database, keys, to, body=b"[]"),
    ):
        assert untranslated(look(shared, "lead", f"/reports/{id_}")) == []


@pytest.mark.parametrize("form", [{"name": "x!"}, {"name": "luk1", "role": "staff"}, {"name": "luk2", "role": "lead"}])
def test_people(shared: SharedConsole, form: dict[str, str]) -> None:
    page = shared.lead.post("/people/invite", form, at="/people", Accept_Language="qq")
    assert untranslated(page) == []
    if link := page.invitation:
        luk = Person(shared.console.flask, shared.database, "luk1")
        joining = luk.open_invitation(link, Accept_Language="qq")
        assert "⟦Your account⟧" in joining.text and untranslated(joining) == []
        refused = luk.post(
            "/join/account",
            {"token": joining.token, "invitation": link.partition("#")[2], "password": "x"},
            Accept_Language="qq",
        )
        assert refused.status == 400 and untranslated(refused) == []


@pytest.mark.parametrize("path", ["/login", "/nowhere", "/?a=%ff"])
def test_at_the_door(shared: SharedConsole, path: str) -> None:
    assert untranslated(look(shared, "lead", path)) == []
    stranger = Person(shared.console.flask, shared.database, "stranger")
    page = stranger.post("/login", {"name": "a"}, at="/login", Accept_Language="qq")
    assert page.status == 403 and untranslated(page) == []


def test_the_locked_page(shared: SharedConsole) -> None:
    late = shared.someone("late", "staff")
    late.post("/lock", at="/me")
    assert untranslated(late.get("/locked", Accept_Language="qq")) == []


def marked_as_english(page: Page) -> list[str]:
    """Return the texts of a page that are marked as English."""
    found = Words(page, "en")
    return sorted({" ".join(text.split()) for text in found.found if text.strip()})


@pytest.mark.parametrize("tag", DRAFTS)
def test_a_draft_that_is_offered_has_no_english_sentence(
    shared: SharedConsole, report: str, answered: str, tag: str
) -> None:
    for path in (*PAGES["lead"], report, answered, f"{report}/referral"):
        page = look(shared, "lead", path, tag)
        assert page.status == 200 and (f'<html lang="{tag}">' in page.html or path == "/rows")
        found = [one for one in Words(page, tag).found if one not in EARLIER_TEXTS]  # marked as English
        assert [one for one in found if ENGLISH_WORDS.search(OWN.sub(" ", one))] == [], path
        if path not in ENGLISH_PARTS:
            marked = [one for one in marked_as_english(page) if one not in EARLIER_TEXTS]
            assert [one for one in marked if not NO_SENTENCE.fullmatch(one)] == [], path


def test_what_is_planted_is_found(shared: SharedConsole) -> None:
    page = look(shared, "lead", "/help")
    page.html = page.html.replace("</main>", "<p>Left as it was</p><p lang='en'>Marked</p></main>")
    assert untranslated(page) == ["Left as it was"]
