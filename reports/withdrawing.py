"""A number that turned out to be wrong goes off every screen tonight: in the file that says it, and in what was read.

Only taking away is done in a hurry. A number that is added, or given back, waits for the next start and for the check
before it: that needs two people.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from reports.country import Country

MARK = "withdrawn = true"
_HEADER = re.compile(r"\s*\[")
_OWN_LINE = re.compile(r"\s*withdrawn\s*=")
_NO_DIGIT = re.compile(r"\D+")


class NotThere(Exception):
    """No screen of the country shows this number."""


class ByHand(Exception):
    """The file is written in a way that is not safe to change by program."""


def withdrawn(country: Country) -> frozenset[str]:
    """What its file has taken off the screens: numbers to call in danger as digits, hotlines by their id."""
    numbers = {bare(one.number) for one in country.emergency if one.withdrawn}
    return frozenset(numbers | {one.id for one in country.hotlines.values() if one.withdrawn})


def without(country: Country, gone: Collection[str]) -> Country:
    """The country as it was read, with these withdrawn too."""
    emergency = tuple(replace(one, withdrawn=one.withdrawn or bare(one.number) in gone) for one in country.emergency)
    hotlines = {id_: replace(one, withdrawn=one.withdrawn or id_ in gone) for id_, one in country.hotlines.items()}
    return replace(country, emergency=emergency, hotlines=hotlines)


def marked(text: str, number: str) -> tuple[str, tuple[str, ...]]:
    """The text of a country file with the number withdrawn wherever a screen may show it, and what that is, in words.

    All else stays as its author wrote it, comments too. Raises NotThere and ByHand.
    """
    raw = tomllib.loads(text)
    wanted = [(table, n) for table, n, shown in _shown(raw) if bare(number) in map(bare, shown) and bare(number)]
    if not wanted:
        raise NotThere(", ".join(dict.fromkeys(one for _, _, shown in _shown(raw) for one in shown)))
    expected = deepcopy(raw)
    for table, n in wanted:
        expected[table][n]["withdrawn"] = True
    changed = _marked(text, wanted)
    if tomllib.loads(changed) != expected:
        raise ByHand
    return changed, tuple(_named(raw, table, n) for table, n in wanted)


def bare(number: str) -> str:
    return _NO_DIGIT.sub("", number)


def _shown(raw: dict[str, Any]) -> Iterator[tuple[str, int, list[str]]]:
    """Each table with the numbers of it that a screen may show."""
    for n, one in enumerate(raw.get("emergency", [])):
        yield "emergency", n, [one["number"]]
    for n, one in enumerate(raw.get("hotline", [])):
        show = one.get("show", {})
        yield "hotline", n, [show[key] for key in ("phone", "sms") if show.get(key)]


def _named(raw: dict[str, Any], table: str, n: int) -> str:
    one = raw[table][n]
    return str(one["service"] if table == "emergency" else one["name"])


def _marked(text: str, wanted: Collection[tuple[str, int]]) -> str:
    lines: list[str] = []
    seen = {"emergency": -1, "hotline": -1}
    inside = False
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            table = line.strip().partition("#")[0].strip().strip("[]").strip()
            if table in seen:
                seen[table] += 1
            inside = (table, seen.get(table, -1)) in wanted
            lines += [line, f"{MARK}\n"] if inside else [line]
        elif not (inside and _OWN_LINE.match(line)):
            lines.append(line)
    return "".join(lines)
