"""The page's rules agree with the marks of the tests; no page has forbidden words."""

from __future__ import annotations

import re

import pytest

from tests.docs import rules
from tests.docs.pages import pages, part, read


def test_the_page_has_every_rule_once_and_in_order() -> None:
    before, _, _ = read(rules.PAGE).partition("## Which tests show it")
    assert tuple(re.findall(r"^\* \*\*(S-\d\d)\*\* ", before, re.MULTILINE)) == rules.RULES


def test_every_rule_has_a_test_or_waits_with_a_reason() -> None:
    shown, waiting = rules.marks(), rules.waits()
    assert [rule for rule in rules.RULES if rule not in shown and rule not in waiting] == []


def test_what_happens_on_a_phone_is_shown_on_a_phone() -> None:
    """A test must use web with a real database, not the flows only. Words, statistics and live mode are exempt."""
    elsewhere = {"S-16", "S-17", "S-18", "S-19", "S-31", "S-34", *rules.CONSOLE}
    whole = tuple(f"tests/{name}/" for name in ("safeguarding", "bad_inputs", "canary", "drops"))
    shown = {rule for rule, files in rules.marks().items() if any(name.startswith(whole) for name in files)}
    assert set(rules.RULES) - elsewhere - shown == set()


def test_no_mark_names_a_rule_that_is_not_there() -> None:
    assert {rule for rule in rules.marks() if rule.startswith("S-")} <= set(rules.RULES)


def test_a_mark_on_a_skipped_test_shows_nothing() -> None:
    planted = '@pytest.mark.skip\n@pytest.mark.rule("S-99")\ndef test_x(): ...\n'
    assert list(rules.marks_of(planted)) == []
    assert list(rules.marks_of(planted.replace("@pytest.mark.skip\n", ""))) == ["S-99"]


NEVER = [word.strip() for line in part(rules.PAGE, "never anywhere").splitlines() for word in line[2:].split(",")]


@pytest.mark.rule("S-18")
@pytest.mark.parametrize("word", NEVER)
def test_the_words_never_used_are_on_no_page(word: str) -> None:
    found = re.compile(rf"\b{re.escape(word)}s?\b", re.IGNORECASE)
    assert [page.name for page in pages() if found.search(_without_the_list(page.read_text(encoding="utf-8")))] == []
    assert found.search(f"a planted {word}")


def _without_the_list(text: str) -> str:
    return re.sub(r"<!-- never anywhere -->.*?<!-- /never anywhere -->", "", text, flags=re.DOTALL)
