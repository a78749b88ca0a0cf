"""Answers, settings and countries that tests of reports start from."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from reports.countries.country import Country, load_countries
from reports.report import GivenAnswer, ReportMetadata, derive_facts
from reports.routing import avoided_hotlines, find_route

FOLDER = Path(__file__).parent
REPORT_ID = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
MSISDN = "+6785550101"
NOW = 1_795_593_730  # 2026-11-25T08:02:10Z

COUNTRIES = load_countries(["vu", "fj", "ke"], "demo")
VU, FJ, KE = COUNTRIES

# Answers up to the screen of the words, and Send.
PATH_TO_SEND = (
    ("report.danger", "soon"),
    ("report.category", "luring"),
    ("report.about", "me"),
    ("report.age_me", "13-15"),
    ("report.place_me", "VU-SEE"),
)
SEND = ("report.send", "send")


def given(*rows: tuple[str, str | None], at: int = NOW, counts: bool = True) -> list[GivenAnswer]:
    """Return answers for (screen, value). QUESTION or the last part of the screen names the question."""
    made = []
    for n, (screen, value) in enumerate(rows):
        question = QUESTION.get(screen, screen.rpartition(".")[2])
        typed = question in ("narrative", "addition", "where_online", "last_place")
        made.append(GivenAnswer(screen, question, value, typed, at + n, counts))
    return made


QUESTION = {
    "report.words": "narrative",
    "report.age": "age_band",
    "report.age_me": "age_band",
    "report.place_me": "place",
    "report.who_else": "avoid",
    "report.nobody": "send",
    "more.age": "age_band",
    "more.first_words": "narrative",
    "more.words": "addition",
}


def setting(
    answers: Collection[GivenAnswer] = (),
    *,
    country: Country = VU,
    completeness: str = "complete",
    live: Collection[str] | None = None,
    **changes: Any,
) -> ReportMetadata:
    facts = derive_facts(list(answers))
    ready = set(country.hotlines) if live is None else live
    made = find_route(country, facts, live=ready, avoid=avoided_hotlines(country, facts), completeness=completeness)
    values: dict[str, Any] = {
        "report_id": REPORT_ID,
        "revision": 1,
        "mode": "demo",
        "completeness": completeness,
        "created_at": NOW,
        "updated_at": NOW + 60,
        "sent_at": NOW + 60 if completeness == "complete" else None,
        "channel": "ussd",
        "language": "en",
        "country": country,
        "route": made,
    }
    return ReportMetadata(**{**values, **changes})


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))
