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

from reports.countries.country import Country
from reports.countries.hotline import Hotline

WITHDRAWN_LINE = "withdrawn = true"
_HEADER = re.compile(r"\s*\[")
_OWN_LINE = re.compile(r"\s*withdrawn\s*=")
_NO_DIGIT = re.compile(r"\D+")


class NumberNotFound(Exception):
    """No screen of the country shows this number."""


class UnsafeEdit(Exception):
    """The file is written in a way that is not safe to change by program."""


def withdrawn_ids(country: Country) -> frozenset[str]:
    """What its file has taken off the screens: numbers to call in danger as digits, hotlines by their id."""
    numbers = {digits_of(one.number) for one in country.emergency if one.withdrawn}
    return frozenset(numbers | {one.id for one in country.hotlines.values() if one.withdrawn})


def withdraw(country: Country, gone: Collection[str]) -> Country:
    """The country as it was read, with these withdrawn too."""
    emergency = tuple(
        replace(one, withdrawn=one.withdrawn or digits_of(one.number) in gone) for one in country.emergency
    )
    hotlines = {id_: replace(one, withdrawn=one.withdrawn or id_ in gone) for id_, one in country.hotlines.items()}
    return replace(country, emergency=emergency, hotlines=hotlines)


def mark_withdrawn(text: str, number: str) -> tuple[str, tuple[str, ...]]:
    """The text of a country file with the number withdrawn wherever a screen may show it, and what that is, in words.

    All else stays as its author wrote it, comments too. Raises NotThere and ByHand.
    """
    raw = tomllib.loads(text)
    wanted = [
        (table, n)
        for table, n, shown in _shown_in_file(raw)
        if digits_of(number) in map(digits_of, shown) and digits_of(number)
    ]
    if not wanted:
        raise NumberNotFound(", ".join(dict.fromkeys(one for _, _, shown in _shown_in_file(raw) for one in shown)))
    expected = deepcopy(raw)
    for table, n in wanted:
        expected[table][n]["withdrawn"] = True
    changed = _with_marks(text, wanted)
    if tomllib.loads(changed) != expected:
        raise UnsafeEdit
    return changed, tuple(_named(raw, table, n) for table, n in wanted)


def digits_of(number: str) -> str:
    return _NO_DIGIT.sub("", number)


def _shown_in_file(raw: dict[str, Any]) -> Iterator[tuple[str, int, list[str]]]:
    """Each table with the numbers of it that a screen may show."""
    for n, one in enumerate(raw.get("emergency", [])):
        yield "emergency", n, [one["number"]]
    for n, one in enumerate(raw.get("hotline", [])):
        show = one.get("show", {})
        yield "hotline", n, [show[key] for key in ("phone", "sms") if show.get(key)]


def _named(raw: dict[str, Any], table: str, n: int) -> str:
    one = raw[table][n]
    return str(one["service"] if table == "emergency" else one["name"])


def _with_marks(text: str, wanted: Collection[tuple[str, int]]) -> str:
    lines: list[str] = []
    seen = {"emergency": -1, "hotline": -1}
    inside = False
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            table = line.strip().partition("#")[0].strip().strip("[]").strip()
            if table in seen:
                seen[table] += 1
            inside = (table, seen.get(table, -1)) in wanted
            lines += [line, f"{WITHDRAWN_LINE}\n"] if inside else [line]
        elif not (inside and _OWN_LINE.match(line)):
            lines.append(line)
    return "".join(lines)


# The numbers that may be said in a country, on screens and by staff. Pure.

REDACTED = "..."


def permitted_numbers(country: Country) -> frozenset[str]:
    """As digits: all that may be shown there now, and what is dialled or texted."""
    parts = {part for code in country.codes for part in re.findall(r"\d+", code.code)}
    return _shown(country) | parts


def redact_withdrawn(words: str, country: Country) -> str:
    """What staff wrote before a number was withdrawn, without it, however it stands there; what is dialled stays."""
    gone = [number.number for number in country.emergency if number.withdrawn]
    gone += [number for hotline in country.hotlines.values() if hotline.withdrawn for number in _of(hotline)]
    for digits in sorted(set(filter(None, map(digits_of, gone))) - _shown(country), key=len, reverse=True):
        words = re.sub(r"(?<![\d*])" + r"[\W_]*".join(digits) + r"(?!\d)", REDACTED, words)
    return words


def _shown(country: Country) -> frozenset[str]:
    shown = [number.number for number in country.emergency if number.may_show(country.mode)]
    shown += [number for hotline in filter(country.shows, country.hotlines.values()) for number in _of(hotline)]
    return frozenset(filter(None, map(digits_of, shown)))


def _of(hotline: Hotline) -> list[str]:
    show = hotline.show
    return [number for number in (show.phone, *show.phone_alt, *show.by_place.values(), show.sms) if number]
