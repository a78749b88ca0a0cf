"""Answers that were given twice, corrected, or in an earlier draft."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reports.report import UnaskedText
from tests.reports.sample import NOW, PATH_TO_SEND, SEND, given, setting
from tests.reports.schema_check import body


def test_changed_answers_stay_in_answers_and_the_later_walk_counts() -> None:
    earlier = given(
        ("report.danger", "soon"), ("report.category", "luring"), ("report.about", "my_child"), counts=False
    )
    later = given(*PATH_TO_SEND, SEND, at=NOW + 60)
    found = body(earlier + later, setting(earlier + later))
    assert found["about"] == "me"
    assert [row["value"] for row in found["answers"] if row["question"] == "about"] == ["my_child", "me"]
    assert [row["n"] for row in found["answers"]] == list(range(1, 10))


def test_what_add_more_asked_is_kept_where_the_reporter_went_back_over_it() -> None:
    rows = [
        *given(*PATH_TO_SEND, SEND),
        *given(("more.asked_for", "money"), ("more.threat", "yes"), counts=False),
        *given(("more.asked_for", None)),
    ]
    assert body(rows, setting(rows))["extras"] == {"asked_for": "money", "threat": "yes"}


@pytest.mark.parametrize(
    ("drafts", "first_words", "narrative", "unasked"),
    [
        ([("one", True)], None, "one", []),
        ([("one", False), ("two", True)], None, "two", []),
        ([("one", True), (None, True)], None, "one", []),
        ([("one", False), (None, True)], None, "one", []),
        ([("one", False), (None, True)], "zero zero zero", "one", ["zero zero zero"]),
        ([(None, True)], "zero zero zero", "zero zero zero", []),
        ([], "zero zero zero", "zero zero zero", []),
        ([(None, True)], None, None, []),
    ],
)
def test_which_words_are_the_narrative(drafts: Any, first_words: Any, narrative: Any, unasked: list[str]) -> None:
    words = [g for text, counts in drafts for g in given(("report.words", text), counts=counts)]
    rows = [*given(*PATH_TO_SEND), *words, *given(SEND)]
    made = setting(
        rows, first_words=first_words, unasked=(UnaskedText(NOW, "report.place_me", "by the sea, far away"),)
    )
    found = body(rows, made)
    assert found["narrative"] == narrative
    assert [u["text"] for u in found["unasked"]] == [*unasked, "by the sea, far away"]
    texts = json.dumps(found, ensure_ascii=False)
    for text in ("one", "two", "zero zero zero"):
        assert texts.count(f'"{text}"') <= 1


def test_words_after_send_are_the_narrative_and_later_ones_are_added() -> None:
    rows = given(*PATH_TO_SEND, SEND, ("more.first_words", "It began in May."), ("more.words", "He has a red boat."))
    rows += given(("more.words", "It is worse now."), counts=False)
    found = body(rows, setting(rows))
    assert found["narrative"] == "It began in May."
    assert [added["text"] for added in found["additions"]] == ["He has a red boat.", "It is worse now."]
    assert [row["ref"] for row in found["answers"][-3:]] == ["/narrative", "/additions/0/text", "/additions/1/text"]
