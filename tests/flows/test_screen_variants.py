"""Every variant of every screen: none is missing, and none is impossible on a phone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, reachable_screens, screen_variants
from flows.catalogues import ENGLISH_CATALOGUE
from flows.loader import build_book, parse_flow
from flows.pagination import fits
from reports.countries.country import load_countries, shipped_countries
from runtime.telephony import CHANNEL_KINDS
from tests.flows.phone import LIMITS, book, world
from tokaut.screens.combinations import phone

COUNTRIES = {one.iso: one for one in load_countries(shipped_countries(), "demo")}

FLOW = """
flow: t
version: 1
screens:
  home:
    start: true
    words: [{when: {channel: sms}, say: By text}, By dialling]
    choices: [{say: Ask, go: ask}]
  ask:
    ask: q
    words: What?
    choices: [{say: One, value: one, go: told}, {say: Two, value: two, go: told}]
  told:
    words:
      - {when: {q: one, send_to: two}, say: One of two}
      - {when: {q: one}, say: One}
      - Two or none
    choices:
      - {say: On, when: {channel: sms}, go: by_text}
      - {say: Home, go: home}
  by_text:
    end: true
    words: Only by text
"""


def small(channel: str) -> PhoneProfile:
    here = world({"channel": channel, "send_to": None})
    return PhoneProfile(here, LIMITS[channel], {"send_to": ("one", "two")}, ("t.home",))


def heads(channel: str) -> list[str]:
    found = screen_variants(build_book([parse_flow("t.yaml", FLOW)]), small(channel))
    return [form.text[0].split("\n")[0] for form in found]


def test_each_form_stands_once_and_what_does_not_hold_here_is_left_out() -> None:
    assert sorted(heads("ussd")) == ["By dialling", "One", "One of two", "Two or none", "What?"]
    assert sorted(heads("sms")) == ["By text", "One", "One of two", "Only by text", "Two or none", "What?"]


def test_what_a_phone_cannot_come_to_is_left_out() -> None:
    vanuatu = COUNTRIES["VU"]
    ussd, sms, voice = (
        reachable_screens(book(), phone(book(), vanuatu, ENGLISH_CATALOGUE, channel, [ENGLISH_CATALOGUE]))
        for channel in CHANNEL_KINDS
    )
    assert {"home.home", "home.goodbye", "report.sent"} <= ussd
    assert not {"home.home_sms", "home.first_words", "home.no_pictures", "tips_young.who_sms"} & ussd
    assert {"home.home_sms", "home.first_words", "home.no_pictures", "tips_young.who_sms"} <= sms
    assert "home.home" not in sms
    assert {"home.home", "my.pin", "report.sent_menu"} <= voice
    assert not {"home.home_sms", "more.narrative", "my.write"} & voice, "a screen that takes words"


def test_every_screen_is_looked_at_somewhere() -> None:
    seen = {
        form.screen.id for iso in ("VU", "TO", "KE", "WS") for channel in CHANNEL_KINDS for form in of(iso, channel)
    }
    assert seen == set(book().screens)


def of(iso: str, channel: str) -> list[ScreenVariant]:
    return list(
        screen_variants(
            book(),
            phone(
                book(),
                COUNTRIES[iso],
                ENGLISH_CATALOGUE,
                channel,
                [ENGLISH_CATALOGUE, replace(ENGLISH_CATALOGUE, tag="bi")],
            ),
        )
    )


Forms = dict[str, list[ScreenVariant]]


@pytest.fixture(scope="module", params=sorted(COUNTRIES))
def forms(request: pytest.FixtureRequest) -> Forms:
    """Each variant of each screen of a country, by channel."""
    return {channel: of(request.param, channel) for channel in CHANNEL_KINDS}


def test_every_page_in_every_country_fits(forms: Forms) -> None:
    for channel in CHANNEL_KINDS:
        pages = [page for form in forms[channel] for page in form.text]
        assert len(pages) > 140
        assert all(fits(page, LIMITS[channel]) for page in pages)


def test_the_send_screen_is_seen_in_all_its_words() -> None:
    texts = {form.text[0].split("\n")[0] for form in of("VU", "ussd") if form.screen.id == "report.send"}
    assert len(texts) >= 7, texts
    assert any(text.startswith("Send to Pikinini Helpline and Women's Centre with your number?") for text in texts)


def test_a_call_says_nothing_of_a_screen_or_of_typing(forms: Forms) -> None:
    """A caller presses keys and sees nothing, and nobody hears what is said. Advice in tips is exempt."""
    spoken = [form for form in forms["voice"] if not form.screen.id.startswith("tips_")]
    said = "\n".join(page for form in spoken for page in form.text)
    assert re.findall(r"(?i).*\b(?:type|typed|shown|screen|write|say what happened|my report\nCode)\b.*", said) == []


def test_star_is_named_first_and_with_code_and_pin(forms: Forms) -> None:
    for form in forms["voice"]:
        has_code = form.screen.id == "report.sent_menu" and "PIN" in form.text[0]
        is_named = "Press star to repeat." in "\n".join(form.text)
        # A long number of the helpline leaves no space for it.
        assert is_named == (form.screen.id == "home.home" or has_code) or form.text[0].startswith("helpline ")
        assert len(form.text) == 1 or not (has_code or is_named)
    assert not [form for form in forms["ussd"] if "star" in "\n".join(form.text).split()]
