"""The readiness of a country: the items it has and lacks before going live, with their sources. Pure.

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
    "mechanism": "Reporting body",
    "hotline": "A helpline for children",
    "police": "Specialised police unit",
    "languages": "The screens' languages",
    "numbers": "Phone numbers verified",
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

    `summary`: its status, for a table of countries. `found`, `missing`: what the country has and lacks, in words.
    """

    name: str
    status: ReadinessStatus
    summary: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def title(self) -> str:
        """Return the heading of the item."""
        return READINESS_TITLES[self.name]


def readiness_items(country: Country, reviewed: Sequence[str], drafts: Sequence[str]) -> tuple[ReadinessItem, ...]:
    """Return the items of a country in their order.

    `reviewed`, `drafts`: the languages of the country that have a reviewed catalogue, or a draft of one.
    """
    return (
        _law(country),
        _mechanism(country),
        _hotline(country),
        _police(country),
        _languages(country, reviewed, drafts),
        _numbers(country),
    )


def _law(country: Country) -> ReadinessItem:
    statuses = {name: country.law.stands(name) for name in CRITERIA}
    latest = country.law.latest
    findings = tuple(f"{CRITERION_SENTENCES[name]}: {CRITERION_LABELS[status]}" for name, status in statuses.items())
    missing = tuple(
        f"to find out: whether {CRITERION_SENTENCES[name]}" for name, status in statuses.items() if status == "unknown"
    )
    missing += tuple(
        f"not in the law: {CRITERION_SENTENCES[name]}" for name, status in statuses.items() if status == "not"
    )
    missing += tuple(
        f"to confirm, it was so in 2014: {CRITERION_SENTENCES[name]}"
        for name, status in statuses.items()
        if status == "yes_2014"
    )
    if country.duty_to_report is None:
        missing += ("to find out: whether a hotline has to tell the police or child welfare",)
    sources = [latest.edition.partition(";")[0], *WEB_ADDRESS.findall(latest.title)] if latest else []
    sources += [country.law.seed_2014.edition] if country.law.seed_2014 else []
    known_count = sum(status != "unknown" for status in statuses.values())
    yes_count = sum(status.startswith("yes") for status in statuses.values())
    readiness: ReadinessStatus = (
        "unknown" if not known_count else "there" if set(statuses.values()) == {"yes"} else "part"
    )
    unknown_note = f", {len(statuses) - known_count} not known" if known_count < len(statuses) else ""
    summary = f"{yes_count} of {len(statuses)}{unknown_note}" if known_count else "not known"
    return ReadinessItem("law", readiness, summary, findings, missing, tuple(sources))


def _mechanism(country: Country) -> ReadinessItem:
    """Check for somewhere to report to: an office that has agreed to take reports, and a code to reach it by."""
    offices = [hotline for hotline in country.hotlines.values() if hotline.kind != "police"]
    agreed = [hotline for hotline in offices if hotline.agreed()]
    codes = [code.code for code in country.codes if code.given]
    missing = [f"an agreement with {hotline.screen_name}" for hotline in offices if hotline not in agreed]
    missing += [] if codes else ["a code from a telephone company, free to call and on no bill"]
    status: ReadinessStatus = "there" if agreed and codes else "part" if offices else "none"
    missing += [] if offices else ["an office that takes reports"]
    summary = f"{len(offices)} {'office' if len(offices) == 1 else 'offices'}, {len(agreed) or 'none'} agreed"
    facts = tuple(map(_contact_line, offices)), tuple(missing), _sources(offices)
    return ReadinessItem("mechanism", status, summary if offices else "none found", *facts)


def _hotline(country: Country) -> ReadinessItem:
    helplines = [hotline for hotline in country.hotlines.values() if hotline.kind == "child_helpline"]
    shown_helplines = [hotline for hotline in helplines if country.shows(hotline)]
    missing = []
    for hotline in helplines:
        if not hotline.show.phone:
            missing.append(f"the number of {hotline.screen_name}")
        elif not hotline.verified():
            missing.append(f"somebody in {country.name} who has dialled {hotline.screen_name} {hotline.show.phone}")
        missing += [] if hotline.show.hours else [f"the hours of {hotline.screen_name}"]
        missing += [] if hotline.toll_free else [f"whether calling {hotline.screen_name} is free"]
    if not helplines:
        missing.append("a helpline for children; never a number from another country")
    is_complete = any(
        hotline.verified() and hotline.is_always_open and hotline.toll_free for hotline in shown_helplines
    )
    status: ReadinessStatus = "there" if is_complete else "part" if helplines else "none"
    summary = next(
        (f"{hotline.screen_name} {hotline.show.phone}" for hotline in shown_helplines),
        "its number not found" if helplines else "none found",
    )
    return ReadinessItem(
        "hotline", status, summary, tuple(map(_contact_line, helplines)), tuple(missing), _sources(helplines)
    )


