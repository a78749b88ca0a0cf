"""Drills with a script, in training and in a demo: a lead plans one, and leads and auditors see its results in minutes.

Nobody else may use this page: a drill does not test people who know its time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort

from console.auth.access_control import AUDITOR, LEAD, StaffRequest, requires
from console.responses import page, redirect
from console.services import country_of, hotline_zone, services
from reports.countries.country import Country
from reports.delivery import RecipientRole
from reports.drills import SCRIPTS, script_priority, script_recipients
from reports.escalation import EscalationTimes, Priority, escalation_times
from reports.store.operations import drill_runs
from reports.store.operations.drill_runs import Drill
from runtime.time_units import MINUTE, SECOND

bp = Blueprint("drills", __name__)  # not registered in live mode

SCRIPT_TITLES: Mapping[str, str] = {
    "danger_now": "Danger now",
    "asked_for_pictures": "Asked for pictures and money",
    "missing": "A child did not come home",
    "cut_off": "Danger now, and the call drops",
    "no_contact": "Do not call this phone",
    "writes_more": "Writes more after ten minutes",
}
STAGES = {"delivered": "Delivered", "opened": "Opened", "taken": "Taken", "answered": "Answered", "closed": "Closed"}
STAGE_LIMITS = {"delivered": "received", "taken": "acknowledged"}  # stages with a time limit in the country file
IN_TIME, LATE, NOT_YET = "in time", "late", "not yet"
INVALID_TIME = "Choose a time, such as 02:10."
ALREADY_PLANNED = "A drill is planned already. Cancel it first."
ALREADY_STARTED = "The drill has begun or was cancelled."
TIME_PATTERN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class DrillOffer:
    """A script whose report this hotline gets at once.

    `acknowledge_minutes`: minutes until somebody must have acknowledged it. `first_hotlines`, `fallback_hotlines`:
    hotlines that get it at once, and as fallback.
    """

    name: str
    title: str
    priority: Priority
    acknowledge_minutes: int
    first_hotlines: tuple[str, ...]
    fallback_hotlines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrillCell:
    """One stage of a drill.

    `minutes`: since the report arrived; None if the stage was not reached. `verdict`: if the stage has a time limit.
    `other_hotlines`: other hotlines that reached it too.
    """

    minutes: int | None
    verdict: str = ""
    other_hotlines: tuple[str, ...] = ()


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


@bp.get("/drills")
@requires(LEAD, AUDITOR)
def show_drills(me: StaffRequest) -> Response:
    """Show the results of drills; to a lead also those that are planned, and the form to plan one."""
    return _render_drills(me)


def _render_drills(me: StaffRequest, problem: str = "") -> Response:
    hotline, now = me.account.hotline, services.database.now()
    country = country_of(me.account.hotline)
    drills = drill_runs.list_drills(services.database, me.account)
    rows = [
        drill_row(drill, escalation_times(country.clocks)[drill.priority], now) for drill in drills if drill.priority
    ]
    context: dict[str, Any] = {
        "offers": offers(country, hotline) if me.account.role == LEAD else (),
        "duty_officers": len(country.hotlines[hotline].card.duty_officer),
        "waiting": [drill for drill in drills if not drill.priority] if me.account.role == LEAD else (),
        "lines": rows,
        "names": SCRIPT_TITLES,
        "came": STAGES,
        "in_a_row": on_time_streak(rows),
        "card": card_values(rows, hotline_zone(hotline)),
    }
    return page("drills.html", 400 if problem else 200, me=me, wrong=problem, **context)


@bp.post("/drills")
@requires(LEAD)
def plan_drill(me: StaffRequest) -> Response:
    """Plan a drill, for now or for a time within a day."""
    script, country = me.form.get("script", ""), country_of(me.account.hotline)
    if script not in {offer.name for offer in offers(country, me.account.hotline)}:
        abort(400)
    now = services.database.now()
    at: int | None = now
    if me.form.get("when") != "now":
        at = next_occurrence(me.form.get("clock", ""), hotline_zone(me.account.hotline), now)
    if at is None:
        return _render_drills(me, INVALID_TIME)
    return (
        redirect("/drills")
        if drill_runs.plan(services.database, me.account, script, at)
        else _render_drills(me, ALREADY_PLANNED)
    )


@bp.post("/drills/<drill_id>/off")
@requires(LEAD)
def cancel_drill(me: StaffRequest, drill_id: str) -> Response:
    """Cancel a drill that has not begun."""
    if drill_runs.cancel(services.database, me.account, drill_id):
        return redirect("/drills")
    return _render_drills(me, ALREADY_STARTED)


def offers(country: Country, hotline: str) -> tuple[DrillOffer, ...]:
    """Return the scripts whose report this hotline gets at once."""
    drill_offers = []
    for name, script in SCRIPTS.items():
        recipients = script_recipients(script, country, hotline, services.keys)
        immediate = tuple(recipient.hotline for recipient in recipients if recipient.role != RecipientRole.FALLBACK)
        if hotline in immediate:
            script_urgency = script_priority(script, country, hotline)
            limit = escalation_times(country.clocks)[script_urgency].acknowledged // MINUTE
            fallbacks = tuple(recipient.hotline for recipient in recipients if recipient.role == RecipientRole.FALLBACK)
            drill_offers.append(DrillOffer(name, SCRIPT_TITLES[name], script_urgency, limit, immediate, fallbacks))
    return tuple(drill_offers)


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
    others = drill.other_hotlines if name == "taken" else ()
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
    decided_rows = [row for row in lines if row.drill.priority == Priority.P1 and row.taken.verdict != NOT_YET]
    if not decided_rows or decided_rows[0].taken.minutes is None:
        return None
    day = datetime.fromtimestamp(decided_rows[0].drill.moments["arrived"] / SECOND, zone)
    return f"{day:%Y-%m-%d}", decided_rows[0].taken.minutes


def next_occurrence(clock: str, zone: ZoneInfo, now: int) -> int | None:
    """Return when the local clock next shows `clock` (HH:MM), in microseconds; None if that is not a valid time."""
    match = TIME_PATTERN.fullmatch(clock)
    if match is None:
        return None
    local_now = datetime.fromtimestamp(now / SECOND, zone)
    local_then = local_now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
    if local_then.timestamp() * SECOND <= now:
        local_then += timedelta(days=1)
    return int(local_then.timestamp()) * SECOND
