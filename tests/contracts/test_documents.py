"""docs/contracts: the documents have exactly the routes for systems, and agree with the code."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from console import deliveries
from reports.case_state import HANDLING_STATES, Handling
from reports.delivery import DeliveryType
from reports.json_bodies import unread_json
from reports.statistics.dictionary import COLUMNS
from reports.store.cases.delivered_copies import WithheldReason
from tests.console.role_table import SYSTEMS
from tests.contracts.documents import (
    CONTRACTS,
    OPENAPI,
    SCHEMAS,
    as_path,
    document,
    entries,
    operations,
    resolved,
    validator,
)
from tests.docs.pages import read
from tests.house.files import ROOT
from tests.kit import samples
from tests.reports.schema_check import closed
from tokaut.__main__ import main

STATUSES = {int(status) for status in HTTPStatus}


def test_each_route_of_a_system_at_the_console_has_an_entry() -> None:
    """tests/console compares SYSTEMS with the URL map: all other routes are pages for people with a login.

    tests/security/test_answers.py compares the routes of web.
    """
    assert entries("console") == {as_path(row) for row in SYSTEMS}


def statuses_in(module: str) -> set[int]:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    numbers = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int}
    return numbers & STATUSES


def documented(name: str, prefix: str) -> set[int]:
    return {
        int(status)
        for _, path, operation in operations(name)
        if path.startswith(prefix)
        for status in operation["responses"]
    }


CHANNELS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "gateway/channels").glob("*.py"))


@pytest.mark.parametrize(
    ("name", "prefix", "modules"),
    [
        ("console", "/hotlines/{hotline}/reports/", ["console/api.py", "console/app.py"]),  # 500 comes from the latter
        ("web", "/hooks/", ["gateway/webhooks.py", "gateway/messaging/ussd_json.py", *CHANNELS]),
    ],
)
def test_the_documented_statuses_are_those_of_the_code(name: str, prefix: str, modules: list[str]) -> None:
    """test_running.py tries which request gets which status. 405 is for a method without an entry."""
    found = set().union(*(statuses_in(module) for module in modules))
    assert documented(name, prefix) - {405} == found - {405}


def test_the_statuses_of_fetching_are_those_of_the_code() -> None:
    paths = ("/hotlines/{hotline}/deliveries", "/hotlines/{hotline}/failures")
    for path in paths:
        assert documented("console", path) == statuses_in("console/deliveries.py") | {500}


def test_the_kit_names_the_statuses_of_a_callback() -> None:
    table = read("docs/hotline-kit/README.md").partition("| answer | means |")[2].partition("\n\n")[0]
    named = {
        int(number) for number in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for number in number.split(", ")
    }
    assert named == documented("console", "/hotlines/{hotline}/reports/") - {413, 500}  # too large; an error of ours


@pytest.mark.parametrize("name", OPENAPI)
def test_a_document_is_whole(name: str) -> None:
    """Every reference has a target, every operation has its own id, every path parameter is declared."""
    whole, ids = document(name), []
    for reference in references(whole):
        assert reference.startswith("#/") or (CONTRACTS / reference).is_file(), reference
        resolved(whole, {"$ref": reference})
    for _, path, operation in operations(name):
        ids.append(operation["operationId"])
        declared = [resolved(whole, one) for one in operation["parameters"]]
        assert {one["name"] for one in declared if one["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path))
    assert len(ids) == len(set(ids))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            elif key == "externalValue":
                yield str(value)
            else:
                yield from references(value)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def shown(part: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (schema, example) of each example of a document."""
    if isinstance(part, Mapping):
        if "schema" in part:
            for one in part.get("examples", {}).values() if isinstance(part.get("examples"), Mapping) else ():
                outside = one.get("externalValue")
                yield part["schema"], json.loads((CONTRACTS / outside).read_text()) if outside else one["value"]
            if "example" in part:
                yield part["schema"], part["example"]
        if "type" in part and isinstance(part.get("examples"), list):
            yield from ((part, one) for one in part["examples"])
        for value in part.values():
            yield from shown(value)
    elif isinstance(part, list):
        for one in part:
            yield from shown(one)


