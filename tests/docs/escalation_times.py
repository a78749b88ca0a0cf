"""The table of escalation times, and a timeline for each priority by the tests' clock."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from functools import cache
from pathlib import Path

import structlog

from reports.escalation import ESCALATION_TIMES
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from tests.docs.timeline import drawn
from tests.support.databases import with_tables
from tests.workers.escalation_scenario import (
    CARDS,
    CHAIN,
    LEAD,
    OFFICER,
    ON_CALL,
    SECOND_ON_CALL,
    EscalationScenario,
    country_with_cards,
)
from tests.workers.sample_store import THREE, TWO, SampleStore

ROWS = (
    ("no receipt: the next hotline gets it too", "fallback"),
    ("no receipt: a person is alerted", "received"),
    ("**acknowledged by a person**, or `overdue`", "acknowledged"),
    ("`desk`", "desk"),
    ("`backup`", "backup"),
    ("`supervisor`", "supervisor"),
    ("`regional`, `operator`", "regional"),
    ("`supervisor` and `operator` again, each", "repeat"),
)
UNITS = ((DAY, "days"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
WHO = {
    f"→ {TWO}": "the second hotline gets the report",
    f"→ {THREE}": "the third hotline gets the report",
    OFFICER: "duty officer",
    LEAD: "supervisor",
    "lead@two.example": "supervisor of the second",
    "lead@three.example": "supervisor of the third",
    ON_CALL: "on call",
    SECOND_ON_CALL: "second on call",
}
# priority: hour at which it is sent, for how long it is followed, how often the clock looks (minutes)
FOLLOWED = {"P1": (23, 91, 1), "P2": (23, 6 * 60 + 1, 5), "P3": (20, 5 * 24 * 60, 60), "P4": (9, 15 * 24 * 60, 120)}


def times() -> str:
    rows = ["| | P1 | P2 | P3 | P4 |", "|---|---|---|---|---|"]
    for words, name in ROWS:
        cells = [_said(getattr(clock, name)) for clock in ESCALATION_TIMES.values()]
        rows.append(f"| {words} | {' | '.join(cells)} |")
    quiet = ["20:00–07:00 and closed hours" if clock.quiet else "none" for clock in ESCALATION_TIMES.values()]
    rows.append(f"| no alerts in | {' | '.join(quiet)} |")
    return "\n".join(rows) + "\n"


def _said(time: int) -> str:
    """Return the time in the largest unit that divides it; a unit above minutes only from four of it."""
    unit, name = next((unit, name) for unit, name in UNITS if time % unit == 0 and (time >= 4 * unit or unit < HOUR))
    return f"{time // unit} {name}"


def walked(priority: str, folder: Path) -> list[tuple[int, str]]:
    """Return (minute, who is alerted or gets the report) for a report that nobody takes. Hotlines are always open."""
    hour, until, tick = FOLLOWED[priority]
    store = SampleStore.create(with_tables(f"sqlite:///{folder}/{priority}.db"), folder / f"keys-{priority}")
    there = (store.database.now() + 11 * HOUR) % DAY
    store.database.offset += (hour * HOUR - there) % DAY
    store.submit(CHAIN, priority=priority)
    scenario = EscalationScenario(
        store, country_with_cards({name: {**card, "hours": "24h"} for name, card in CARDS.items()})
    )
    scenario.until(until, tick)
    store.database.close()
    return scenario.happened()


@cache
def timelines() -> dict[str, list[tuple[int, str]]]:
    with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        return {priority: walked(priority, Path(folder)) for priority in ESCALATION_TIMES}


SHORT = {
    f"→ {TWO}": "2nd hotline",
    f"→ {THREE}": "3rd hotline",
    OFFICER: "duty officer",
    ON_CALL: "on call",
    SECOND_ON_CALL: "2nd on call",
}


def picture() -> str:
    names = {who: SHORT.get(who, "supervisors") for happened in timelines().values() for _, who in happened}
    return drawn(timelines(), names, lambda minute: _said(minute * MINUTE))


def timeline() -> str:
    rows = ["| | after | |", "|---|---|---|"]
    for priority, happened in timelines().items():
        rows += [f"| {_when(priority, n)} | {after} | {who} |" for n, (after, who) in enumerate(_lines(happened))]
    return "\n".join(rows) + "\n"


def _when(priority: str, number: int) -> str:
    return f"**{priority}**, sent at {FOLLOWED[priority][0]}:00" if number == 0 else ""


def _lines(happened: list[tuple[int, str]]) -> list[tuple[str, str]]:
    at: dict[int, list[str]] = defaultdict(list)
    for minute, who in happened:
        at[minute].append(WHO[who])
    return [(_said(minute * MINUTE), ", ".join(sorted(who))) for minute, who in at.items()]
