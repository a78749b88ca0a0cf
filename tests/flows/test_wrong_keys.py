"""A wrong key is always visible: each variant of each screen, in every country and language, on both channels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from flows import catalogues
from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, screen_variants
from flows.model import Answer, FlowState
from flows.pagination import MORE, SORRY, ScreenPage, alphabet, fits
from flows.renderer import DANGER_SCREEN, IN_DANGER, SHORT_SORRY, fill, render
from runtime.telephony import CHANNEL_KINDS
from tests.flows.phone import NOON, book
from tests.flows.test_countries import COUNTRIES, country
from tokaut.screens.combinations import menu_languages, phone


def phones(iso: str) -> Iterator[tuple[str, PhoneProfile]]:
    of, known = country(iso), catalogues.shipped()
    menu = menu_languages(of, known)
    for channel in CHANNEL_KINDS:
        for language in menu:
            yield language.tag, phone(book(), of, language, channel, menu)


def after_a_wrong_key(form: ScreenVariant, on: PhoneProfile, page: int) -> str:
    values = [(question, value) for question, value in form.values.items() if value is not None]
    answers = tuple(Answer("report.danger", question, value, False, NOON) for question, value in values)
    trail = tuple(("report.danger", n) for n in range(len(answers)))
    state = FlowState(form.screen.id, trail, answers, page=page, wrong=1)
    return render(book(), state, replace(on.context, facts=form.facts), on.limit, sorry=True).text


def must_stay(form: ScreenVariant, on: PhoneProfile, page: ScreenPage) -> list[str]:
    """Return the lines that must stay: choices, Back, More, and the numbers to call; only the first on a first page."""
    lines = [f"{line.key} {line.say}" for line in page.lines]
    lines += [f"98 {on.context.translate(MORE)}"] if page.more else []
    lines += [line for line in page.bare.split("\n") if line.startswith(("0 ", "1 = "))]
    lines += [page.menu.above] if page.menu and page.menu.above else []
    first = page is form.layout.pages[0] and (form.screen.start or form.screen.called)
    called = ("emergency",) if first else ("emergency", "helpline_number", "emergency_sms", "helpline_sms")
    numbers = filter(None, (on.context.fields.get(name) for name in called))
    return lines + [number for number in numbers if number in page.text and alphabet(page.text) == "gsm7"]


@pytest.mark.parametrize("iso", COUNTRIES)
def test_a_wrong_key_is_always_seen_to_be_wrong(iso: str) -> None:
    looked_at = 0
    for tag, on in phones(iso):
        signs = (on.context.translate(SORRY), SHORT_SORRY)
        emergency = fill(IN_DANGER, on.context)
        for form in screen_variants(book(), on):
            if form.screen.end:
                continue
            for number, page in enumerate(form.layout.pages):
                text = after_a_wrong_key(form, on, number)
                where = (tag, form.screen.id, number, page.text, text)
                assert text.split("\n")[0] in signs, where
                # A full list of places, and a message of staff, of which nothing is cut, get the short sign.
                is_full = page.menu.renumber or form.screen.words.is_field_alone
                assert tag != "en" or text.startswith(SORRY) or is_full, where
                if form.facts["channel"] == "voice":  # nothing is left out, and the sign is heard
                    assert text in (f"{signs[0]}\n{page.text}", f"{signs[0]}\n{emergency}\n{page.text}"), where
                else:
                    assert fits(text, on.limit), where
                assert [line for line in must_stay(form, on, page) if line not in text] == [], where
                looked_at += 1
                if form.screen.id == DANGER_SCREEN and alphabet(page.text) == "gsm7":  # 70 units hold no number too
                    assert number or on.context.fields["emergency"] in text, where
    assert looked_at > 100
