"""How long a person needs, worked out by hand for one small flow."""

from __future__ import annotations

import pytest

from flows.check import check
from flows.parse import read
from flows.timing import A_KEY, fastest, to_send
from flows.uses import uses
from flows.walking import walk
from tests.flows.test_lint import GOOD, line


def test_the_seconds_to_send_are_words_read_and_keys_pressed() -> None:
    book = check([read("home.yaml", GOOD)])
    ways = walk(book, uses(book), line(book))
    assert len(found := to_send(ways)) == 1
    assert found[0].screens == ("home.danger", "home.category", "home.send")
    # "In danger? Call police 111.", "1 Report", "00 Leave"; "Danger?", two choices, "0 Back", "00 Leave"; and so on
    words = (5 + 2 + 2) + (1 + 4 + 4) + (3 + 4 + 4) + (2 + 2 + 4)
    assert found[0].seconds == pytest.approx(words * 60 / 200 + 4 * A_KEY)
    assert found[0].margins == tuple(round(one - found[0].seconds) for one in (60, 120, 180))


def test_the_fastest_way_to_a_screen_is_not_the_longest() -> None:
    book = check([read("home.yaml", GOOD.replace("go: danger}", "go: danger}\n      - {say: Soon, go: send}"))])
    ways = walk(book, uses(book), line(book))
    soon = {key[0]: seconds for key, seconds in fastest(ways).items()}
    assert soon["home.send"] == soon["home.danger"] < soon["home.category"]
