"""The lint finds each kind of planted fault: file, line, column, and remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from flows.authoring.lint import Linter
from flows.authoring.paths import Combination, FactPairs
from flows.engine import initial_state
from flows.loader import build_book, parse_flow
from flows.model import FlowBook
from flows.parser import FlowError
from tests.flows.phone import LIMITS, world

GOOD = """\
flow: home
version: 1
screens:
  home:
    start: true
    words: "In danger? Call {emergency}."
    choices:
      - {say: Report, go: danger}
  danger:
    ask: danger
    words: Danger?
    choices:
      - {say: Now, value: now}
      - {say: "No", value: no}
    go: category
  category:
    ask: category
    words: What was it?
    choices:
      - {say: Hurt, value: harm}
      - {say: Other, value: other}
    go: send
  send:
    ask: send
    words: Send it?
    choices:
      - {say: Send, value: send, do: send, go: {sent: sent}}
  sent:
    end: true
    words: Sent.
"""
ONE_MORE = "".join(
    f"  q{n}:\n    ask: q{n}\n    words: Question {n}?\n    choices: [{{say: A, value: a}}]\n    go: {to}\n"
    for n, to in enumerate(["q1", "q2", "q3", "q4", "q5", "send"])
)
LONG = "word " * 40 + "word"


def line(
    book: FlowBook, lines: tuple[FactPairs, ...] = ((),), translate: Callable[[str], str] = str, **other: object
) -> Combination:
    here = world({"words_before_send": "no"}, translate=translate)
    made = Combination(
        country="VU",
        language="en",
        channel="ussd",
        limit=LIMITS["ussd"],
        context_for=lambda _: here,
        starts=(initial_state(book, "home.home"),),
        notices=(),
        dependencies={},
        equivalence_key=lambda *_: None,
        phone_lines=lines,
    )
    return replace(made, **other)  # type: ignore[arg-type]  # any fields


def found(text: str, translate: Callable[[str], str] = str, **other: object) -> list[str]:
    """Return the author's errors from the parser, the check of all files, or the exploration."""
    try:
        book = build_book([parse_flow("home.yaml", text)])
    except FlowError as error:
        return [str(error)]
    lint = Linter(book, whole=True)
    lint.add(lint.check(line(book, translate=translate, **other)))
    return [str(one) for one in sorted(lint.end().findings)]


def test_a_good_flow_has_no_fault() -> None:
    assert found(GOOD) == []


# old text, new text: the place of the fault, and its message
PLANTED: Mapping[str, tuple[str, str, str]] = {
    "a dead end": (
        "do: send, go",
        "when: {danger: now}, do: send, go",
        "23:3: home.send: a dead end: none of its choices holds after some answers; let one hold always",
    ),
    "nothing leads to it": (
        "  sent:\n",
        "  alone:\n    end: true\n    words: Hm.\n  sent:\n",
        "28:3: home.alone: no other screen leads here; go to it from somewhere or remove it",
    ),
    "nobody ever sees it": (
        "    ask: category\n",
        "    ask: category\n    when: {contactable: no}\n",
        "16:3: home.category: nobody ever sees it: its `when:`",
    ),
    "a choice that is never offered": (
        "{say: Other, value: other}",
        "{say: Other, value: other, when: {contactable: no}}",
        "21:9: home.category: choice 2 is never offered; fix its `when:` or remove it",
    ),
    "a page too long": (
        "words: What was it?",
        f"words: {LONG}",
        "18:12: home.category: its words do not fit on one page; say less, or add a shorter form as `fits_first:`",
    ),
    "a choice too long for a page": (
        "say: Hurt",
        f"say: {LONG}",
        "20:15: home.category: a choice is cut to 'word word",
    ),
    "no way out of a circle": (
        "    go: send\n",
        "    go: category\n",
        "4:3: home.home: from here one walks in a circle without a way out; lead it to a screen with `end: true`",
    ),
    "no way out after some answers": (
        "    go: send\n",
        "    go: &on [{when: {danger: now}, to: send}, {to: more}]\n"
        "  more:\n    words: More?\n    choices: [{say: Again, go: *on}]\n",
        "23:3: home.more: after some answers one walks in a circle from here; lead it to an `end: true`",
    ),
    "no way back": (
        "    words: What was it?\n",
        "    words: What was it?\n    zero: {say: Back, go: category}\n",
        "19:11: home.category: `0` leads to the screen itself: no way back; lead its `zero:` elsewhere",
    ),
    "nine screens to Send": (
        "    go: send\n",
        f"    go: q0\n{ONE_MORE}",
        "53:3: home.send: 9 screens to Send, at most 8 (S-15); ask less before it: danger category q0 q1 q2 q3 q4 q5",
    ),
    "an unknown placeholder": (
        "words: Danger?",
        "words: Danger {where}?",
        "11:12: home.danger: {where} is not a field; use one of:",
    ),
    "Send without danger": (
        "{say: Report, go: danger}",
        "{say: Report, go: category}\n      - {say: Danger, go: danger}",
        "28:9: home.send: 'danger' may be unanswered here; ask it on every way before this",
    ),
    "no number at the beginning": (
        'words: "In danger? Call {emergency}."',
        "words: Hello.",
        "4:3: home.home: the emergency number is not on its first page (S-01); begin with {emergency}",
    ),
    "a secret without a limit": (
        "    choices:\n      - {say: Hurt, value: harm}\n      - {say: Other, value: other}\n",
        "    type: {secret: true}\n",
        "16:3: home.category: a secret may be typed without a limit; add `limit:` to its `type:`",
    ),
    "words that cannot be skipped": (
        "    choices:\n      - {say: Hurt, value: harm}\n      - {say: Other, value: other}\n",
        "    type: {limit: 400}\n",
        "16:3: home.category: words are asked and there is no way past; add `skip: 1` to its `type:`",
    ),
}


