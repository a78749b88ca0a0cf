"""How hard the English is: grade 6 at most on every screen, 3 for who is under ten (S-19).

Against a counter that knows a dictionary of syllables, ours was at most one grade away on each of the 31 tips.
"""

from __future__ import annotations

import pytest

from flows.model import Topic
from flows.renderer import fill
from tests.flows.phone import book, world
from tests.flows.reading import grade, syllables
from tests.flows.test_topics import TIPS, text_of

EVERYBODY, CHILDREN, UNDER_TEN = 6, 4, 3
NAMES = ("helpline_name", "helpline_named", "helpline_line", "incomplete_name", "send_to_1", "send_to_2", "desk")
PLAIN = world(fields=dict.fromkeys(NAMES, "staff"))  # a hotline's own name is not ours to choose
LONG_ENOUGH = 8  # words; of fewer no grade says anything


def screens() -> list[tuple[str, str]]:
    """Each text that stands above choices, with the screen that it is on."""
    return [
        (screen.id, said)
        for screen in book().screens.values()
        for variant in screen.words.variants
        for say in variant.says
        if len(say.split()) >= LONG_ENOUGH and (said := fill(say, PLAIN))
    ]


@pytest.mark.rule("S-19")
def test_no_screen_is_harder_than_grade_six() -> None:
    hard = {f"{name}: {said}": round(grade(said), 1) for name, said in screens() if grade(said) > EVERYBODY}
    assert hard == {}
    assert len(screens()) > 100


@pytest.mark.rule("S-19")
@pytest.mark.parametrize("topic", TIPS, ids=lambda topic: topic.id)
def test_tips_are_read_by_those_whom_they_are_for(topic: Topic) -> None:
    most = {"a": UNDER_TEN, "b": CHILDREN}.get(topic.id.partition(".")[2][0], EVERYBODY)
    assert grade(text_of(topic)) <= most


@pytest.mark.parametrize(
    ("word", "count"),
    [("police", 2), ("picture", 2), ("pictures", 2), ("safe", 1), ("blame", 1), ("wanted", 2), ("trusted", 2),
     ("touches", 2), ("places", 2), ("little", 2), ("quiet", 2), ("being", 2), ("report", 2),
     ("child", 1), ("happened", 2), ("usually", 4), ("you", 1), ("people", 2)],
)  # fmt: skip
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


def test_a_hard_sentence_is_found() -> None:
    assert grade("Unsolicited communication necessitates immediate notification of responsible authorities.") > 15
    assert grade("Stop. Tell an adult you trust.") < 2
