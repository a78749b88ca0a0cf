"""The state of the installation, for the operator: counts, ages, hotlines and dates, nothing of any report.

For values that the console cannot know, the page says where they are known. The console has no Redis; on a separate
host it sees neither web's spool nor the marker of a backup.
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
    """The current key of a hotline. `older`: how many earlier keys exist."""

    hotline: str
    made_on: str
    age_days: int
    older: int


def attach(router: PageRouter, parts: ConsoleServices) -> None:
    """Register the operator's page and the part of it that scripts reload."""
    router.add(PageRoute("/operator", frozenset({OPERATOR}), reloads=True), partial(_page, parts, "operator.html"))
    router.add(
        PageRoute("/operator/now", frozenset({OPERATOR}), quiet=True), partial(_page, parts, "operator_now.html")
    )


@dataclass(frozen=True, slots=True)
class ActionNeeded:
    """Something to act on. `row`: the row of the page that shows it. `about`: a priority or a hotline id."""

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
OLD_BACKUP_MINUTES = 60  # as in the rule of docs/reference/alerts.md


def _needs(state: OperatorOverview, spool: int | None, backup: str) -> Iterator[ActionNeeded]:
    """Yield what needs action, the most urgent first."""
    for priority, count in state.overdue.items():
        if count:
            yield ActionNeeded(priority, NOT_TAKEN, priority, count)
    for priority, waiting in state.by_priority.items():
        if waiting.stuck:
            yield ActionNeeded(priority, STUCK, priority, waiting.stuck)
    if state.late:
        yield ActionNeeded("late", LATE_STEPS, count=state.late)
    yield from (
        ActionNeeded(hotline_state.hotline, DISABLED, hotline_state.hotline)
        for hotline_state in state.lines
        if hotline_state.dead_since is not None
    )
    if spool:
        yield ActionNeeded("spool", IN_SPOOL, count=spool)
    if backup == "never":
        yield ActionNeeded("backup", NO_BACKUP)
    elif backup and int(backup) > OLD_BACKUP_MINUTES:
        yield ActionNeeded("backup", OLD_BACKUP)


def _page(parts: ConsoleServices, template: str, me: StaffRequest) -> Response:
    hotlines = sorted(parts.keys)
    state = overview.load_overview(parts.database, hotlines, LATE_AFTER)
    spool, backup = _spool(parts.settings.data / "spool"), _backup(parts)
    needs = tuple(_needs(state, spool, backup))
    context: dict[str, Any] = {"found": state, "keys": _keys(parts, hotlines), "spool": spool, "backup": backup}
    context |= {"needs": needs, "rows_marked": {need.row for need in needs}}
    return page(template, me=me, minutes=lambda age: age // MINUTE, **context)


def _keys(parts: ConsoleServices, hotlines: list[str]) -> list[HotlineKey]:
    today, hotline_keys = datetime.now(UTC), []
    for hotline in hotlines:
        newest, *older = key_files.list_keys(parts.settings.keys, hotline)
        made_at = newest.made_at
        hotline_keys.append(HotlineKey(hotline, f"{made_at:%Y-%m-%d}", max(0, (today - made_at).days), len(older)))
    return hotline_keys


def _spool(folder: Path) -> int | None:
    """Return the number of entries; None if the spool is not on this host or not readable."""
    try:
        return sum(path.name.endswith(ENTRY_SUFFIX) for path in folder.iterdir())
    except OSError:
        return None


def _backup(parts: ConsoleServices) -> str:
    """Return the minutes since the last backup by its marker, "never", or "" if no marker is visible from here."""
    if not parts.database.is_sqlite:
        return ""
    age = maintenance.backup_age_seconds(maintenance.marker_path(parts.settings.database_url, parts.settings.data))
    return "never" if isinf(age) else str(int(age // 60))
