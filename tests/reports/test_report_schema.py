"""The shipped JSON schema: reports that it must refuse, and fields that a later version may add."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema.exceptions import ValidationError

from tests.reports.sample import MSISDN, read
from tests.reports.schema_check import CLOSED_SCHEMA, OPEN_SCHEMA, pointed, refs_resolve


@pytest.mark.parametrize("name", ["complete", "incomplete"])
def test_a_report_without_one_of_its_fields_is_refused(name: str) -> None:
    data = read(f"example_{name}.json")["data"]
    for field in data:
        with pytest.raises(ValidationError):
            OPEN_SCHEMA.validate({key: value for key, value in data.items() if key != field})
    for outer in ("flow", "child", "contact", "triage", "routing", "crosswalk", "attachments", "place"):
        for inner in data[outer] or ():
            broken = copy.deepcopy(data)
            del broken[outer][inner]
            with pytest.raises(ValidationError):
                OPEN_SCHEMA.validate(broken)


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(data: dict[str, Any]) -> None:
        *outer, last = path.split("/")
        pointed(data, "/".join(["", *outer]) if outer else "")[last] = value

    return apply


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("complete", "danger", "maybe"),
        ("complete", "danger", None),
        ("complete", "category", "weather"),
        ("complete", "category", None),
        ("complete", "about", "somebody"),
        ("complete", "reporter_role", "boss"),
        ("complete", "child/age_band", "13"),
        ("complete", "child/count", 0),
        ("complete", "mode", "test"),
        ("complete", "completeness", "half"),
        ("complete", "completeness", "incomplete"),
        ("complete", "channel", "fax"),
        ("complete", "country", "vu"),
        ("complete", "report_id", "7f3a2c"),
        ("complete", "revision", 0),
        ("complete", "revision", "2"),
        ("complete", "created_at", "yesterday"),
        ("complete", "updated_at", "2026-11-25T08:06:40+11:00"),
        ("complete", "sent_at", None),
        ("complete", "contact/allowed", False),
        ("complete", "contact/how", "none"),
        ("complete", "contact/msisdn", None),
        ("complete", "contact/safe_hours", None),
        ("complete", "extras/threat", None),
        ("complete", "answers", [{"n": 1, "screen": "s", "question": "q", "at": "2026-11-25T08:06:40Z"}]),
        ("complete", "triage/priority", "P5"),
        ("complete", "triage/flags", ["INCOMPLETE"]),
        ("complete", "triage/reasons", []),
        ("complete", "attachments/types", ["poem"]),
        ("complete", "attachments/links", ["https://example.org/"]),
        ("complete", "version", "2.0"),
        ("incomplete", "sent_at", "2026-11-25T08:06:40Z"),
        ("incomplete", "contact/msisdn", MSISDN),
        ("incomplete", "contact/allowed", True),
        ("incomplete", "triage/flags", []),
    ],
)
def test_a_wrong_value_is_refused(name: str, path: str, value: Any) -> None:
    data = read(f"example_{name}.json")["data"]
    change(path, value)(data)
    with pytest.raises(ValidationError):
        OPEN_SCHEMA.validate(data)


@pytest.mark.rule("S-13")
def test_a_number_without_consent_is_refused_and_so_is_consent_without_a_number() -> None:
    data = read("example_complete.json")["data"]
    data["contact"] = {"allowed": False, "how": "none", "safe_hours": None, "msisdn": MSISDN}
    with pytest.raises(ValidationError):
        OPEN_SCHEMA.validate(data)
    data["contact"] = {"allowed": True, "how": "sms", "safe_hours": {"from": "08:00", "to": "16:00", "tz": "UTC"}}
    with pytest.raises(ValidationError):
        OPEN_SCHEMA.validate(data)


@pytest.mark.parametrize("ref", ["/nothing", "/additions/7/text", "/extras/where_online", "/child"])
def test_a_ref_to_nothing_is_found(ref: str) -> None:
    data = read("example_complete.json")["data"]
    data["answers"][5]["ref"] = ref
    assert not refs_resolve(data)


def test_the_shipped_schema_takes_what_a_later_minor_version_adds() -> None:
    data = read("example_complete.json")["data"]
    data["version"] = "1.3"
    data["weather"] = "rain"
    data["extras"]["boat"] = "yes"
    data["triage"]["reasons"].append("BOAT")
    OPEN_SCHEMA.validate(data)
    with pytest.raises(ValidationError):
        CLOSED_SCHEMA.validate(data)
