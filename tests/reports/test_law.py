"""The law screen: unknown never appears as allowed, nor an outdated "no" as current."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reports.countries.country import load_countries, shipped_countries
from reports.countries.law import LAW_MESSAGES, LAW_SENTENCES, Law, LawCriteria, is_law_known, law_placeholders

EDITION: dict[str, Any] = {"edition": "a reading", "grade": "secondary"}


def law(latest: bool | None, seed: bool | None, **more: Any) -> Law:
    read = LawCriteria(possession=latest, year="2022", **EDITION)
    return Law(latest=read, seed_2014=LawCriteria(possession=seed, **EDITION), **more)


@pytest.mark.parametrize(
    ("latest", "seed", "stands"),
    [
        (True, True, "yes"),
        (True, False, "yes"),
        (True, None, "yes"),
        (False, True, "not"),
        (False, False, "not"),
        (False, None, "not"),
        (None, True, "yes_2014"),
        (None, False, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_how_a_criterion_stands(latest: bool | None, seed: bool | None, stands: str) -> None:
    assert law(latest, seed).stands("possession") == stands
    hidden = law(latest, seed, show_false=False).stands("possession")
    assert hidden == ("unknown" if stands == "not" else stands)


def test_every_criterion_of_the_screen_stands_there_once_whatever_is_known() -> None:
    for country in load_countries(shipped_countries(), "demo"):
        words = law_placeholders(country.law, str)
        assert words.keys() == {f"law_{criterion}" for criterion in LAW_SENTENCES}
        assert all(re.fullmatch(r"[A-Z][^{}]+\.", sentence) for sentence in words.values())
        unknown = [sentence for sentence in words.values() if sentence.startswith("We do not know")]
        assert (len(unknown) < len(words)) is is_law_known(country.law)


def test_no_sentence_says_that_something_is_allowed() -> None:
    assert not any(re.search("allow|legal|permit|may ", message) for message in LAW_MESSAGES)


def test_a_no_has_its_year() -> None:
    assert law_placeholders(law(False, None), str)["law_possession"] == (
        "In 2022 it did not name keeping such pictures."
    )


def test_what_was_not_in_the_law_has_its_year() -> None:
    assert law(False, None).problems() == []
    undated = Law(latest=LawCriteria(possession=False, **EDITION))
    assert "law.latest.year" in undated.problems()[0]
