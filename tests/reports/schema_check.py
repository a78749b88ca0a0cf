"""Validate our output: strict JSON of exactly the schema's shape, with every reference resolved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from reports.report import GivenAnswer, ReportMetadata, build_report, to_json

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"
SCHEMA = json.loads((CONTRACTS / "cop-report-1.0.schema.json").read_text(encoding="utf-8"))
FORMATS = FormatChecker(["uuid", "date-time", "json-pointer"])


def closed(schema: Any) -> Any:
    """Return the schema with all objects closed: unknown properties are errors."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {key: closed(part) for key, part in schema.items()}
    if shut.get("type") == "object" and "properties" in shut:
        shut["unevaluatedProperties"] = False
    return shut


OPEN_SCHEMA = Draft202012Validator(SCHEMA, format_checker=FORMATS)
CLOSED_SCHEMA = Draft202012Validator(closed(SCHEMA), format_checker=FORMATS)
MESSAGE = Draft202012Validator(
    closed(json.loads((CONTRACTS / "cop-message-1.0.schema.json").read_text(encoding="utf-8"))), format_checker=FORMATS
)


def body(answers: Sequence[GivenAnswer], made: ReportMetadata, hotline: str = "vu-pikinini") -> dict[str, Any]:
    """Return the parsed body after checking that it is strict JSON with the right fields in the right order."""
    raw = to_json(build_report(answers, made), hotline)
    found: dict[str, Any] = json.loads(raw.decode(), object_pairs_hook=no_key_twice, parse_constant=refuse)
    CLOSED_SCHEMA.validate(found)
    OPEN_SCHEMA.validate(found)
    assert list(found) == [name for name in SCHEMA["properties"] if name != "entry" or "entry" in found]
    assert refs_resolve(found)
    assert "msisdn_withheld" not in found["contact"], "only a file that staff made leaves a number out"
    return found


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def refuse(constant: str) -> None:
    raise AssertionError(constant)


def pointed(found: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


def refs_resolve(found: dict[str, Any]) -> bool:
    """Return whether every `ref` points to a text in the report."""
    try:
        return all(isinstance(pointed(found, row["ref"]), str) for row in found["answers"] if "ref" in row)
    except (KeyError, IndexError):
        return False
