"""Load the documents of docs/contracts, and make validators of their schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from ruamel.yaml import YAML

from tests.house.files import ROOT

CONTRACTS = ROOT / "docs" / "contracts"
OPENAPI = ("console", "statistics", "web")
METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
SCHEMAS: Mapping[str, Any] = {
    path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(CONTRACTS.glob("*.schema.json"))
}
DOCUMENT = "urn:document"
FORMATS = FormatChecker(["uuid", "date-time", "json-pointer"])


def document(name: str) -> Any:
    """Return one OpenAPI document."""
    return YAML(typ="safe").load(CONTRACTS / f"{name}.openapi.yaml")


def operations(name: str) -> Iterator[tuple[str, str, Any]]:
    """Yield method, path and operation of each entry, with the parameters of the path in it."""
    for path, item in document(name)["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                shared = item.get("parameters", [])
                yield method.upper(), path, operation | {"parameters": [*shared, *operation.get("parameters", [])]}


def validator(schema: Any, name: str = "") -> Draft202012Validator:
    """Return a validator that resolves the references of a schema, which may be a part of the document `name`."""
    registry: Registry[Any] = Registry()
    for file, one in SCHEMAS.items():
        registry = registry.with_resources(
            [(file, Resource.from_contents(one)), (one["$id"], Resource.from_contents(one))]
        )
    if name:
        whole = Resource(contents=_anchored(document(name)), specification=DRAFT202012)
        registry = registry.with_resource(DOCUMENT, whole)
    return Draft202012Validator(_anchored(schema), registry=registry, format_checker=FORMATS)


def _anchored(part: Any) -> Any:
    """Return the part with its references changed to refer to the whole document."""
    if isinstance(part, Mapping):
        if "$id" in part:
            return part
        return {
            key: value.replace("#/components/", f"{DOCUMENT}#/components/") if key == "$ref" else _anchored(value)
            for key, value in part.items()
        }
    return [_anchored(one) for one in part] if isinstance(part, list) else part


def pointed(whole: Any, reference: str) -> Any:
    """Return the target of `#/components/…`."""
    found = whole
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def resolved(whole: Any, part: Any) -> Any:
    """Return a part, or the part of its document that it refers to."""
    return (
        pointed(whole, part["$ref"]) if isinstance(part, dict) and str(part.get("$ref", "")).startswith("#/") else part
    )


def as_path(rule: str) -> str:
    """Return a Flask rule in OpenAPI's form."""
    return re.sub(r"<(\w+)>", r"{\1}", rule)


def entries(name: str) -> set[str]:
    """Return method and path of each entry."""
    return {f"{method} {path}" for method, path, _ in operations(name)}
