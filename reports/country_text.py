"""The text of a country file as the fields of Country, and what is wrong with it as people write it. Pure."""

from __future__ import annotations

from typing import Any


def shape(raw: dict[str, Any]) -> list[str]:
    """Turn the tables of the file into the fields of Country, in place; give the faults that only the file can have."""
    lines = []
    if (raw.pop("schema", None), raw.pop("version", None)) != ("tokaut-country", 1):
        lines.append('schema: must be "tokaut-country", version 1')
    for table, plural in (("code", "codes"), ("place", "places"), ("hotline", "hotlines")):
        raw[plural] = raw.pop(table, [])
    hotlines: dict[str, Any] = {}
    for n, hotline in enumerate(raw["hotlines"], 1):
        name = str(hotline.get("id", n))
        if name in hotlines:
            lines.append(f"hotline.{name}.id: stands twice")
        hotlines[name] = hotline
    raw["hotlines"] = hotlines
    return lines


def line_of(fault: Any) -> str:
    singular = {"codes": "code", "places": "place", "hotlines": "hotline"}
    parts = [singular.get(part, part) if n == 0 else part for n, part in enumerate(fault["loc"])]
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in parts)
    return f"{key}: {fault['msg']}"
