"""A reporter who wants to die, or fears for another person: every later screen has the helpline's number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from flows import catalogues
from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, screen_variants
from flows.renderer import lay_out
from reports.store.schema import tables as t
from runtime.telephony import CHANNEL_KINDS
from tests.flows.phone import book
from tests.flows.test_countries import COUNTRIES, country
from tests.safeguarding.call_paths import PHONE, dial_path, number, send_texts
from tests.support.app import App
from tokaut.screens.combinations import menu_languages, phone

pytestmark = pytest.mark.slow

LABEL = "Want to die, self-harm"
BEFORE = {"report.danger", "report.emergency", "report.category"}
HELPLINE = "163"


def phones(iso: str) -> Iterator[tuple[str, PhoneProfile]]:
    of, known = country(iso), catalogues.shipped()
    menu = menu_languages(of, known)
    for channel in CHANNEL_KINDS:
        for language in menu:
            yield language.tag, phone(book(), of, language, channel, menu)


@pytest.mark.parametrize("iso", COUNTRIES)
def test_it_stands_on_page_1_of_what_happened_in_every_language_and_in_a_drill(iso: str) -> None:
    for tag, on in phones(iso):
        for drill in ("no", "yes"):
            world = replace(on.context, facts={**on.context.facts, "drill": drill})
            first = lay_out(book().screens["report.category"], {}, world, on.limit).pages[0].text
            assert world.translate(LABEL) in first, (tag, drill, first)


@pytest.mark.rule("S-01")
@pytest.mark.parametrize("iso", COUNTRIES)
def test_the_number_is_on_every_page_of_every_screen_after_it(iso: str) -> None:
    """With 70 letters per page a sentence may be split: then one of the pages has the number."""
    looked_at = 0
    for tag, on in phones(iso):
        called = on.context.fields["helpline_number"] or on.context.fields["emergency"]
        for form in screen_variants(book(), on):
            if form.values.get("category") == "self_harm" and form.screen.id not in BEFORE:
                looked_at += 1
                there = [called in text for text in form.text]
                assert any(there) if _is_cut(form) else all(there), (tag, form.screen.id, form.text)
    assert looked_at > 20


def _is_cut(form: ScreenVariant) -> bool:
    return any(page.more and not page.lines for page in form.layout.pages)


WAYS = {
    "done": ("Report", "No", LABEL, "It is about me", "13-15", "Shefa", "No", "Send", "0"),
    "words and no": (
        *("Report", "No", LABEL, "It is about me", "13-15", "Shefa", "No", "Send"),
        *("I do not want to live any more", "1", "No", "Go on", "Skip", "1", "0"),
    ),
    "a friend": ("Report", "No", LABEL, "It is about someone else", "13-15", "Shefa", "No", "Send", "0"),
    "in danger": ("Report", "Now", "Go on", LABEL, "Shefa", "Me", "No", "Send", "0"),
    "deleted": ("Report", "No", LABEL, "It is about me", "13-15", "Shefa", "No", "9"),
}


@pytest.mark.parametrize("way", WAYS, ids=[*WAYS])
@pytest.mark.parametrize("channel", ["simulator", "africastalking"])
def test_each_screen_of_the_call_has_the_number_and_the_last_one_too(app: App, channel: str, way: str) -> None:
    replies = WAYS[way]
    seen = dial_path(app.ussd(PHONE, channel), *replies)
    after = seen[replies.index(LABEL) + 1 :]
    assert [text for text in after if HELPLINE not in text] == []


def test_nobody_near_brings_the_care_screen_again(app: App) -> None:
    seen = dial_path(app.ussd(PHONE), *WAYS["words and no"][:11])
    assert seen[-1].startswith("You matter. You can talk to someone now: Pikinini Helpline 163")


def test_by_sms_the_last_text_has_the_number_and_says_how_to_delete(app: App) -> None:
    phone = app.sms(PHONE)
    way = ("No", LABEL, "It is about me", "13-15", "Shefa", "I do not want to live any more", "No", "Send", "0")
    last = send_texts(phone, "REPORT", "1", *way)[-1]
    assert HELPLINE in last and "Do the same in Sent." in last


def test_leaving_is_the_same_neutral_sentence_as_for_everybody(app: App) -> None:
    assert dial_path(app.ussd(PHONE), "Report", "No", LABEL, "00")[-1] == "Thank you. Goodbye."


def test_a_friend_is_asked_about_as_somebody_else(app: App) -> None:
    dial_path(app.ussd(PHONE), *WAYS["a friend"])
    dial_path(app.ussd(number(2)), *WAYS["done"])
    told: list[Any] = [kept.data for kept in app.bodies() if kept.hotline == "vu-pikinini"]
    assert [data["about"] for data in told] == ["child_i_know", "me"]
    assert {data["category"] for data in told} == {"self_harm"}
    assert app.count(t.report) == 2


def test_danger_now_asks_where_help_is_needed_whoever_it_is_about(app: App) -> None:
    seen = dial_path(app.ussd(PHONE), *WAYS["in danger"])
    assert any(text.startswith("Pikinini Helpline 163\nWhere is help needed?") for text in seen)


ABOUT = {"My child": "my_child", "A child I know": "child_i_know", "Another child": "other", "Skip": None}


@pytest.mark.parametrize("label", ABOUT)
def test_in_danger_the_person_it_is_about_is_not_left_alone(app: App, label: str) -> None:
    """Staff read `with_someone` of the person it is about: the reporter is not asked who is near the reporter."""
    before = ("Report", "Now", "Go on", LABEL, "Shefa", label, "No", "Send", "1", "Not sure")
    asked, care = dial_path(app.ussd(PHONE, "africastalking"), *before, "No")[-2:]
    assert asked.startswith("Pikinini Helpline 163\nIs someone with that person now?")
    assert all(words in care for words in ("stay with that person", "police 111", "Pikinini Helpline 163"))
    send_texts(
        app.sms(number(2)), "REPORT", "1", *before[1:6], "1", "No", "Send", "Add more", "1", "Not sure", "Someone is"
    )
    app.submit_due_within(60)
    kept = sorted(app.bodies(), key=lambda one: one.revision)
    told = {one.data["channel"]: one.data for one in kept if one.hotline == "vu-pikinini"}
    assert {one["about"] for one in told.values()} == {ABOUT[label]}
    assert [told[channel]["extras"]["with_someone"] for channel in ("ussd", "simulator")] == ["no", "yes"]
