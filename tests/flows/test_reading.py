"""Readability: grade 4 at most on every screen that a child reads, 3 in tips for children under ten (S-19)."""

from __future__ import annotations

import pytest

from flows.model import Topic
from flows.renderer import fill
from tests.flows.phone import book, world
from tests.flows.reading import grade
from tests.flows.test_topics import TIPS, text_of

PARENTS, CHILDREN, UNDER_TEN = 6, 4, 3
NAMES = ("helpline_name", "helpline_named", "helpline_line", "incomplete_name", "send_to_1", "send_to_2", "desk")
PLAIN = world(fields=dict.fromkeys(NAMES, "staff"))  # we do not choose a hotline's own name
LONG_ENOUGH = 8  # words; the grade of a shorter text means nothing


def screens() -> list[tuple[str, str]]:
    """Return each text above choices, with its screen."""
    return [
        (screen.id, said)
        for screen in book().screens.values()
        for variant in screen.words.variants
        for say in variant.says
        if len(say.split()) >= LONG_ENOUGH and (said := fill(say, PLAIN))
    ]


def limit(screen: str) -> float:
    """Return the highest grade that a screen may have."""
    return PARENTS if screen.startswith("tips_parents.") else CHILDREN


@pytest.mark.rule("S-19")
def test_every_screen_is_read_by_those_whom_it_is_for() -> None:
    hard = {f"{name}: {said}": round(grade(said), 1) for name, said in screens() if grade(said) > limit(name)}
    assert hard == {}
    assert len(screens()) > 100


@pytest.mark.rule("S-19")
@pytest.mark.parametrize("topic", TIPS, ids=lambda topic: topic.id)
def test_a_tip_is_read_by_those_whom_it_is_for(topic: Topic) -> None:
    young = {"a": UNDER_TEN, "b": CHILDREN, "c": CHILDREN}
    assert grade(text_of(topic)) <= young.get(topic.id.partition(".")[2][0], PARENTS)


@pytest.mark.rule("S-19")
@pytest.mark.parametrize("menu", ["under_10", "feeling_bad", "your_body", "on_phones"])
def test_a_menu_for_under_ten_has_three_lines_of_two_words(menu: str) -> None:
    choices = book().screens[f"tips_young.{menu}"].choices
    labels = [say for choice in choices for variant in choice.say.variants for say in variant.says]
    assert len(labels) <= 3 and max(len(label.split()) for label in labels) <= 2


def test_a_hard_sentence_is_found() -> None:
    assert grade("Unsolicited communication necessitates immediate notification of responsible authorities.") > 15
    assert grade("Stop. Tell an adult you trust.") < 2
    assert grade("Not sent\nCall the police now") < grade("Not sent and call the police now")