def _police(country: Country) -> ReadinessItem:
    police = [hotline for hotline in country.hotlines.values() if hotline.kind == "police"]
    units = [hotline for hotline in police if POLICE_UNIT.search(hotline.name)]
    missing = [] if units else ["a unit of the police for children, or for what is done online"]
    missing += [f"the number of {hotline.screen_name}" for hotline in police if not hotline.show.phone]
    missing += [f"an agreement with {hotline.screen_name}" for hotline in police if not hotline.agreed()]
    if not any(hotline.covers_category("missing") for hotline in police):
        missing.append("a desk that takes reports of missing children")
    status: ReadinessStatus = "there" if any(hotline.agreed() for hotline in units) else "part" if police else "none"
    summary = "a unit" if units else "a desk, no unit found" if police else "none found"
    return ReadinessItem("police", status, summary, tuple(map(_contact_line, police)), tuple(missing), _sources(police))


def _languages(country: Country, reviewed: Sequence[str], drafts: Sequence[str]) -> ReadinessItem:
    untranslated = [tag for tag in country.languages if tag not in (*reviewed, *drafts)]
    findings = [
        f"{language_name(tag)}: {'as it was written' if tag == 'en' else 'read and signed'}" for tag in reviewed
    ]
    findings += [f"{language_name(tag)}: a draft of a machine" for tag in drafts]
    missing = [f"two people who read {language_name(tag)} and sign" for tag in drafts]
    missing += [f"a translation into {language_name(tag)}" for tag in untranslated]
    own_languages = [tag for tag in reviewed if tag != "en"]
    status: ReadinessStatus = (
        "there"
        if not (drafts or untranslated)
        else "part"
        if own_languages or drafts or "en" in country.languages
        else "none"
    )
    summary = ", ".join([*map(language_name, reviewed), *(f"{language_name(tag)} (draft)" for tag in drafts)]) or "none"
    summary += f", {len(untranslated)} missing" if untranslated else ""
    return ReadinessItem(
        "languages", status, summary, tuple(findings), tuple(missing), tuple(f"locales/{tag}.po" for tag in drafts)
    )


def _numbers(country: Country) -> ReadinessItem:
    numbers: list[tuple[str, SourcedEntry]] = [(entry.display_text(), entry) for entry in country.emergency]
    numbers += [(f"{entry.name} {entry.show.phone}", entry) for entry in country.hotlines.values() if entry.show.phone]
    numbers += [(f"{entry.name} {entry.phone}", entry) for entry in country.services if entry.phone and not entry.demo]
    dialled = [name for name, entry in numbers if entry.verified()]
    missing = [f"to settle, sources disagree: {name}" for name, entry in numbers if entry.conflict]
    missing += [f"to dial from every network: {name}" for name, entry in numbers if not entry.verified()]
    status: ReadinessStatus = "there" if len(dialled) == len(numbers) else "part" if dialled else "none"
    findings = (f"{len(dialled)} of {len(numbers)} numbers are confirmed by an organisation in the country",)
    disputed = ", one in dispute" if any(entry.conflict for _, entry in numbers) else ""
    summary = f"{len(dialled)} of {len(numbers)}{disputed}"
    return ReadinessItem("numbers", status, summary, findings, tuple(missing), _sources(entry for _, entry in numbers))


def _contact_line(entry: Hotline) -> str:
    facts = [entry.show.phone or "no number found", entry.show.hours, "free" if entry.toll_free else ""]
    return f"{entry.name}: {', '.join(filter(None, facts))}"


def _sources(entries: Iterable[SourcedEntry]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, _dated(entries))))


def _dated(entries: Iterable[SourcedEntry]) -> Iterator[str]:
    for entry in entries:
        for source in entry.source.split(" ; "):
            yield f"{source.strip()} ({entry.source_date or 'no date'}, {entry.grade})" if source.strip() else ""
