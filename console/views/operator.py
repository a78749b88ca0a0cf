"""Pages for operators, leads and auditors: state of the installation, readiness of countries.

For values that the console cannot know, the page says where to find them. The console has no Redis; on a separate
host it sees neither web's spool nor the marker of a backup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isinf
from pathlib import Path
from typing import Any

from flask import Blueprint, Response

from console.auth.access_control import AUDITOR, LEAD, OPERATOR, StaffRequest, requires
from console.responses import page
from console.services import services
from flows import loader
from flows.catalogues import needed_messages, signed_and_drafts
from reports.countries.readiness import (
    READINESS_NAMES,
    READINESS_TITLES,
    STATUS_LABELS,
    STATUS_MARKS,
    readiness_items,
)
from reports.countries.validation import TRANSLATED_WORDS
from reports.crypto import key_files
from reports.escalation import LATE_AFTER
from reports.store.operations import call_hours, maintenance, overview, spool_status, synthetic_calls
from reports.store.operations.call_hours import QuietChannel
from reports.store.operations.overview import OperatorOverview
from reports.store.operations.spool_status import SpoolStatus
from reports.store.operations.synthetic_calls import SyntheticCallStatus
from reports.store.sms import provider_faults
from reports.store.sms.provider_faults import UndeliveredTexts
from reports.store.spool import ENTRY_SUFFIX
from runtime.time_units import HOUR, MINUTE

bp = Blueprint("operator", __name__)


@dataclass(frozen=True, slots=True)
class HotlineKey:
    """The current key of a hotline, or a question mark in each column. `older`: how many earlier keys exist."""

    hotline: str
    made_on: str
    age_days: str
    older: str


@dataclass(frozen=True, slots=True)
class ActionNeeded:
    """A fault that an operator must act on. `row_key`: the row of the page that shows it.

    `subject`: a priority, a hotline, a host, a network or a channel.
    """

    row_key: str
    sentence: str
    subject: str = ""
    count: int = 0


NOT_TAKEN = "{priority}: reports that nobody has taken in time: {count}"
STUCK = "{priority}: deliveries that need manual action: {count}. See tokaut deliveries list."
LATE_STEPS = "Overdue escalations, people who could not be told: {count}"
IN_SPOOL = "Reports in the spool of this host: {count}. The database was unavailable."
NO_BACKUP, OLD_BACKUP = "No backup was ever made.", "The last backup is more than an hour old."
AWAY = "{host}: not seen for {count} min. Its disk may hold reports: docs/operating/host-gone.md"
SILENT = "{host}: not seen for {count} s. If nobody restarts it: docs/operating/host-gone.md"
NO_REDIS = (
    "{host}: could not use Redis {count} s ago. While it runs, calls over Africa's Talking continue, others get only "
    "the emergency numbers: docs/operating/redis-gone.md"
)
CALLS_FAIL = "{network}: synthetic calls do not come to Send. Dial the code: docs/operating/provider-dead.md"
CALLS_STALE = "{network}: no synthetic call has been made for {count} min. See docs/operating/provider-dead.md"
QUIET = "{network}: unusually few calls. Dial the code: docs/operating/provider-dead.md"
NOT_DELIVERED = (
    "{network}: SMS do not arrive. Of the last hour {count} failed, more than arrived. Text a phone of each network, "
    "and call the provider: docs/operating/provider-dead.md"
)
DISABLED = "{hotline}: disabled, it has refused everything for too long."
OLD_BACKUP_MINUTES = 60  # as in the rule of docs/reference/alerts.md


def _needs(
    state: OperatorOverview,
    *,
    hosts: Sequence[SpoolStatus],
    calls: Sequence[SyntheticCallStatus],
    quiet: Sequence[QuietChannel],
    undelivered: Sequence[UndeliveredTexts],
    spool: int | None,
    backup: str,
) -> Iterator[ActionNeeded]:
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
    for status in hosts:
        if status.lacks_redis:
            yield ActionNeeded(status.host, NO_REDIS, status.host, status.unseen)
        elif status.is_missing:
            yield ActionNeeded(status.host, AWAY, status.host, status.unseen // 60)
        elif status.is_silent:
            yield ActionNeeded(status.host, SILENT, status.host, status.unseen)
    yield from _calls_need(calls)
    yield from (ActionNeeded(texts.channel, NOT_DELIVERED, texts.channel, texts.failed) for texts in undelivered)
    yield from (ActionNeeded(channel.name, QUIET, channel.name) for channel in quiet)
    if spool:
        yield ActionNeeded("spool", IN_SPOOL, count=spool)
    if backup == "never":
        yield ActionNeeded("backup", NO_BACKUP)
    elif backup and int(backup) > OLD_BACKUP_MINUTES:
        yield ActionNeeded("backup", OLD_BACKUP)


def _calls_need(calls: Sequence[SyntheticCallStatus]) -> Iterator[ActionNeeded]:
    for call in calls:
        if call.failing is not None:
            yield ActionNeeded(call.name, CALLS_FAIL, call.name)
        elif call.is_stale:
            yield ActionNeeded(call.name, CALLS_STALE, call.name, call.called // 60)


@bp.get("/operator")
@requires(OPERATOR, reloads=True)
def show_state(me: StaffRequest) -> Response:
    """Show the state of the installation."""
    return _render_state("operator.html", me)


@bp.get("/operator/now")
@requires(OPERATOR, quiet=True)
def reload_state(me: StaffRequest) -> Response:
    """Return the part of the page that its script reloads."""
    return _render_state("operator_now.html", me)


def _render_state(template: str, me: StaffRequest) -> Response:
    hotlines = sorted(hotline.id for hotline in services.countries.hotlines)
    state = overview.load_overview(services.database, hotlines, LATE_AFTER)
    hosts = spool_status.list_statuses(services.database)
    spool, backup = _spool(services.settings.data / "spool"), _backup()
    calls = synthetic_calls.list_statuses(services.database)
    quiet = call_hours.list_quiet(services.database)
    undelivered = provider_faults.list_undelivered(services.database, services.database.now() - HOUR)
    found = _needs(state, hosts=hosts, calls=calls, quiet=quiet, undelivered=undelivered, spool=spool, backup=backup)
    needs = tuple(found)
    context: dict[str, Any] = {"found": state, "keys": _keys(hotlines), "spool": spool, "backup": backup}
    context |= {"hosts": hosts, "calls": calls, "quiet": quiet}
    context |= {"needs": needs, "rows_marked": {need.row_key for need in needs}}
    return page(template, me=me, minutes=lambda age: age // MINUTE, **context)


def _keys(hotlines: list[str]) -> list[HotlineKey]:
    return [_key(hotline, datetime.now(UTC)) for hotline in hotlines]


def _key(hotline: str, today: datetime) -> HotlineKey:
    try:
        newest, *older = key_files.list_keys(services.settings.keys, hotline)
    except (key_files.KeyFileError, ValueError):  # a file that cannot be read, or none
        return HotlineKey(hotline, "?", "?", "?")
    made_at = newest.made_at
    return HotlineKey(hotline, f"{made_at:%Y-%m-%d}", str(max(0, (today - made_at).days)), str(len(older)))


def _spool(folder: Path) -> int | None:
    """Return the number of entries in the spool; None if the spool is not on this host or not readable."""
    try:
        return sum(path.name.endswith(ENTRY_SUFFIX) for path in folder.iterdir())
    except OSError:
        return None


def _backup() -> str:
    """Return the minutes since the last backup by its marker, "never" without a marker, or "" with PostgreSQL."""
    if not services.database.is_sqlite:
        return ""
    settings = services.settings
    age = maintenance.backup_age_seconds(maintenance.marker_path(settings.database_url, settings.data))
    return "never" if isinf(age) else str(int(age // 60))


# Readiness: the items that each served country has and lacks, as in `tokaut readiness`.
#
# All of it comes from the country files, which cite public pages; nothing comes from reports. The page can be
# printed.


@bp.get("/readiness")
@requires(LEAD, AUDITOR, OPERATOR)
def show_readiness(me: StaffRequest) -> Response:
    """Show the items of each country, by its name."""
    needed = needed_messages(loader.load(), TRANSLATED_WORDS)
    country_readiness = [
        (country, readiness_items(country, *signed_and_drafts(country.languages, services.screen_catalogues, needed)))
        for country in sorted(services.countries, key=lambda country: country.name)
    ]
    titles = [READINESS_TITLES[name] for name in READINESS_NAMES]
    return page(
        "readiness.html", me=me, found=country_readiness, titles=titles, marks=STATUS_MARKS, stands=STATUS_LABELS
    )
