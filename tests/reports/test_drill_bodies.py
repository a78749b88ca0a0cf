"""A drill has the form of a report, with its own mode and words."""

from __future__ import annotations

import json

import pytest

from reports import drills
from tests.reports.sample import KE, NOW, REPORT_ID, VU
from tests.reports.schema_check import CLOSED_SCHEMA, OPEN_SCHEMA, refs_resolve

ID = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4f"


@pytest.mark.rule("S-40")
@pytest.mark.parametrize(("country", "hotline"), [(VU, "vu-pikinini"), (KE, next(iter(KE.hotlines)))])
def test_it_is_of_the_schema_and_says_what_it_is(country: object, hotline: str) -> None:
    data = json.loads(drills.created_body(country, hotline, REPORT_ID, NOW, revision=2))  # type: ignore[arg-type]  # two of them
    CLOSED_SCHEMA.validate(data)
    assert refs_resolve(data)
    assert (data["mode"], data["revision"], data["triage"]["priority"]) == ("training", 2, "P4")
    assert data["narrative"].startswith("DRILL. Not a real report")
    assert not data["contact"]["allowed"]


def test_what_a_later_version_adds_is_taken_by_the_shipped_schema() -> None:
    data = json.loads(drills.later_version_body(json.loads(drills.created_body(VU, "vu-pikinini", REPORT_ID, NOW))))
    OPEN_SCHEMA.validate(data)
    assert "a_later_field" in data


@pytest.mark.rule("S-40")
def test_a_message_and_what_nobody_could_read_say_so_too() -> None:
    said = json.loads(drills.message_body(REPORT_ID, ID, NOW))
    odd = json.loads(drills.unread_body(VU, REPORT_ID, NOW))
    assert (said["mode"], said["text"].startswith("DRILL")) == ("training", True)
    assert odd["mode"] == "training"
