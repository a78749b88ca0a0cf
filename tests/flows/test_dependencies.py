"""The answers that a screen and its successors read: an answer matters until it is given again."""

from __future__ import annotations

import pytest

from flows.dependencies import dependencies_of
from flows.loader import build_book, parse_flow

ROUND = """\
flow: home
version: 1
screens:
  home:
    start: true
    words: Begin.
    choices:
      - {say: Go on, go: colour}
  colour:
    ask: colour
    words: Which colour?
    choices:
      - {say: Red, value: red}
      - {say: Blue, value: blue}
    go: size
  size:
    ask: size
    when: {colour: red}
    otherwise: shape
    words: Which size?
    choices:
      - {say: Big, value: big}
    go: shape
  shape:
    ask: shape
    words: [{when: {colour: red, size: big}, say: A big red what?}, Which shape?]
    choices:
      - {say: Round, value: round}
    go: again
  again:
    words: Again?
    choices:
      - {say: Again, go: TARGET}
      - {say: Done, go: end}
  end:
    end: true
    words: Done.
"""


@pytest.mark.parametrize(
    ("target", "read"),
    [
        ("colour", {"size"}),  # colour is asked before it is read; size is skipped unless colour is red
        ("size", {"colour", "size"}),
        ("shape", {"colour", "size"}),
        ("home", {"size"}),
        ("end", set()),
    ],
)
def test_an_answer_that_is_given_anew_before_it_is_read_does_not_matter(target: str, read: set[str]) -> None:
    later = dependencies_of(build_book([parse_flow("home.yaml", ROUND.replace("TARGET", target))])).later
    assert later["home.again"] == read
    assert later["home.shape"] == {"colour", "size"}
