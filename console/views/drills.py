"""Drills with a script, in training mode only: a lead plans one, and leads and auditors see its results in minutes.

Nobody else may use this page: a drill does not test people who know its time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, abort

from console.auth.access_control import AUDITOR, LEAD, PageRoute, PageRouter, StaffRequest
from console.responses import page, redirect
from console.services import ConsoleServices
from reports.countries.country import Country
from reports.drills.scripts import SCRIPTS, script_priority, script_recipients
from reports.escalation.policy import EscalationTimes, escalation_times
from reports.store.operations import drill_runs
from reports.store.operations.drill_runs import Drill
from runtime.time_units import MINUTE, SECOND

SCRIPT_TITLES: Mapping[str, str] = {
    "danger_now": "Danger now",
    "asked_for_pictures": "Asked for pictures and money",
    "missing": "A child did not come home",
    "cut_off": "Danger now, and the line is cut",
    "no_contact": "Do not call this phone",
    "writes_more": "Writes more after ten minutes",
}
STAGES = {"delivered": "Delivered", "opened": "Opened", "taken": "Taken on", "answered": "Answered", "closed": "Closed"}
STAGE_LIMITS = {"delivered": "received", "taken": "acknowledged"}  # stages with a time limit in the country file
IN_TIME, LATE, NOT_YET = "in time", "late", "not yet"
INVALID_TIME = "Say when, as 02:10."
ALREADY_PLANNED = "One is planned already. Call it off first."
ALREADY_STARTED = "It has begun, or it is not there any more."
TIME_PATTERN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class DrillOffer:
    """A script whose report this hotline gets at once.

    `limit`: minutes until somebody must have acknowledged it. `at_once`, `then`: hotlines that get it at once, and as
    fallback.
    """

    name: str
    title: str
    priority: str
    limit: int
    at_once: tuple[str, ...]
    then: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrillCell:
    """One stage of a drill.

    `minutes`: since the report arrived; None if the stage was not reached. `verdict`: if the stage has a time limit.
    `others`: other hotlines that reached it too.
    """

    minutes: int | None
    verdict: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DrillRow:
    """A drill with one cell for each stage."""

    drill: Drill
    title: str
    cells: tuple[DrillCell, ...]

    @property
    def taken(self) -> DrillCell:
        """Return the cell of the acknowledgement."""
        return self.cells[list(STAGES).index("taken")]


def attach(doors: PageRouter, parts: ConsoleServices) -> None:
    """Register the page of drills in training mode; nothing in other modes."""
    if parts.settings.mode.value != "training":
        return
    doors.add(PageRoute("/drills", frozenset({LEAD, AUDITOR})), partial(_page, doors, parts))
    doors.add(PageRoute("/drills", frozenset({LEAD}), post=True), partial(_plan, doors, parts))
    doors.add(PageRoute("/drills/<drill_id>/off", frozenset({LEAD}), post=True), partial(_cancel, doors, parts))


def _page(doors: PageRouter, parts: ConsoleServices, me: StaffRequest, wrong: str = "") -> Response:
    hotline, now = me.account.hotline, doors.database.now()
    country = _country(parts, me)
    drills = drill_runs.list_drills(doors.database, me.account)
    lines = [drill_row(one, escalation_times(country.clocks)[one.priority], now) for one in drills if one.priority]
    context: dict[str, Any] = {
        "offers": offers(country, hotline, parts) if me.account.role == LEAD else (),
        "told": len(country.hotlines[hotline].card.duty_officer),
        "waiting": [one for one in drills if not one.priority] if me.account.role == LEAD else (),
        "lines": lines,
        "names": SCRIPT_TITLES,
        "came": STAGES,
        "in_a_row": on_time_streak(lines),
        "card": card_values(lines, ZoneInfo(country.time_zone)),
    }
    return page("drills.html", 400 if wrong else 200, me=me, wrong=wrong, **context)


def _plan(doors: PageRouter, parts: ConsoleServices, me: StaffRequest) -> Response:
    script, country = me.form.get("script", ""), _country(parts, me)
    if script not in {one.name for one in offers(country, me.account.hotline, parts)}:
        abort(400)
    now = doors.database.now()
    at: int | None = now
    if me.form.get("when") != "now":
        at = next_occurrence(me.form.get("clock", ""), ZoneInfo(country.time_zone), now)
    if at is None:
        return _page(doors, parts, me, INVALID_TIME)
    return (
        redirect("/drills")
        if drill_runs.plan(doors.database, me.account, script, at)
        else _page(doors, parts, me, ALREADY_PLANNED)
    )


def _cancel(doors: PageRouter, parts: ConsoleServices, me: StaffRequest, drill_id: str) -> Response:
    if drill_runs.cancel(doors.database, me.account, drill_id):
        return redirect("/drills")
    return _page(doors, parts, me, ALREADY_STARTED)


def _country(parts: ConsoleServices, me: StaffRequest) -> Country:
    """Return the country of this person's hotline. Aborts with 404 if it is not served here any more."""
    return parts.countries.country_of_hotline(me.account.hotline) or abort(404)


