"""Count the steps of a session for the statistics: which was shown, and whether the reporter went on from it. Pure.

Only steps that everybody is shown, whatever they answered: a count of one that depends on an answer would reveal the
answer of that day's only reporter. A count holds nothing but the country that was dialled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache

from flows.gsm7 import segments
from gateway.sessions.record import Record
from gateway.sessions.store import FunnelCounts

ON = "+"  # suffix of a step: a reporter went on from it
SMS = "sms_parts"
STEPS: Mapping[str, str] = {
    "home.home": "home",
    "home.home_sms": "home",
    "report.danger": "danger",
    "report.category": "category",
    "report.place": "place",
    "report.place_me": "place",
    "report.place_seen": "place",
    "report.contact": "contact",
    "report.send": "send",
    "report.sent": "sent",
    "report.sent_sms": "sent",
    "tips_young.who": "tips_young",
    "tips_young.who_sms": "tips_young",
    "tips_parents.menu": "tips_parents",
    "law.known": "law",
    "law.unknown": "law",
    "my.state": "my_report",
}


def tally(country: str, kind: str, before: Record | None, after: Record, now: int) -> FunnelCounts:
    """Return the counts of one turn."""
    counts = {f"{country} {name}": number for name, number in _names(kind, before, after)}
    return FunnelCounts(day_of(now), counts)


def day_of(now: int) -> str:
    """Return the UTC date of a Unix time, in ISO format."""
    return _day(now // 86400)


@lru_cache(maxsize=2)  # called at each screen
def _day(days: int) -> str:
    return (date(1970, 1, 1) + timedelta(days)).isoformat()


def _names(kind: str, record_before: Record | None, record_after: Record) -> Iterator[tuple[str, int]]:
    """Yield the names to count. A screen that is shown again counts once: a typing error is no second visit."""
    old_screen, new_screen = (
        record_before.state.screen if record_before and not record_before.over else "",
        record_after.state.screen,
    )
    if old_screen != new_screen and new_screen in STEPS and (STEPS[new_screen] == "sent" or not record_after.over):
        yield STEPS[new_screen], 1
    if (
        old_screen in STEPS
        and old_screen != new_screen
        and not record_after.over
        and not new_screen.startswith("home.")
    ):
        yield STEPS[old_screen] + ON, 1
    if kind == "sms" and record_after.answer.text:
        yield SMS, segments(record_after.answer.text)
