"""The pages in another language: nothing is left in English, and nothing is translated that no page says."""

from __future__ import annotations

import pytest

from console.templating import load_page_catalogues
from tests.console.page_words import messages
from tests.console.test_safe_hours import told
from tests.support.console import Console
from tests.support.staff import Person, joined
from tokaut.local_stack.settings import StackPlan


@pytest.mark.parametrize("tag", sorted(set(load_page_catalogues()) - {"en"}))
def test_a_language_has_every_sentence_and_no_other(tag: str) -> None:
    assert set(load_page_catalogues()[tag].words) == messages()


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
