"""What is counted of a conversation: which step was shown, and whether the caller went on from it. Pure.

Only steps that everybody is shown, whatever was answered before: a count of one that follows from an answer would tell
the answer of whoever was the only one that day. No count holds anything of a caller but the country that was dialled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache

from flows.gsm7 import segments
from gateway.sessions.record import Record
from gateway.sessions.store import FunnelCounts

ON = "+"  # behind a step: somebody went on from it
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
    counts = {f"{country} {name}": number for name, number in _names(kind, before, after)}
    return FunnelCounts(day_of(now), counts)


def day_of(now: int) -> str:
    return _day(now // 86400)


@lru_cache(maxsize=2)  # asked at each screen
def _day(since_1970: int) -> str:
    return (date(1970, 1, 1) + timedelta(since_1970)).isoformat()


def _names(kind: str, before: Record | None, after: Record) -> Iterator[tuple[str, int]]:
    """A screen that is shown again counts once: who mistypes has not come twice."""
    old, new = before.state.screen if before and not before.over else "", after.state.screen
    if old != new and new in STEPS and (STEPS[new] == "sent" or not after.over):
        yield STEPS[new], 1
    if old in STEPS and old != new and not after.over and not new.startswith("home."):
        yield STEPS[old] + ON, 1
    if kind == "sms" and after.answer.text:
        yield SMS, segments(after.answer.text)
