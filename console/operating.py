"""How it is going, for the operator's people: counts, ages, hotlines, dates. Nothing of any report.

What this process cannot know says so, and where it is known: a console has no Redis, and on a host of its own neither
web's spool nor a backup's mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import isinf
from pathlib import Path
from typing import Any

from flask import Response

from console.answers import page
from console.doors import OPERATOR, Door, Doors, Visitor
from console.parts import Parts
from reports import keyfolder
from reports.clocks import LATE, MINUTE
from reports.spool import ENDING
from reports.store import backups, operating


@dataclass(frozen=True, slots=True)
class Key:
    """Of a hotline: when the one that is sealed to now was made, and how many older ones there are."""

    hotline: str
    made_on: str
    age_days: int
    older: int


def attach(doors: Doors, parts: Parts) -> None:
    doors.add(Door("/operator", frozenset({OPERATOR})), partial(_page, parts))


def _page(parts: Parts, me: Visitor) -> Response:
    hotlines = sorted(parts.keys)
    found = operating.standing(parts.database, hotlines, LATE)
    words: dict[str, Any] = {
        "found": found,
        "keys": _keys(parts, hotlines),
        "spool": _spool(parts.settings.data / "spool"),
    }
    return page("operator.html", me=me, minutes=lambda age: age // MINUTE, backup=_backup(parts), **words)


def _keys(parts: Parts, hotlines: list[str]) -> list[Key]:
    today, found = datetime.now(UTC), []
    for one in hotlines:
        newest, *older = keyfolder.listed(parts.settings.keys, one)
        made = newest.made_at
        found.append(Key(one, f"{made:%Y-%m-%d}", max(0, (today - made).days), len(older)))
    return found


def _spool(folder: Path) -> int | None:
    """Entries; None where the spool is not on this host, or not for this account."""
    try:
        return sum(path.name.endswith(ENDING) for path in folder.iterdir())
    except OSError:
        return None


def _backup(parts: Parts) -> str:
    """Minutes since the last one by its mark, "never", or "" where no mark can be seen from here."""
    if not parts.database.is_sqlite:
        return ""
    age = backups.age_seconds(backups.mark(parts.settings.database_url, parts.settings.data))
    return "never" if isinf(age) else str(int(age // 60))