def offers(country: Country, hotline: str, parts: ConsoleServices) -> tuple[DrillOffer, ...]:
    """Return the scripts whose report this hotline gets at once."""
    found = []
    for name, script in SCRIPTS.items():
        recipients = script_recipients(script, country, hotline, parts.keys)
        at_once = tuple(recipient.hotline for recipient in recipients if recipient.role != "fallback")
        if hotline in at_once:
            script_urgency = script_priority(script, country, hotline)
            limit = escalation_times(country.clocks)[script_urgency].acknowledged // MINUTE
            then = tuple(recipient.hotline for recipient in recipients if recipient.role == "fallback")
            found.append(DrillOffer(name, SCRIPT_TITLES[name], script_urgency, limit, at_once, then))
    return tuple(found)


def drill_row(drill: Drill, clock: EscalationTimes, now: int) -> DrillRow:
    """Return the row of a drill. `clock`: the escalation times of its priority."""
    return DrillRow(
        drill, SCRIPT_TITLES.get(drill.script, drill.script), tuple(_cell(drill, name, clock, now) for name in STAGES)
    )


def _cell(drill: Drill, name: str, clock: EscalationTimes, now: int) -> DrillCell:
    arrived, at = drill.moments["arrived"], drill.moments.get(name)
    limit = getattr(clock, STAGE_LIMITS[name]) if name in STAGE_LIMITS else None
    if limit is None:
        return DrillCell(minutes(arrived, at))
    others = drill.others if name == "taken" else ()
    if at is None:
        return DrillCell(None, LATE if now - arrived > limit else NOT_YET, others)
    return DrillCell(minutes(arrived, at), LATE if at - arrived > limit else IN_TIME, others)


def on_time_streak(lines: Sequence[DrillRow]) -> int:
    """Count the drills acknowledged in time since the last late one, without those that wait. `lines`: newest first."""
    verdicts = (line.taken.verdict for line in lines)
    return sum(verdict == IN_TIME for verdict in takewhile(lambda verdict: verdict != LATE, verdicts))


def minutes(arrived: int, at: int | None) -> int | None:
    """Return the minutes since arrival, rounded up so that no hotline card promises more than was measured."""
    return None if at is None else max(1, -((arrived - at) // MINUTE))


def card_values(lines: Sequence[DrillRow], zone: ZoneInfo) -> tuple[str, int] | None:
    """Return (drill_on, drill_minutes) for the hotline card, from the latest P1 drill: cards are compared by P1.

    None if nobody acknowledged that drill. A drill that still waits is skipped.
    """
    decided = [one for one in lines if one.drill.priority == "P1" and one.taken.verdict != NOT_YET]
    if not decided or decided[0].taken.minutes is None:
        return None
    day = datetime.fromtimestamp(decided[0].drill.moments["arrived"] / SECOND, zone)
    return f"{day:%Y-%m-%d}", decided[0].taken.minutes


def next_occurrence(clock: str, zone: ZoneInfo, now: int) -> int | None:
    """Return when the local clock next shows `clock` (HH:MM), in microseconds; None if that is no time."""
    found = TIME_PATTERN.fullmatch(clock)
    if found is None:
        return None
    local_now = datetime.fromtimestamp(now / SECOND, zone)
    local_then = local_now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    if local_then.timestamp() * SECOND <= now:
        local_then += timedelta(days=1)
    return int(local_then.timestamp()) * SECOND
