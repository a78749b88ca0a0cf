"""What a country has and what it still lacks to go live, item by item, each with its sources. Pure.

The items are those of the talk that the project began with: law by five criteria, somewhere to report to, a hotline,
and a special police unit. A phone also needs its languages, and numbers that somebody has dialled.
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
    """One item of the readiness of a country.

    `short`: its status, for a table over many countries. `found`, `missing`: what is there and what is not, in words.
    """

    name: str
    status: ReadinessStatus
    short: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def title(self) -> str:
        """Return the heading of the item."""
        return READINESS_TITLES[self.name]


def readiness_items(of: Country, reviewed: Sequence[str], drafts: Sequence[str]) -> tuple[ReadinessItem, ...]:
    """Return the items of a country in their order.

    `reviewed`, `drafts`: the languages of the country that have a reviewed catalogue, or a draft of one.
    """
    return (_law(of), _mechanism(of), _hotline(of), _police(of), _languages(of, reviewed, drafts), _numbers(of))


def _law(of: Country) -> ReadinessItem:
    statuses = {name: of.law.stands(name) for name in CRITERIA}
    latest = of.law.latest
    found = tuple(f"{CRITERION_SENTENCES[name]}: {CRITERION_LABELS[how]}" for name, how in statuses.items())
    missing = tuple(
        f"to find out: whether {CRITERION_SENTENCES[name]}" for name, how in statuses.items() if how == "unknown"
    )
    missing += tuple(f"not in the law: {CRITERION_SENTENCES[name]}" for name, how in statuses.items() if how == "not")
    missing += tuple(
        f"to confirm, it was so in 2014: {CRITERION_SENTENCES[name]}"
        for name, how in statuses.items()
        if how == "yes_2014"
    )
    if of.duty_to_report is None:
        missing += ("to find out: whether a hotline has to tell the police or child welfare",)
    sources = [latest.edition.partition(";")[0], *WEB_ADDRESS.findall(latest.title)] if latest else []
    sources += [of.law.seed_2014.edition] if of.law.seed_2014 else []
    known = sum(how != "unknown" for how in statuses.values())
    yes = sum(how.startswith("yes") for how in statuses.values())
    stand: ReadinessStatus = "unknown" if not known else "there" if set(statuses.values()) == {"yes"} else "part"
    rest = f", {len(statuses) - known} not known" if known < len(statuses) else ""
    short = f"{yes} of {len(statuses)}{rest}" if known else "not known"
    return ReadinessItem("law", stand, short, found, missing, tuple(sources))


def _mechanism(of: Country) -> ReadinessItem:
    """Check for somewhere to report to: an office that has agreed to take reports, and a code to reach it by."""
    takers = [entry for entry in of.hotlines.values() if entry.kind != "police"]
    agreed = [entry for entry in takers if entry.agreed()]
    codes = [code.code for code in of.codes if code.given]
    missing = [f"an agreement with {entry.screen_name}" for entry in takers if entry not in agreed]
    missing += [] if codes else ["a code from a telephone company, free to call and on no bill"]
    stand: ReadinessStatus = "there" if agreed and codes else "part" if takers else "none"
    missing += [] if takers else ["an office that takes reports"]
    short = f"{len(takers)} {'office' if len(takers) == 1 else 'offices'}, {len(agreed) or 'none'} agreed"
    facts = tuple(map(_contact_line, takers)), tuple(missing), _sources(takers)
    return ReadinessItem("mechanism", stand, short if takers else "none found", *facts)


def _hotline(of: Country) -> ReadinessItem:
    helplines = [entry for entry in of.hotlines.values() if entry.kind == "child_helpline"]
    shown = [entry for entry in helplines if of.shows(entry)]
    missing = []
    for entry in helplines:
        if not entry.show.phone:
            missing.append(f"the number of {entry.screen_name}")
        elif not entry.verified():
            missing.append(f"somebody in {of.name} who has dialled {entry.screen_name} {entry.show.phone}")
        missing += [] if entry.show.hours else [f"the hours of {entry.screen_name}"]
        missing += [] if entry.toll_free else [f"whether calling {entry.screen_name} is free"]
    if not helplines:
        missing.append("a helpline for children; never a number from another country")
    whole = any(entry.verified() and entry.is_always_open and entry.toll_free for entry in shown)
    stand: ReadinessStatus = "there" if whole else "part" if helplines else "none"
    short = next(
        (f"{entry.screen_name} {entry.show.phone}" for entry in shown),
        "its number not found" if helplines else "none found",
    )
    return ReadinessItem(
        "hotline", stand, short, tuple(map(_contact_line, helplines)), tuple(missing), _sources(helplines)
    )


def _police(of: Country) -> ReadinessItem:
    police = [entry for entry in of.hotlines.values() if entry.kind == "police"]
    units = [entry for entry in police if POLICE_UNIT.search(entry.name)]
    missing = [] if units else ["a unit of the police for children, or for what is done online"]
    missing += [f"the number of {entry.screen_name}" for entry in police if not entry.show.phone]
    missing += [f"an agreement with {entry.screen_name}" for entry in police if not entry.agreed()]
    if not any(entry.covers_category("missing") for entry in police):
        missing.append("a desk that takes reports of missing children")
    stand: ReadinessStatus = "there" if any(entry.agreed() for entry in units) else "part" if police else "none"
    short = "a unit" if units else "a desk, no unit found" if police else "none found"
    return ReadinessItem("police", stand, short, tuple(map(_contact_line, police)), tuple(missing), _sources(police))


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
    numbers: list[tuple[str, SourcedEntry]] = [(entry.say(), entry) for entry in of.emergency]
    numbers += [(f"{entry.name} {entry.show.phone}", entry) for entry in of.hotlines.values() if entry.show.phone]
    dialled = [name for name, entry in numbers if entry.verified()]
    missing = [f"to settle, sources disagree: {name}" for name, entry in numbers if entry.conflict]
    missing += [f"to dial from every network: {name}" for name, entry in numbers if not entry.verified()]
    stand: ReadinessStatus = "there" if len(dialled) == len(numbers) else "part" if dialled else "none"
    found = (f"{len(dialled)} of {len(numbers)} numbers are confirmed by an organisation in the country",)
    disputed = ", one in dispute" if any(entry.conflict for _, entry in numbers) else ""
    short = f"{len(dialled)} of {len(numbers)}{disputed}"
    return ReadinessItem("numbers", stand, short, found, tuple(missing), _sources(entry for _, entry in numbers))


def _contact_line(entry: Hotline) -> str:
    facts = [entry.show.phone or "no number found", entry.show.hours, "free" if entry.toll_free else ""]
    return f"{entry.name}: {', '.join(filter(None, facts))}"


def _sources(of: Iterable[SourcedEntry]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, _dated(of))))


def _dated(of: Iterable[SourcedEntry]) -> Iterator[str]:
    for entry in of:
        for source in entry.source.split(" ; "):
            yield f"{source.strip()} ({entry.source_date or 'no date'}, {entry.grade})" if source.strip() else ""
