"""A language is chosen for one call, by its own name or by a first text in it; drafts only if they are configured."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import time_machine

from tests.support.app import App

PHONE = "+6785550131"

pytestmark = pytest.mark.slow


@pytest.fixture(params=["", "bi,fr"])
def web(request: pytest.FixtureRequest, redis_url: str) -> Iterator[tuple[App, str]]:
    web = App(redis_url, {"TOKAUT_DRAFT_LANGUAGES": request.param})
    yield web, request.param
    web.close()


@pytest.mark.rule("S-33")
def test_a_draft_is_on_the_menu_only_where_it_is_named(web: tuple[App, str]) -> None:
    app, named = web
    home = app.ussd(PHONE).dial().text
    assert ("5 Language / Lanwis" in home) is bool(named)
    assert home.startswith("In danger? Call police 111.")  # a draft language is never the first language of a call


@pytest.mark.rule("S-33")
def test_choosing_a_language_leaves_nothing_that_a_redial_shows(app: App) -> None:
    phone = app.ussd(PHONE)
    home = phone.dial().text
    phone.type("5")
    assert phone.type("2").text.startswith("Long denja? Kolem polis 111.")
    assert "Yu o wan pikinini" in phone.type("1").text
    assert phone.type("00").text == "Tangkyu. Ale tata."
    assert app.ussd(PHONE).dial().text == home


@pytest.mark.rule("S-01")
def test_a_first_text_in_a_language_picks_it_and_has_the_number(app: App) -> None:
    phone = app.sms(PHONE)
    phone.text("Halo")
    assert phone.replies()[-1].startswith("Long denja? Kolem polis 111.")
    other = app.sms("+6785550132")
    other.text("hello")
    assert other.replies()[-1].startswith("In danger? Call police 111.")


@pytest.mark.parametrize(
    ("texts", "answer"),
    [(["help"], "Long denja?"), (["1", "help"], "Long denja?"), (["somebody is hurting my sister"], "I no go yet.")],
)
def test_by_sms_a_language_stays_until_a_long_silence(app: App, texts: list[str], answer: str) -> None:
    phone = app.sms(PHONE)
    for text in ("halo", *texts):
        phone.text(text)
    assert phone.replies()[-1].startswith(answer)
    with time_machine.travel(time.time() + 31 * 60):
        phone.text("help")
    assert phone.replies()[-1].startswith("In danger?")  # another person may hold the phone


def test_the_report_says_in_which_language_it_was_made(app: App) -> None:
    phone = app.ussd(PHONE)
    phone.dial()
    for key in ("5", "2", "1", "3", "3", "1", "4", "4", "1", "1"):
        seen = phone.type(key)
    assert "Code" in seen.text or "Kod" in seen.text
    assert {kept.data["language"] for kept in app.bodies()} == {"bi"}
