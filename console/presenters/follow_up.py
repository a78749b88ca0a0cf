"""Times that are suggested for a follow-up, inside the safe hours where the reporter may be called or texted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from console.presenters.reachability import ContactOption, reach
from reports.follow_up import MAX_FOLLOW_UP
from runtime.time_units import DAY, HOUR, SECOND

IN_HOURS, TODAY, TOMORROW, IN_A_WEEK = "In 4 hours", "Today 09:00", "Tomorrow 09:00", "In a week"
MORNING, NIGHT_ENDS = time(9, 0), time(6, 0)
FROM_NOW: Final = "from_now"  # value of a form: four hours after it was sent
NO_TIME = "Choose a date and a time. Nothing was changed."
IN_THE_PAST = "This time is over. Choose a later one. Nothing was changed."
CHANGED_MEANWHILE = "A colleague changed the follow-up date meanwhile. Nothing was done. Look at the date, then decide."
TOO_FAR = "This is more than a year ahead. Choose an earlier date. Nothing was changed."


@dataclass(frozen=True, slots=True)
class SuggestedTime:
    """A time for a follow-up, in microseconds. `is_moved`: it was moved to the next safe hours of the reporter."""

    label: str
    at: int
    is_moved: bool

    @property
    def value(self) -> str:
        """Return the value of a form that chooses this time; hours are counted from when it is sent."""
        return FROM_NOW if self.label == IN_HOURS else str(self.at)


def suggested_times(now: int, zone: ZoneInfo, contact: Mapping[str, Any] | None) -> tuple[SuggestedTime, ...]:
    """Return the suggested times. `zone`: of the hotline. `contact`: of the report; None if it is not known.

    The next morning is that of the same day if it is still night.
    """
    local = _local(now, zone)
    label, days = (TODAY, 0) if local.time() < NIGHT_ENDS else (TOMORROW, 1)
    morning = datetime.combine(local.date() + timedelta(days=days), MORNING, zone)
    times = ((IN_HOURS, now + 4 * HOUR), (label, _microseconds(morning)), (IN_A_WEEK, now + 7 * DAY))
    return tuple(_in_safe_hours(label, at, contact) for label, at in times)


def _in_safe_hours(label: str, at: int, contact: Mapping[str, Any] | None) -> SuggestedTime:
    reachability = reach(contact, "", at)
    if reachability.way is ContactOption.LATER and reachability.opens_at:
        return SuggestedTime(label, reachability.opens_at, True)
    return SuggestedTime(label, at, False)


def chosen_time(form: Mapping[str, str], now: int, zone: ZoneInfo) -> int | None:
    """Return the time of a form in microseconds; None if there is none that can be read.

    The form has either `at`, a suggested time in microseconds, or `date` and `time` on the clock of `zone`.
    """
    if at := form.get("at", ""):
        return int(at) if at.isascii() and at.isdigit() and len(at) < 18 else None
    try:
        return _microseconds(datetime.fromisoformat(f"{form['date']}T{form['time']}").replace(tzinfo=zone))
    except (KeyError, ValueError, OverflowError):
        return None


def time_problem(at: int | None, now: int) -> str:
    """Return why a time cannot be a follow-up date; empty if it can."""
    if at is None:
        return NO_TIME
    if at <= now:
        return IN_THE_PAST
    return TOO_FAR if at > now + MAX_FOLLOW_UP else ""


def date_and_time(at: int, zone: ZoneInfo) -> tuple[str, str]:
    """Return a time as the values of a date and a time field."""
    local = _local(at, zone)
    return f"{local:%Y-%m-%d}", f"{local:%H:%M}"


def _local(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / SECOND, zone)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND
