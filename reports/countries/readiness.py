"""What stands in a country, pillar by pillar; each with what is missing, and where that is known from. Pure.

The pillars are those of the talk that the project began with: law by five criteria, a mechanism to report to, a
hotline, police made for it; and what a phone needs beside: its languages, and numbers that somebody has dialled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports.countries.country import Country
from reports.countries.hotline import Hotline, SourcedEntry
from reports.countries.language_names import language_name
from reports.countries.law import CRITERIA

ReadinessStatus = Literal["there", "part", "none", "unknown"]
STATUS_LABELS: Mapping[ReadinessStatus, str] = {
    "there": "there",
    "part": "in part",
    "none": "not there",
    "unknown": "not known",
}
STATUS_MARKS: Mapping[ReadinessStatus, str] = {"there": "●", "part": "◐", "none": "○", "unknown": "?"}
READINESS_NAMES = ("law", "mechanism", "hotline", "police", "languages", "numbers")
READINESS_TITLES: Mapping[str, str] = {
    "law": "Law, by five criteria",
    "mechanism": "Somewhere to report to",
    "hotline": "A helpline for children",
    "police": "Police made for it",
    "languages": "The screens' languages",
    "numbers": "Numbers that were dialled",
}
CRITERION_SENTENCES: Mapping[str, str] = {
    "specific": "there is a law on sexual abuse pictures of children",
    "computer": "it names phones and computers",
    "possession": "keeping them is against it",
    "defined": "it says what counts as such a picture",
    "isp": "phone and internet companies have to report them",
}
CRITERION_LABELS: Mapping[str, str] = {"yes": "yes", "yes_2014": "yes in 2014", "not": "no", "unknown": "not known"}
POLICE_UNIT = re.compile(r"\b(unit|units|fsvu|cid|acc[ce]e|protection|online)\b", re.IGNORECASE)
WEB_ADDRESS = re.compile(r"https?://[^\s;()]+")


@dataclass(frozen=True, slots=True)
class ReadinessItem:
    """`short`: how it stands, for a table over many countries."""

    name: str
    status: ReadinessStatus
    short: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def title(self) -> str:
        return READINESS_TITLES[self.name]


def readiness_items(of: Country, reviewed: Sequence[str], drafts: Sequence[str]) -> tuple[ReadinessItem, ...]:
    """In their order. `reviewed`, `drafts`: the languages of the country that have a catalogue."""
    return (_law(of), _mechanism(of), _hotline(of), _police(of), _languages(of, reviewed, drafts), _numbers(of))


def _law(of: Country) -> ReadinessItem:
    stands = {name: of.law.stands(name) for name in CRITERIA}
    latest = of.law.latest
    found = tuple(f"{CRITERION_SENTENCES[name]}: {CRITERION_LABELS[how]}" for name, how in stands.items())
    missing = tuple(
        f"to find out: whether {CRITERION_SENTENCES[name]}" for name, how in stands.items() if how == "unknown"
    )
    missing += tuple(f"not in the law: {CRITERION_SENTENCES[name]}" for name, how in stands.items() if how == "not")
    missing += tuple(
        f"to confirm, it was so in 2014: {CRITERION_SENTENCES[name]}"
        for name, how in stands.items()
        if how == "yes_2014"
    )
    if of.duty_to_report is None:
        missing += ("to find out: whether a hotline has to tell the police or child welfare",)
    sources = [latest.edition.partition(";")[0], *WEB_ADDRESS.findall(latest.title)] if latest else []
    sources += [of.law.seed_2014.edition] if of.law.seed_2014 else []
    known = sum(how != "unknown" for how in stands.values())
    yes = sum(how.startswith("yes") for how in stands.values())
    stand: ReadinessStatus = "unknown" if not known else "there" if set(stands.values()) == {"yes"} else "part"
    rest = f", {len(stands) - known} not known" if known < len(stands) else ""
    short = f"{yes} of {len(stands)}{rest}" if known else "not known"
    return ReadinessItem("law", stand, short, found, missing, tuple(sources))


def _mechanism(of: Country) -> ReadinessItem:
    """Where anybody can tell what was seen: an office that has agreed to take reports, and a code to reach it by."""
    takers = [one for one in of.hotlines.values() if one.kind != "police"]
    agreed = [one for one in takers if one.agreed()]
    codes = [code.code for code in of.codes if code.given]
    missing = [f"an agreement with {one.screen_name}" for one in takers if one not in agreed]
    missing += [] if codes else ["a code from a telephone company, free to call and on no bill"]
    stand: ReadinessStatus = "there" if agreed and codes else "part" if takers else "none"
    missing += [] if takers else ["an office that takes reports"]
    short = f"{len(takers)} {'office' if len(takers) == 1 else 'offices'}, {len(agreed) or 'none'} agreed"
    facts = tuple(map(_said, takers)), tuple(missing), _sources(takers)
    return ReadinessItem("mechanism", stand, short if takers else "none found", *facts)


def _hotline(of: Country) -> ReadinessItem:
    there = [one for one in of.hotlines.values() if one.kind == "child_helpline"]
    shown = [one for one in there if of.shows(one)]
    missing = []
    for one in there:
        if not one.show.phone:
            missing.append(f"the number of {one.screen_name}")
        elif not one.verified():
            missing.append(f"somebody in {of.name} who has dialled {one.screen_name} {one.show.phone}")
        missing += [] if one.show.hours else [f"the hours of {one.screen_name}"]
        missing += [] if one.toll_free else [f"whether calling {one.screen_name} is free"]
    if not there:
        missing.append("a helpline for children; never a number from another country")
    whole = any(one.verified() and one.is_always_open and one.toll_free for one in shown)
    stand: ReadinessStatus = "there" if whole else "part" if there else "none"
    short = next(
        (f"{one.screen_name} {one.show.phone}" for one in shown), "its number not found" if there else "none found"
    )
    return ReadinessItem("hotline", stand, short, tuple(map(_said, there)), tuple(missing), _sources(there))


def _police(of: Country) -> ReadinessItem:
    desks = [one for one in of.hotlines.values() if one.kind == "police"]
    units = [one for one in desks if POLICE_UNIT.search(one.name)]
    missing = [] if units else ["a unit of the police for children, or for what is done online"]
    missing += [f"the number of {one.screen_name}" for one in desks if not one.show.phone]
    missing += [f"an agreement with {one.screen_name}" for one in desks if not one.agreed()]
    if not any(one.covers_category("missing") for one in desks):
        missing.append("a desk that takes reports of missing children")
    stand: ReadinessStatus = "there" if any(one.agreed() for one in units) else "part" if desks else "none"
    short = "a unit" if units else "a desk, no unit found" if desks else "none found"
    return ReadinessItem("police", stand, short, tuple(map(_said, desks)), tuple(missing), _sources(desks))


def _languages(of: Country, reviewed: Sequence[str], drafts: Sequence[str]) -> ReadinessItem:
    rest = [tag for tag in of.languages if tag not in (*reviewed, *drafts)]
    found = [f"{language_name(tag)}: {'as it was written' if tag == 'en' else 'read and signed'}" for tag in reviewed]
    found += [f"{language_name(tag)}: a draft of a machine" for tag in drafts]
    missing = [f"two people who read {language_name(tag)} and sign" for tag in drafts]
    missing += [f"a translation into {language_name(tag)}" for tag in rest]
    own = [tag for tag in reviewed if tag != "en"]
    stand: ReadinessStatus = (
        "there" if not (drafts or rest) else "part" if own or drafts or "en" in of.languages else "none"
    )
    short = ", ".join([*map(language_name, reviewed), *(f"{language_name(tag)} (draft)" for tag in drafts)]) or "none"
    short += f", {len(rest)} missing" if rest else ""
    return ReadinessItem(
        "languages", stand, short, tuple(found), tuple(missing), tuple(f"locales/{tag}.po" for tag in drafts)
    )


def _numbers(of: Country) -> ReadinessItem:
    numbers: list[tuple[str, SourcedEntry]] = [(one.say(), one) for one in of.emergency]
    numbers += [(f"{one.name} {one.show.phone}", one) for one in of.hotlines.values() if one.show.phone]
    dialled = [name for name, one in numbers if one.verified()]
    missing = [f"to settle, sources disagree: {name}" for name, one in numbers if one.conflict]
    missing += [f"to dial from every network: {name}" for name, one in numbers if not one.verified()]
    stand: ReadinessStatus = "there" if len(dialled) == len(numbers) else "part" if dialled else "none"
    found = (f"{len(dialled)} of {len(numbers)} numbers are confirmed by an organisation in the country",)
    disputed = ", one in dispute" if any(one.conflict for _, one in numbers) else ""
    short = f"{len(dialled)} of {len(numbers)}{disputed}"
    return ReadinessItem("numbers", stand, short, found, tuple(missing), _sources(one for _, one in numbers))


def _said(one: Hotline) -> str:
    facts = [one.show.phone or "no number found", one.show.hours, "free" if one.toll_free else ""]
    return f"{one.name}: {', '.join(filter(None, facts))}"


def _sources(of: Iterable[SourcedEntry]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, _dated(of))))


def _dated(of: Iterable[SourcedEntry]) -> Iterator[str]:
    for one in of:
        for source in one.source.split(" ; "):
            yield f"{source.strip()} ({one.source_date or 'no date'}, {one.grade})" if source.strip() else ""
