"""What people are told of a report that waits: its id, how urgent, since when. Not a word of what it is about. Pure."""

from __future__ import annotations

from datetime import timedelta

from reports.countries.country import Country
from reports.countries.hotline import Hotline
from reports.countries.opening_hours import OpeningHours, hotline_hours, parse_zone
from reports.store.escalation.steps import EscalationState
from runtime.time_units import SECOND
from workers.alerts import NEXT, Said

LONG = timedelta(hours=12)  # then the day is said too


def to_desk(waiting: EscalationState, hotline: Hotline, country: Country, now: int) -> Said:
    """In the desk's own time."""
    line = f"{_waits(waiting, hotline_hours(hotline.card, country.time_zone), now)}. Please open your desk."
    return Said(
        f"Tokaut: one report waits, {waiting.priority}",
        f"{line}\n\nReport {waiting.report_id}\n\nThis mail holds nothing of the report. Do not answer it.\n",
        line,
        waiting.priority,
        hotline.id,
        1,
    )


def to_operator(waiting: EscalationState, country: Country | None, now: int) -> Said:
    """The SMS names no hotline: a name can say what a report is about."""
    zone = OpeningHours(parse_zone(country.time_zone if country else "UTC"))
    line = f"{_waits(waiting, zone, now)}. Nobody has taken it on."
    who = ", ".join(f"{one.hotline} ({one.handling if one.handling != 'none' else one.state})" for one in waiting.given)
    return Said(
        f"Tokaut: {waiting.priority}, 1 report not taken on",
        f"{line}\n\nReport {waiting.report_id}\nGiven to: {who}\nTo do: Call them.\n{NEXT}\n",
        f"{line} {NEXT}",
        waiting.priority,
        "",
        1,
    )


def _waits(waiting: EscalationState, there: OpeningHours, now: int) -> str:
    since = there.local(waiting.since)
    long_ago = timedelta(seconds=(now - waiting.since) // SECOND) >= LONG
    said = f"{since:%d %b %H:%M}" if long_ago else f"{since:%H:%M}"
    return f"Report {waiting.report_id[-6:]}, {waiting.priority}, waits since {said}"
