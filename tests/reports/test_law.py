"""What the law screen says: unknown is never allowed, and an old "no" is never shown as one."""

from __future__ import annotations

from typing import Any

import pytest

from reports.countries.country import load_countries, shipped_countries
from reports.countries.law import LAW_SCREEN_LABELS, Law, LawCriteria, is_law_known, law_placeholders

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
        said = ", ".join(words[name] for name in words if name != "law_year").split(", ")
        assert sorted(said) == sorted(LAW_SCREEN_LABELS.values())
        assert country.fields()["law_unknown" if not is_law_known(country.law) else "country"]


def test_what_was_not_in_the_law_has_its_year() -> None:
    assert law(False, None).problems() == []
    undated = Law(latest=LawCriteria(possession=False, **EDITION))
    assert "law.latest.year" in undated.problems()[0]
