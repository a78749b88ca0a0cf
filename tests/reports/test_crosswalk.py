"""The terms of other organisations for our categories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.countries.hotline import KINDS_BY_CATEGORY
from reports.facts import EXTRA_QUESTIONS
from reports.report import ROWS
from tests.reports.sample import SEND, given, setting
from tests.reports.schema_check import body


@pytest.mark.parametrize(
    ("category", "extras", "expected"),
    [
        ("harm", {}, {"ncmec": None, "chi": "Violence: Unspecified/Other", "primero": []}),
        ("harm", {"harm_kind": "hurt"}, {"ncmec": None, "primero": ["physical_abuse_violence"]}),
        ("harm", {"harm_kind": "both"}, {"primero": ["physical_abuse_violence", "sexual_abuse_violence"]}),
        ("luring", {"threat": "yes", "asked_for": "several"}, {"inhope": "sexual extortion"}),
        ("images", {}, {"cybertip_ca": "Child Sexual Abuse Material", "inhope": "CSAM"}),
        ("images", {"image_who": "me"}, {"cybertip_ca": "Non-Consensual Distribution of Intimate Images"}),
        ("missing", {}, {"ncmec": None, "cybertip_ca": None, "inhope": None, "primero": []}),
        ("exploitation", {"exploit_kind": "work"}, {"ncmec": None, "chi": "Violence: Child labour"}),
        (
            "exploitation",
            {"exploit_kind": "sexual"},
            {"ncmec": {"type": "Child Sex Trafficking", "annotations": []}, "primero": ["sexual_exploitation"]},
        ),
        ("bullying", {}, {"ncmec": None, "primero": ["emotional_or_psychological"]}),
        ("self_harm", {}, {"chi": "Mental Health: Self-harming behaviour"}),
        ("neglect", {}, {"primero": ["neglect"]}),
        ("other", {}, {"ncmec": None, "chi": None, "primero": ["other"]}),
    ],
)
def test_the_crosswalk(category: str, extras: dict[str, str], expected: dict[str, Any]) -> None:
    more = [(f"more.{key}", value) for key, value in extras.items()]
    rows = given(("report.danger", "no"), ("report.category", category), SEND, *more)
    found = body(rows, setting(rows))["crosswalk"]
    assert {key: found[key] for key in expected} == expected


def test_annotations_add_up() -> None:
    more = (("more.asked_for", "several"), ("more.threat", "yes"))
    rows = given(("report.danger", "no"), ("report.category", "luring"), SEND, *more)
    assert body(rows, setting(rows))["crosswalk"]["ncmec"]["annotations"] == ["sextortion", "csamSolicitation"]


@pytest.mark.rule("S-18")
def test_the_legal_label_of_one_body_stands_in_its_own_table_only() -> None:
    """The CyberTipline's form accepts no other label, so it is stored, once, as data."""
    (label,) = {row["ncmec"] for row in ROWS if row["category"] == "images" and "ncmec" in row}
    rows = given(("report.danger", "no"), ("report.category", "images"), SEND)
    assert body(rows, setting(rows))["crosswalk"]["ncmec"] == {"type": label, "annotations": []}
    root = Path(__file__).parents[2]
    files = [*(root / "reports").rglob("*.py"), *(root / "reports").glob("*.toml"), *(root / "docs").glob("*.json")]
    assert [file.name for file in files if label[:17] in file.read_text("utf-8")] == ["crosswalk.toml"]


def test_every_category_has_a_row_and_each_condition_is_a_question_that_is_asked() -> None:
    assert {row["category"] for row in ROWS} == set(KINDS_BY_CATEGORY)
    assert {question for row in ROWS for question in row.get("when", {})} <= {"missing_kind", *EXTRA_QUESTIONS}
