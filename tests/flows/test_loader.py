"""Errors for an author: file:line:column, the screen, the fault and its remedy."""

from __future__ import annotations

import pathlib

import pytest

from flows.engine import initial_state, render, step
from flows.loader import FlowError, build_book, load, parse_flow
from flows.model import FACTS, FIELDS, FlowBook
from flows.pagination import CARRIER_WORDS
from tests.flows.phone import LIMITS, NOON, book, world

GOOD = """\
flow: tea
version: 3
screens:
  first:
    start: true
    ask: taste
    words: Tea?
    choices:
      - {say: Green, value: green}
      - {say: Black, value: black}
    go: last
  last:
    end: true
    words: Bye.
"""


def made(text: str) -> FlowBook:
    return build_book([parse_flow("tea.yaml", text)])


def test_a_good_flow_is_read() -> None:
    found = made(GOOD)
    assert found.flows["tea"].version == 3
    assert [choice.key for choice in found.screens["tea.first"].choices] == ["1", "2"]


# old text, new text: the place of the error, and its message
WRONG = {
    "go to nowhere": (
        "go: last",
        "go: lost",
        "11:9: tea.first: it goes to tea.lost, which does not exist; add that screen or go to another",
    ),
    "go to a flow that is not there": (
        "go: last",
        "go: milk.first",
        "11:9: tea.first: it goes to milk.first, which",
    ),
    "the same screen twice": ("  last:\n", "  first:\n", "12:3: 'first' stands here twice; keep one of them"),
    "a key of a screen twice": (
        "    end: true",
        "    end: true\n    end: true",
        "14:5: tea.last: 'end' stands here",
    ),
    "the same key twice": (
        "{say: Black, value: black}",
        "{say: Black, value: black, key: 1}",
        "10:9: tea.first: '1' means two choices of this screen; change one of them",
    ),
    "the same label twice": ("say: Black", "say: GREEN", "10:9: tea.first: 'green' means two choices"),
    "a circle": (
        "  last:\n    end: true\n    words: Bye.\n",
        "  last:\n    words: Again?\n    choices: [{say: Again, go: first}]\n",
        "4:3: tea.first: from here one walks in a circle without a way out; lead it to a screen with `end: true`",
    ),
    "nobody gets there": (
        "    words: Bye.\n",
        "    words: Bye.\n  alone:\n    end: true\n    words: Hm.\n",
        "15:3: tea.alone: no other screen leads here; go to it from somewhere or remove it",
    ),
    "passed over in a circle": (
        "    start: true\n",
        "    start: true\n    when: {taste: green}\n    otherwise: first\n",
        "4:3: tea.first: it may be passed over in a circle",
    ),
    "a carrier's word as a label": (
        "say: Green",
        "say: ' Stop'".replace(" S", "S"),
        "9:15: tea.first: 'Stop' is a word that carriers answer themselves; choose another word",
    ),
    "a bare yes as a label": ("say: Green", "say: YES", "9:15: tea.first: 'YES' is a word that carriers"),
    "a carrier's word as a keyword": (
        "value: green}",
        "value: green, also: [HELP]}",
        "9:43: tea.first: 'HELP' is a word that carriers answer themselves",
    ),
    "a key of every screen": (
        "value: green}",
        "value: green, key: 0}",
        "9:41: tea.first: '0' cannot be the key of an answer; use another number",
    ),
    "98 is a key of every screen": ("value: green}", "value: green, key: 98}", "9:41: tea.first: '98' cannot be"),
    "00 is a key of every screen": ("value: green}", "value: green, key: 00}", "9:41: tea.first: '00' cannot be"),
    "a key is a number": ("value: green}", "value: green, key: a}", "9:41: tea.first: 'a' cannot be"),
    "a label that is a key": ("say: Green", "say: 98", "9:15: tea.first: '98' is a key of every screen"),
    "an unknown placeholder": (
        "words: Tea?",
        "words: Tea {sugar}?",
        "7:12: tea.first: {sugar} is not a field; use one of:",
    ),
    "a lone brace": ("words: Tea?", "words: Tea { ?", "7:12: tea.first: a brace stands alone; write {name} of a field"),
    "an unknown name": (
        "    end: true",
        "    ends: true",
        "13:5: tea.last: 'ends' is not known here; use one of: again,",
    ),
    "an unknown name of a choice": ("value: black}", "valeu: black}", "10:22: tea.first: 'valeu' is not known here"),
    "an unknown name at the top": (
        "version: 3",
        "version: 3\nlanguages: [en, no]",
        "3:1: 'languages' is not known here",
    ),
    "no version": ("version: 3\n", "", "1:1: `version:` is missing; add it"),
    "no number": ("version: 3", "version: 12:30", "2:10: '12:30' is not a whole number of 1 or more; write digits"),
    "nothing true": ("end: true", "end: yes", "13:10: tea.last: 'yes' is neither true nor false; write one of them"),
    "no words": ("    words: Bye.\n", "", "13:5: tea.last: it has no words; add `words:`"),
    "empty words": ("words: Bye.", "words: ''", "14:12: tea.last: words are missing here"),
    "a question without an answer": (
        "    end: true",
        "    ask: hm\n    end: true",
        "13:5: tea.last: `ask:` needs either `choices:` or `type:`",
    ),
    "a typed answer without a question": (
        "    end: true",
        "    type: {skip: 1}",
        "13:5: tea.last: `ask:` needs either",
    ),
    "a line about skipping where nothing skips": (
        "    end: true",
        "    ask: hm\n    type: {skip_line: Go on}",
        "14:23: tea.last: `skip_line:` says how to skip; add `skip:` too",
    ),
    "a value without a question": (
        "    ask: taste\n",
        "",
        "8:9: tea.first: a choice has a `value:` where the screen has",
    ),
    "a choice without words": (
        "{say: Black, value: black}",
        "{value: black}",
        "10:9: tea.first: a choice needs `say:`",
    ),
    "a choice that leads nowhere": (
        "    go: last\n",
        "",
        "4:3: tea.first: a choice leads nowhere; give it or the screen",
    ),
    "a condition on nothing": (
        "go: last",
        "go: [{when: {cup: big}, to: last}, {to: last}]",
        "11:18: tea.first: no screen asks 'cup' and it is not a fact; use a question or one of: another,",
    ),
    "a condition that never holds": (
        "go: last",
        "go: [{when: {taste: gren}, to: last}, {to: last}]",
        "11:25: tea.first: 'taste' is never 'gren'; use one of: black, green",
    ),
    "a fact that never holds": (
        "go: last",
        "go: [{when: {channel: fax}, to: last}, {to: last}]",
        "11:27: tea.first: 'channel' is never 'fax'; use one of: sms, ussd",
    ),
    "a question with the name of a fact": (
        "ask: taste",
        "ask: duty\n    when: {duty: may}\n    otherwise: last",
        "7:12: tea.first: 'duty' is a fact and a question; rename the question",
    ),
    "no way where no condition holds": (
        "go: last",
        "go: [{when: {taste: green}, to: last}]",
        "11:9: tea.first: nothing holds where no `when:` does; end with a `to:` that has none",
    ),
    "a way that is never taken": (
        "go: last",
        "go: [{to: last}, {to: first}]",
        "11:9: tea.first: what comes after a `to:` without `when:` is never reached; put that one last",
    ),
    "no variant where no condition holds": (
        "words: Tea?",
        "words: [{when: {channel: sms}, say: Tea}]",
        "7:13: tea.first: the last variant has a condition; end with one that has none",
    ),
    "an effect without outcomes": (
        "value: green}",
        "value: green, do: brew, go: last}",
        "9:9: tea.first: an effect has outcomes; write `go:` as a map from each outcome to its screen",
    ),
    "a list beside other choices": (
        "      - {say: Green, value: green}",
        "      - {from: places}",
        "10:9: tea.first: choices from a list stand alone; put this one under its `last:`",
    ),
    "no YAML": (
        "words: Tea?",
        "words: Tea?: x",
        "7:16: this is not valid YAML (mapping values are not allowed here); fix that",
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_told_with_its_place_and_what_to_do(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(FlowError) as caught:
        made(GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(f"tea.yaml:{said}")
    assert ";" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "- a\n- b", "just words", "flow: [tea]\nversion: 1\nscreens: {}", "\x07", "*nothing"]
)
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(FlowError, match=r"^tea\.yaml:\d+:\d+: .+; "):
        made(text)


def test_two_files_with_the_same_flow_are_refused() -> None:
    with pytest.raises(FlowError, match=r"b\.yaml:1:1: flow 'tea' is in a\.yaml too; rename one of them"):
        build_book([parse_flow("a.yaml", GOOD), parse_flow("b.yaml", GOOD)])


@pytest.mark.rule("B-67")
def test_words_are_the_words_they_look_like() -> None:
    """`no` is not false, a time is no number, and `1` and "1" are the same key."""
    found = made(
        GOOD.replace("say: Green, value: green", "say: no, value: no").replace(
            "say: Black, value: black", "say: 12:30, value: 010"
        )
    )
    first = found.screens["tea.first"]
    assert [(choice.say.variants[0].says, choice.value) for choice in first.choices] == [
        (("no",), "no"),
        (("12:30",), "010"),
    ]
    for again in ("1", '"1"', "'1'"):
        with pytest.raises(FlowError, match=r"^tea.yaml:5:3: '1' stands here twice"):
            parse_flow("tea.yaml", f"flow: tea\nversion: 1\nscreens:\n  1: {{words: A}}\n  {again}: {{words: B}}")


def test_null_is_no_value_and_the_word_in_quotes_is_one() -> None:
    found = made(GOOD.replace("value: green", "value: null").replace("value: black", "value: 'null'"))
    assert [choice.value for choice in found.screens["tea.first"].choices] == [None, "null"]


def test_a_line_whose_flow_comes_later_is_switched_on_by_its_file() -> None:
    waiting = GOOD.replace("value: green}", "value: green, go: [{to: milk.first, if_there: true}]}")
    assert [choice.key for choice in made(waiting).screens["tea.first"].choices] == ["2"]
    milk = "flow: milk\nversion: 1\nscreens:\n  first: {words: Milk., end: true}"
    both = build_book([parse_flow("tea.yaml", waiting), parse_flow("milk.yaml", milk)])
    assert [choice.key for choice in both.screens["tea.first"].choices] == ["1", "2"]
    assert (
        step(
            both, initial_state(both, "tea.first"), "1", lambda _: world(), limit=LIMITS["ussd"], now=NOON
        ).state.screen
        == "milk.first"
    )


def test_load_reads_the_files_of_a_folder(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tea.yaml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("no flow")
    found = load(tmp_path)
    assert render(found, initial_state(found, "tea.first"), world(), LIMITS["ussd"]).text.startswith("Tea?\n1 Green")


def test_the_names_that_the_flows_use_are_all_of_those_that_exist() -> None:
    used = {use.name for flow in book().flows.values() for use in flow.uses if use.kind == "name"}
    assert set(FACTS) - used == {"drill"}
    folder = pathlib.Path(__file__).parents[2] / "flows"
    words = "".join(file.read_text() for file in folder.glob("*.yaml"))
    assert {name for name in FIELDS if f"{{{name}}}" not in words} == set()


@pytest.mark.rule("S-09")
def test_no_label_of_the_flows_is_a_carriers_word() -> None:
    """The parser refuses such labels; this test checks the shipped flows."""
    carriers = {word.upper() for word in CARRIER_WORDS}
    assert len(carriers) == 13
    labels = {
        say.upper().strip()
        for screen in book().screens.values()
        for choice in (*screen.choices, *((screen.zero,) if screen.zero else ()))
        for variant in choice.say.variants
        for say in variant.says
    }
    assert labels.isdisjoint(carriers)
