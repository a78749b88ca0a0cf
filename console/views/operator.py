"""How it is going, for the operator's people: counts, ages, hotlines, dates. Nothing of any report.

What this process cannot know says so, and where it is known: a console has no Redis, and on a host of its own neither
web's spool nor a backup's mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import isinf
from pathlib import Path
from typing import Any

from flask import Response

from console.auth.access_control import OPERATOR, PageRoute, PageRouter, StaffRequest
from console.responses import page
from console.services import ConsoleServices
from reports.crypto import key_files
from reports.escalation.policy import LATE_AFTER
from reports.store.operations import maintenance, overview
from reports.store.operations.overview import OperatorOverview
from reports.store.spool import ENTRY_SUFFIX
from runtime.time_units import MINUTE


@dataclass(frozen=True, slots=True)
class HotlineKey:
    """Of a hotline: when the one that is sealed to now was made, and how many older ones there are."""

    hotline: str
    made_on: str
    age_days: int
    older: int


def attach(doors: PageRouter, parts: ConsoleServices) -> None:
    doors.add(PageRoute("/operator", frozenset({OPERATOR}), reloads=True), partial(_page, parts, "operator.html"))
    doors.add(PageRoute("/operator/now", frozenset({OPERATOR}), quiet=True), partial(_page, parts, "operator_now.html"))


@dataclass(frozen=True, slots=True)
class ActionNeeded:
    """What somebody has to act on. `row`: the row of the page that says it. `about`: a priority or a hotline."""

    row: str
    sentence: str
    about: str = ""
    count: int = 0


NOT_TAKEN = "{priority}: reports that nobody has taken in time: {count}"
STUCK = "{priority}: deliveries that need manual action: {count}. See tokaut deliveries list."
LATE_STEPS = "Overdue escalations, people who could not be told: {count}"
IN_SPOOL = "Reports in the spool of this host: {count}. The database was unavailable."
NO_BACKUP, OLD_BACKUP = "No backup was ever made.", "The last backup is more than an hour old."
DISABLED = "{hotline}: disabled, it has refused everything for too long."
OLD_BACKUP_MINUTES = 60  # as the alarm of docs/operating.md


def _needs(found: OperatorOverview, spool: int | None, backup: str) -> Iterator[ActionNeeded]:
    """The most urgent first."""
    for priority, count in found.overdue.items():
        if count:
            yield ActionNeeded(priority, NOT_TAKEN, priority, count)
    for priority, waiting in found.by_priority.items():
        if waiting.stuck:
            yield ActionNeeded(priority, STUCK, priority, waiting.stuck)
    if found.late:
        yield ActionNeeded("late", LATE_STEPS, count=found.late)
    yield from (ActionNeeded(one.hotline, DISABLED, one.hotline) for one in found.lines if one.dead_since is not None)
    if spool:
        yield ActionNeeded("spool", IN_SPOOL, count=spool)
    if backup == "never":
        yield ActionNeeded("backup", NO_BACKUP)
    elif backup and int(backup) > OLD_BACKUP_MINUTES:
        yield ActionNeeded("backup", OLD_BACKUP)


def _page(parts: ConsoleServices, template: str, me: StaffRequest) -> Response:
    hotlines = sorted(parts.keys)
    found = overview.load_overview(parts.database, hotlines, LATE_AFTER)
    spool, backup = _spool(parts.settings.data / "spool"), _backup(parts)
    needs = tuple(_needs(found, spool, backup))
    words: dict[str, Any] = {"found": found, "keys": _keys(parts, hotlines), "spool": spool, "backup": backup}
    words |= {"needs": needs, "rows_marked": {one.row for one in needs}}
    return page(template, me=me, minutes=lambda age: age // MINUTE, **words)


def _keys(parts: ConsoleServices, hotlines: list[str]) -> list[HotlineKey]:
    today, found = datetime.now(UTC), []
    for one in hotlines:
        newest, *older = key_files.list_keys(parts.settings.keys, one)
        made = newest.made_at
        found.append(HotlineKey(one, f"{made:%Y-%m-%d}", max(0, (today - made).days), len(older)))
    return found


def _spool(folder: Path) -> int | None:
    """Entries; None where the spool is not on this host, or not for this account."""
    try:
        return sum(path.name.endswith(ENTRY_SUFFIX) for path in folder.iterdir())
    except OSError:
        return None


def _backup(parts: ConsoleServices) -> str:
    """Minutes since the last one by its mark, "never", or "" where no mark can be seen from here."""
    if not parts.database.is_sqlite:
        return ""
    age = maintenance.backup_age_seconds(maintenance.marker_path(parts.settings.database_url, parts.settings.data))
    return "never" if isinf(age) else str(int(age // 60))
