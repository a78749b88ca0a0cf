"""Withdraw a wrong number from every screen at once, in the file and in the loaded country. Pure.

Only withdrawing is immediate. An added or restored number waits for the next start and the check before it, which needs
two people. The module also knows which numbers staff may write to reporters.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from reports.countries.country import Country
from reports.countries.hotline import digits_of

WITHDRAWN_LINE = "withdrawn = true"
_HEADER = re.compile(r"\s*\[")
_WITHDRAWN = re.compile(r"\s*withdrawn\s*=")


class NumberNotFound(Exception):
    """No screen of the country shows this number. The message lists the numbers that screens do show."""


class UnsafeEdit(Exception):
    """The file is written in a way that is not safe to edit by program."""


def withdrawn_ids(country: Country) -> frozenset[str]:
    """Return the withdrawn entries of the country's file: emergency numbers as digits, hotlines and services by id."""
    numbers = {digits_of(entry.number) for entry in country.emergency if entry.withdrawn}
    hotlines = {entry.id for entry in country.hotlines.values() if entry.withdrawn}
    return frozenset(numbers | hotlines | {entry.id for entry in country.services if entry.withdrawn})


def withdraw(country: Country, withdrawn: Collection[str]) -> Country:
    """Return the country with these entries withdrawn too, as `withdrawn_ids` names them."""
    emergency = tuple(
        replace(entry, withdrawn=entry.withdrawn or digits_of(entry.number) in withdrawn) for entry in country.emergency
    )
    hotlines = {
        id_: replace(entry, withdrawn=entry.withdrawn or id_ in withdrawn) for id_, entry in country.hotlines.items()
    }
    services = tuple(replace(entry, withdrawn=entry.withdrawn or entry.id in withdrawn) for entry in country.services)
    return replace(country, emergency=emergency, hotlines=hotlines, services=services)


def mark_withdrawn(text: str, number: str) -> tuple[str, tuple[str, ...]]:
    """Return the text of a country file with the number withdrawn, and the names of the services it was shown for.

    Everything else stays as its author wrote it, comments too. Raises NumberNotFound and UnsafeEdit.
    """
    raw = tomllib.loads(text)
    matches = [
        (table, n)
        for table, n, numbers in _shown_in_file(raw)
        if digits_of(number) in map(digits_of, numbers) and digits_of(number)
    ]
    if not matches:
        raise NumberNotFound(
            ", ".join(dict.fromkeys(entry for _, _, numbers in _shown_in_file(raw) for entry in numbers))
        )
    expected_tables = deepcopy(raw)
    for table, n in matches:
        expected_tables[table][n]["withdrawn"] = True
    changed = _edited(text, matches)
    if tomllib.loads(changed) != expected_tables:
        raise UnsafeEdit
    return changed, tuple(_named(raw, table, n) for table, n in matches)


def _shown_in_file(raw: dict[str, Any]) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each table of the file and its index, with the numbers that a screen or the console may show."""
    for n, entry in enumerate(raw.get("emergency", [])):
        yield "emergency", n, [entry["number"]]
    for n, entry in enumerate(raw.get("hotline", [])):
        show = entry.get("show", {})
        numbers = [show.get("phone"), *show.get("phone_alt", ()), *show.get("by_place", {}).values(), show.get("sms")]
        yield "hotline", n, [number for number in numbers if number]
    for n, entry in enumerate(raw.get("service", [])):
        yield "service", n, [entry["phone"]] if entry.get("phone") else []


def _named(raw: dict[str, Any], table: str, n: int) -> str:
    entry = raw[table][n]
    return str(entry["service"] if table == "emergency" else entry["name"])


def _edited(text: str, withdrawn: Collection[tuple[str, int]]) -> str:
    lines: list[str] = []
    last_index = {"emergency": -1, "hotline": -1, "service": -1}
    is_withdrawn = False
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            table = line.strip().partition("#")[0].strip().strip("[]").strip()
            if table in last_index:
                last_index[table] += 1
            is_withdrawn = (table, last_index.get(table, -1)) in withdrawn
            lines += [line, f"{WITHDRAWN_LINE}\n"] if is_withdrawn else [line]
        elif not (is_withdrawn and _WITHDRAWN.match(line)):
            lines.append(line)
    return "".join(lines)


REDACTED = "..."  # replaces a number in a text of staff


def permitted_numbers(country: Country) -> frozenset[str]:
    """Return the numbers that may be told to reporters there, as digits: those on screens, and the service codes."""
    code_numbers = {digits for code in country.codes for digits in re.findall(r"\d+", code.code)}
    return _shown(country) | code_numbers


def redact_withdrawn(words: str, country: Country) -> str:
    """Remove withdrawn numbers from a text of staff, however they are spaced. Service codes stay."""
    withdrawn = [number.number for number in country.emergency if number.withdrawn]
    withdrawn += [
        number for hotline in country.hotlines.values() if hotline.withdrawn for number in hotline.show.numbers
    ]
    withdrawn += [service.phone for service in country.services if service.withdrawn]
    for digits in sorted(set(filter(None, map(digits_of, withdrawn))) - _shown(country), key=len, reverse=True):
        words = re.sub(r"(?<![\d*])" + r"[\W_]*".join(digits) + r"(?!\d)", REDACTED, words)
    return words


def _shown(country: Country) -> frozenset[str]:
    numbers = [number.number for number in country.emergency if number.may_show(country.mode)]
    numbers += [
        number for hotline in filter(country.shows, country.hotlines.values()) for number in hotline.show.numbers
    ]
    numbers += [service.shown_phone for service in country.phone_services(None)]
    return frozenset(filter(None, map(digits_of, numbers)))