@pytest.mark.rule("S-01")
@pytest.mark.rule("S-02")
@pytest.mark.rule("S-15")
@pytest.mark.parametrize(("old", "new", "said"), PLANTED.values(), ids=list(PLANTED))
def test_a_planted_fault_is_found_where_it_stands(old: str, new: str, said: str) -> None:
    assert old in GOOD
    told = found(GOOD.replace(old, new, 1))
    assert [one for one in told if one.startswith(f"home.yaml:{said}")], told
    assert all(";" in one for one in told)


@pytest.mark.rule("B-69")
@pytest.mark.parametrize(
    ("more", "told"), [(0, []), (1, ["home.category: its words do not fit on one page; say less"])]
)
def test_a_screen_of_one_septet_too_many_in_one_language_is_found(more: int, told: list[str]) -> None:
    rest = "CON " + "\n1 Hurt\n2 Other\n0 Back"
    said = "a" * (160 - len(rest) + more)
    here = found(GOOD, translate=lambda words: said if words == "What was it?" else words)
    assert [one.partition(": ")[2].partition(",")[0] for one in here] == told
    assert found(GOOD) == []


@pytest.mark.rule("B-69")
def test_a_translation_that_is_too_long_or_alike_is_found_in_its_catalogue() -> None:
    where = {"What was it?": 7, "Other": 11}
    told = found(
        GOOD,
        translate=lambda words: {"What was it?": LONG, "Other": "hurt"}.get(words, words),
        translation_source=lambda words: ("locales/xx.po", where[words]) if words in where else None,
    )
    assert [one.partition(";")[0] for one in told] == [
        "locales/xx.po:7:1: home.category: its words do not fit on one page",
        "locales/xx.po:11:1: home.category: 'hurt' means two things on this screen",
    ]


def test_what_only_one_kind_of_line_shows_is_walked_too() -> None:
    text = GOOD.replace("    ask: category\n", "    ask: category\n    when: {contactable: no}\n")
    unasked = [one for one in found(text) if "nobody ever sees" in one]
    other = found(text, lines=((("contactable", "yes"),), (("contactable", "no"),)))
    assert unasked and not [one for one in other if "nobody ever sees" in one]


def test_a_page_in_the_letters_of_ucs2_may_go_on_where_words_are_many() -> None:
    told = found(GOOD, translate=lambda words: {"What was it?": "Kō e hā? " * 12 + "?"}.get(words, words))
    assert told == []
