"""The time that a person needs, calculated by hand for one small flow."""

from __future__ import annotations

import pytest

from flows.authoring.paths import explore
from flows.authoring.timing import KEY_SECONDS, PathTimes
from flows.dependencies import dependencies_of
from flows.loader import build_book, parse_flow
from tests.flows.test_lint import GOOD, line


def test_the_seconds_to_send_are_words_read_and_keys_pressed() -> None:
    book = build_book([parse_flow("home.yaml", GOOD)])
    ways = explore(book, dependencies_of(book), line(book))
    assert len(found := PathTimes(ways).to_send) == 1
    assert found[0].screens == ("home.danger", "home.category", "home.send")
    # "In danger? Call police 111.", "1 Report", "00 Leave"; "Danger?", two choices, "0 Back", "00 Leave"; and so on
    words = (5 + 2 + 2) + (1 + 4 + 4) + (3 + 4 + 4) + (2 + 2 + 4)
    assert found[0].seconds == pytest.approx(words * 60 / 200 + 4 * KEY_SECONDS)
    assert found[0].margins == tuple(round(one - found[0].seconds) for one in (60, 120, 180))


def test_the_fastest_way_to_a_screen_is_not_the_longest() -> None:
    book = build_book(
        [parse_flow("home.yaml", GOOD.replace("go: danger}", "go: danger}\n      - {say: Soon, go: send}"))]
    )
    ways = explore(book, dependencies_of(book), line(book))
    soon = {key[0]: seconds for key, seconds in PathTimes(ways).fastest.items()}
    assert soon["home.send"] == soon["home.danger"] < soon["home.category"]