@pytest.mark.parametrize("name", OPENAPI)
def test_each_example_is_valid_by_its_schema(name: str) -> None:
    examples = list(shown(document(name)))
    assert examples
    for schema, example in examples:
        validator(schema, name).validate(example)


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_schema_is_published_under_an_id_of_its_own(file: str) -> None:
    schema = SCHEMAS[file]
    Draft202012Validator.check_schema(schema)
    name, _, version = file.removesuffix(".schema.json").rpartition("-")
    assert schema["$id"] == f"urn:tokaut:{name}:{version}"
    assert f"[{name} {version}]({file})" in read("docs/contracts/README.md")
    assert schema["title"] == f"{name} {version}"
    for reference in references(schema):
        assert reference.startswith("#/") or reference in {one["$id"] for one in SCHEMAS.values()}


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_each_sample_of_the_kit_is_a_delivery(name: str) -> None:
    sample = json.loads((samples.KIT / "samples" / name).read_text(encoding="utf-8"))
    schema = validator(SCHEMAS["delivery-1.0.schema.json"])
    schema.validate(sample)
    wrong = sample | {"data": {key: value for key, value in sample["data"].items() if key != "mode"}}
    assert not schema.is_valid(wrong), "the schema of `data` is looked at"


def test_each_callback_of_the_kit_is_one() -> None:
    for call in json.loads((samples.KIT / "call_backs.json").read_text(encoding="utf-8")):
        validator(SCHEMAS["callback-1.0.schema.json"]).validate(json.loads(call["body"]))


def test_what_could_not_be_read_is_of_its_schema() -> None:
    raw = unread_json(
        report_id=samples.IDS[0],
        mode="demo",
        country="VU",
        channel="sms",
        received_at=samples.NOW,
        content_type="",
        body=b"",
    )  # type: ignore[arg-type]  # a str as Mode
    validator(closed(SCHEMAS["cop-unread-1.0.schema.json"])).validate(json.loads(raw))


def test_the_words_of_the_schemas_are_those_of_the_code() -> None:
    callback = SCHEMAS["callback-1.0.schema.json"]["properties"]
    copies = SCHEMAS["deliveries-1.0.schema.json"]["properties"]["deliveries"]
    failures = SCHEMAS["failures-1.0.schema.json"]["properties"]["events"]
    types = [f"report.{kind}" for kind in DeliveryType]
    assert callback["state"]["enum"] == list(HANDLING_STATES)
    assert document("console")["components"]["schemas"]["State"]["enum"] == list(Handling)
    assert (
        copies["items"]["properties"]["type"]["enum"]
        == SCHEMAS["delivery-1.0.schema.json"]["properties"]["type"]["enum"]
    )
    assert copies["items"]["properties"]["type"]["enum"] == types
    assert copies["items"]["properties"]["withheld"]["enum"] == [*get_args(WithheldReason), None]
    assert (copies["maxItems"], failures["maxItems"]) == (deliveries.MAX_COPIES, deliveries.MAX_FAILURES)
    assert failures["items"]["properties"]["type"]["enum"] == list(deliveries.FAILURE_TYPES.values())


def test_the_files_of_the_statistics_are_those_of_the_export(tmp_path: Path) -> None:
    """Files, columns and chart names agree; each column is in the dictionary. An example has one column more."""
    result = CliRunner().invoke(main, ["statistics", "export", str(tmp_path), "--example", "--country", "vu"])
    assert result.exit_code == 0, result.output
    found = {f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    plain = {path for _, path, _ in operations("statistics") if "{" not in path}
    charts = {path for path in found if path.startswith("/charts/")}
    assert found - charts == plain
    pattern = document("statistics")["components"]["parameters"]["Chart"]["schema"]["pattern"]
    for chart in charts:
        assert re.fullmatch(pattern, Path(chart).stem), chart
    for _, path, operation in operations("statistics"):
        if columns := operation.get("x-columns"):
            one = path if path in plain else next(chart for chart in charts if chart.endswith(".csv"))
            with (tmp_path / one.removeprefix("/")).open(encoding="utf-8-sig", newline="") as file:
                assert next(csv.reader(file)) == [*columns, "example"]
            assert path == "/dictionary.csv" or set(columns) <= COLUMNS.keys()
