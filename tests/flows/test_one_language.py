"""Every sentence is in one language: a translated one has no English words, and an English one no others.

A sentence consists of a message and its fields; either may lack a translation.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from flows import renderer
from flows.authoring.screen_variants import PhoneProfile
from flows.catalogues import messages
from flows.pagination import PLACEHOLDER, without_context
from flows.renderer import fill
from reports.countries.country import Country
from tests.flows import test_translations
from tests.flows.phone import book, world
from tests.flows.test_translations import LANGUAGES, phones

KNOWS = {"In danger? Call {emergency}.": "Long denja? Kolem {emergency}."}


def halves(tag: str) -> list[tuple[str, str]]:
    """Return the sentences of this language that are half in another one, each with its country."""
    found = []
    for of, own, english in phones(tag):
        for say in messages(book()):
            if "{" not in say:
                continue
            said, in_english = fill(say, own.context), fill(say, english.context)
            if own.context.translate(say) == without_context(say):
                wrong = said != in_english
            else:
                foreign = {
                    name: words for name, words in own.context.english.items() if name in PLACEHOLDER.findall(say)
                }
                wrong = any(words in said and own.context.fields[name] not in said for name, words in foreign.items())
            if wrong:
                found.append((of.iso, said))
    return found


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_sentence_is_half_in_one_language(tag: str) -> None:
    assert halves(tag) == []


@pytest.mark.parametrize(
    ("say", "shown"),
    [
        ("In danger? Call {emergency}.", "Long denja? Kolem polis 111."),
        ("Call {emergency} now.", "Call police 111 now."),
        ("{emergency}", "polis 111"),
        ("Your code is {code}", "Your code is 4821 9303"),
    ],
)
def test_a_text_without_a_translation_gets_english_fields(say: str, shown: str) -> None:
    here = replace(
        world(fields={"emergency": "polis 111"}, translate=lambda words: KNOWS.get(words, words)),
        english={"emergency": "police 111"},
    )
    assert fill(say, here) == shown


def lacking(tag: str, message: str) -> Iterator[tuple[Country, PhoneProfile, PhoneProfile]]:
    """Yield the phones of a language as if nobody had translated this message."""
    for of, own, english in test_translations.phones(tag):

        def translate(words: str, own: PhoneProfile = own) -> str:
            return without_context(words) if words == message else own.context.translate(words)

        yield of, replace(own, context=replace(own.context, translate=translate)), english


def test_a_planted_half_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the English fields, an untranslated message would say "Call polis 111"."""
    here = "tests.flows.test_one_language"
    monkeypatch.setattr(f"{here}.phones", functools.partial(lacking, message="In danger? Call {emergency}."))
    assert halves("bi") == []
    monkeypatch.setattr(f"{here}.fill", lambda say, world: renderer.fill(say, replace(world, english={})))
    assert any("all polis 111" in said for _, said in halves("bi"))


# Labels that answer several questions, with their common meaning: one translation serves all of them. If the meanings
# differ, the flow has a `context:`, which is msgctxt in the catalogues.
ONE_MEANING = {
    "A child I know": "whom it is about, or who is in the photo",
    "Call 7am-9pm": "hours", "Call 8am-4pm": "hours", "SMS 7am-9pm": "hours", "SMS 8am-4pm": "hours",
    "Family": "people of the same house or clan",
    "Longer ago": "a time",
    "Me": "the reporter",
    "My child": "the reporter's child",
    "No": "the answer to a question",
    "Nobody else": "no other person",
    "Not sure": "the reporter does not know",
    "Not yet": "the answer to a question",
    "Other / skip": "none of these places, or no answer",
    "Police": "the service",
    "Skip": "leave the question unanswered",
    "Someone else": "another person",
    "Somewhere else": "another place",
    "Teacher or nurse": "people who work with children",
    "Yes, mostly": "the answer to a question",
}  # fmt: skip


def _labels() -> tuple[dict[str, set[str]], set[str]]:
    """Return the labels of answers with their questions, and the labels of menus."""
    answers: dict[str, set[str]] = {}
    menus = set()
    for screen in book().screens.values():
        for choice in screen.choices:
            for say in (say for variant in choice.say.variants for say in variant.says):
                if screen.question:
                    answers.setdefault(say, set()).add(screen.question)
                else:
                    menus.add(say)
    return answers, menus


def test_a_message_with_two_meanings_has_a_context() -> None:
    answers, menus = _labels()
    assert {label for label, questions in answers.items() if len(questions) > 1} == set(ONE_MEANING)
    assert answers.keys() & menus == {"Delete"}  # the same act
