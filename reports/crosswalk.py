"""The terms of other bodies for the facts of a report, from the table crosswalk.toml; later rows win. Pure."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from reports.facts import Facts

# Read when the module is imported, like code: one label in it is a term that must not be in any source file.
ROWS: list[dict[str, Any]] = tomllib.loads((resources.files("reports") / "crosswalk.toml").read_text("utf-8"))["row"]


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """The terms of other bodies. None: that body has no such type; a report is never forced into another type."""

    ncmec: str | None = None
    annotations: tuple[str, ...] = ()
    cybertip_ca: str | None = None
    inhope: str | None = None
    chi: str | None = None
    primero: tuple[str, ...] = ()


def crosswalk(facts: Facts) -> Crosswalk:
    """Return the terms of other bodies for these facts."""
    terms: dict[str, Any] = {"annotations": ()}
    for row in ROWS:
        conditions = row.get("when", {})
        if row["category"] != facts.category or any(
            facts.extras.get(question) not in values for question, values in conditions.items()
        ):
            continue
        for body in ("ncmec", "cybertip_ca", "inhope", "chi"):
            terms[body] = row.get(body, terms.get(body))
        terms["primero"] = tuple(row.get("primero", terms.get("primero", ())))
        terms["annotations"] += tuple(row.get("annotations", ()))
    return Crosswalk(**terms)
