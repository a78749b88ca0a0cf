"""Ready-made replies on the report page: chosen without scripts, in the reporter's language, editable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import pytest

from flows.staff_replies import REPLY_TEMPLATES
from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.hotline_clients import rows, store_report
from tests.support.staff import Page, Person
from tokaut.local_stack.settings import StackPlan

BISLAMA = "Halo. Mifala i ridim finis samting we yu raetem. Tangkyu we yu talem."
Filed = Callable[[str | None], str]


@pytest.fixture
def filed(console: Console, made: StackPlan) -> Filed:
    """Return a function: the language shown to the reporter → the path of a new report."""

    def make(language: str | None) -> str:
        body = {**json.loads(SAMPLE.read_text())["data"], "language": language}
        keys = made.folder.inside / "keys"
        return "/reports/" + store_report(
            console.parts.database, keys, [(HOTLINE, "primary")], body=json.dumps(body).encode()
        )

    return make


def put(mere: Person, path: str, which: str = "1", words: str = "") -> Page:
    return mere.post(f"{path}/message", {"words": words, "ready": which}, at=path)


def written(page: Page) -> str:
    found = re.search(r"<textarea id=\"words\"[^>]*>(.*?)</textarea>", page.html, re.DOTALL)
    assert found
    return unescape(found[1])


@pytest.mark.rule("S-25")
def test_it_is_put_into_the_message_as_the_phone_will_show_it(console: Console, mere: Person, filed: Filed) -> None:
    path = filed("bi")
    page = put(mere, path)
    assert (page.status, written(page)) == (200, BISLAMA)
    assert f">{BISLAMA}</p>" in page.html and "69 of 120 characters" in page.text
    assert "Cannot be sent yet" not in page.text and "Please check:" not in page.text
    assert rows(console.parts.database, t.answer) == [], "nothing is left by it"
    changed = written(page).replace("Halo", "Gud moning")
    assert mere.post(f"{path}/message", {"words": changed, "ready": "1", "do": "send"}, at=path).status == 303
    assert "Gud moning" in mere.get(path).text


@pytest.mark.parametrize(("language", "name"), [("fr", "Francais"), ("en", "English"), ("sm", "English"), (None, "")])
def test_in_the_reporter_s_language_where_it_has_them(
    mere: Person, filed: Filed, language: str | None, name: str
) -> None:
    path = filed(language)
    said = "Bonjour. Nous avons lu" if language == "fr" else REPLY_TEMPLATES[0]
    assert written(put(mere, path)).startswith(said)
    assert f"Language: {name or 'English'}" in mere.get(path).text


def test_what_was_typed_stays_and_too_much_is_said(mere: Person, filed: Filed) -> None:
    path = filed("en")
    page = put(mere, path, "2", "Good evening.")
    assert written(page) == "Good evening.\nYou did right to tell us."
    page = put(mere, path, "8", written(page))
    assert "Good evening.\nYou did right to tell us.\nWe have asked" in written(page)
    assert "one screen has room for 120" in put(mere, path, "9", written(page)).text


@pytest.mark.parametrize("which", ["", "0", "99", "x", "-1"])
def test_none_or_an_unknown_one_changes_nothing(mere: Person, filed: Filed, which: str) -> None:
    page = put(mere, filed("en"), which, "Good evening.")
    assert (page.status, written(page)) == (200, "Good evening.")


def test_staff_choose_in_the_language_of_their_pages(mere: Person, filed: Filed) -> None:
    path = filed("bi")
    html = mere.get(path, Accept_Language="fr").html
    assert re.search('<button name="ready" value="1"[^>]*>Bonjour. Nous avons lu', html)
    assert REPLY_TEMPLATES[0] not in html
