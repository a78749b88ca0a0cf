"""Scripts of drills: the invented, neutral and marked answers of their reporters. Pure.

A script answers questions of the flow `report` by name; any other question gets the first answer offered. No script
gives a phone number: somebody who rang it would reach a stranger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from reports.countries.country import Country
from reports.facts import Facts, GivenAnswer, derive_facts
from reports.routing import Recipient, find_route
from reports.triage import triage


@dataclass(frozen=True, slots=True)
class DrillAddition:
    """Words that the reporter writes under My report. `after`: minutes after the report."""

    after: int
    words: str


@dataclass(frozen=True, slots=True)
class DrillScript:
    """The answers of one reporter. `dropped_at`: the question at which the session drops; "": the report is sent."""

    answers: Mapping[str, str]
    dropped_at: str = ""
    more: DrillAddition | None = None

    @property
    def completeness(self) -> str:
        """Return the completeness of the report that results."""
        return "incomplete" if self.dropped_at else "complete"


SCRIPTS: Mapping[str, DrillScript] = {
    "danger_now": DrillScript(
        {
            "danger": "now",
            "category": "neglect",
            "about": "me",
            "narrative": "DRILL. I cannot go home tonight. I am outside and I am afraid. Please answer.",
        }
    ),
    "asked_for_pictures": DrillScript(
        {
            "danger": "soon",
            "category": "luring",
            "about": "me",
            "age_band": "13-15",
            "narrative": "DRILL. Somebody I do not know asks me for pictures and for money. I want it to stop.",
        }
    ),
    "missing": DrillScript(
        {
            "danger": "no",
            "category": "missing",
            "about_missing": "my_child",
            "age_band": "13-15",
            "narrative": "DRILL. My child did not come home from school. Blue shirt, small green bag.",
        }
    ),
    "cut_off": DrillScript({"danger": "now", "category": "bullying"}, dropped_at="about"),
    "no_contact": DrillScript(
        {
            "danger": "no",
            "category": "bullying",
            "about": "child_i_know",
            "age_band": "10-12",
            "narrative": "DRILL. A child in our street is called names every day. Please do not call this phone.",
        }
    ),
    "writes_more": DrillScript(
        {
            "danger": "soon",
            "category": "neglect",
            "about": "child_i_know",
            "age_band": "6-9",
            "narrative": "DRILL. A child next door has been alone since yesterday. I have brought food.",
        },
        more=DrillAddition(10, "DRILL. The child is at my house now. We wait for you to answer."),
    ),
}


def script_answers(script: DrillScript, country: Country, hotline: str) -> Mapping[str, str]:
    """Return the answers with a place: the first one that this hotline takes, if places are asked before Send."""
    places = country.groups() if country.place_before_send == "group" else ()
    if not places and country.place_before_send != "none":
        places = tuple(place.code for place in country.places)
    recipient = country.hotlines[hotline]
    covered = [place for place in places if recipient.covers_place(country.place_codes(place))]
    chosen = (*covered, *places)[:1]
    return {**script.answers, "place": chosen[0]} if chosen else script.answers


def script_recipients(
    script: DrillScript, country: Country, hotline: str, live: Collection[str]
) -> tuple[Recipient, ...]:
    """Return the hotlines that can get the report, in order, as it will be routed. `live`: the hotlines with a key."""
    facts = _facts(script, country, hotline)
    return find_route(country, facts, live=live, avoid=(), completeness=script.completeness).recipients


def script_priority(script: DrillScript, country: Country, hotline: str) -> str:
    """Return the priority that the report will have."""
    return triage(replace(_facts(script, country, hotline), incomplete=bool(script.dropped_at))).priority


def _facts(script: DrillScript, country: Country, hotline: str) -> Facts:
    answers = script_answers(script, country, hotline).items()
    return derive_facts(
        [GivenAnswer(f"report.{name}", name, value, typed=False, at=0, counts=True) for name, value in answers]
    )
