"""What other bodies call the same thing. The table is crosswalk.toml, beside this file; later rows win. Pure."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from reports.facts import Facts

# Read once with the module, as code is: one label in it is a term that must stand in no source file.
ROWS: list[dict[str, Any]] = tomllib.loads((resources.files("reports") / "crosswalk.toml").read_text("utf-8"))["row"]


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """None = that body has no such type; nothing is forced into another."""

    ncmec: str | None = None
    annotations: tuple[str, ...] = ()
    cybertip_ca: str | None = None
    inhope: str | None = None
    chi: str | None = None
    primero: tuple[str, ...] = ()


def crosswalk(facts: Facts) -> Crosswalk:
    found: dict[str, Any] = {"annotations": ()}
    for row in ROWS:
        wanted = row.get("when", {})
        if row["category"] != facts.category or any(facts.extras.get(q) not in values for q, values in wanted.items()):
            continue
        for body in ("ncmec", "cybertip_ca", "inhope", "chi"):
            found[body] = row.get(body, found.get(body))
        found["primero"] = tuple(row.get("primero", found.get("primero", ())))
        found["annotations"] += tuple(row.get("annotations", ()))
    return Crosswalk(**found)
