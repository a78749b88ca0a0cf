"""The tables of countries in docs/countries.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date

import locales
from flows.catalogues import load, needed_messages, signed_and_drafts
from reports.countries.country import Country, load_countries, shipped_countries
from reports.countries.language_names import language_name
from reports.countries.law import CRITERIA
from reports.countries.validation import TRANSLATED_WORDS
from tests.flows.phone import book
from tokaut.checks.live_checklist import checklist

LAW = {"yes": "yes", "yes_2014": "yes in 2014", "not": "not in {}", "unknown": "not known"}


def shown() -> str:
    """Return the table of numbers and offices that the screens name."""
    return _table(
        ["country", "file", "in danger", "for children", "other offices in the file", "languages of the screens"],
        lambda of: [
            of.name,
            f"`{of.file.partition('.')[0]}`",
            of.emergency[0].display_text() + (", **in dispute**" if of.emergency[0].conflict else ""),
            next((f"{one.screen_name} {one.show.phone}" for one in [of.helpline()] if one), "none found"),
            ", ".join(_others(of)) or "none found",
            "; ".join(_languages(of)),
        ],
    )


def _others(of: Country) -> Iterable[str]:
    first = of.helpline()
    return (
        f"{h.screen_name} {h.show.phone if of.shows(h) else ''}".strip() for h in of.hotlines.values() if h != first
    )


def _languages(of: Country) -> Iterable[str]:
    known = load(locales.FOLDER)
    read, drafts = signed_and_drafts(of.languages, known, needed_messages(book(), TRANSLATED_WORDS))
    rest = [tag for tag in of.languages if tag not in known]
    for title, tags in (("", read), ("draft: ", drafts), ("not translated: ", rest)):
        if tags:
            yield title + ", ".join(map(language_name, tags))


def missing() -> str:
    """Return the table of what each country still lacks, with counts."""
    return _table(
        ["country", "numbers to confirm", "offices to agree with", "also, before it can go live"],
        lambda of: [of.name, *map(str, _counts(of)), "; ".join(_also(of)) or "nothing more"],
    )


def _counts(of: Country) -> tuple[int, int]:
    numbers = sum(not one.verified() for one in (*of.emergency, *(h for h in of.hotlines.values() if h.phone)))
    return numbers, sum(bool(one.card.missing()) for one in of.hotlines.values())


def _also(of: Country) -> Iterable[str]:
    words = {
        "dispute": "settle the first number: its sources disagree",
        "source": "find out how old the source of some numbers is",
        "confirmed": "ask whether {} without a number take reports",
        "grade": "find a better source for some numbers",
        "cut_off": "name the hotline that gets incomplete reports",
        "missing_child": "find a police desk for missing children",
        "fault": "fix the file",
    }
    found = Counter(step.key for step in checklist(of, [], date.fromisoformat(of.as_of)) if step.is_blocking)
    silent = sum(not one.show.phone and not one.verified() for one in of.hotlines.values())
    offices = "1 office" if silent == 1 else f"{silent} offices"
    line = [words[key].format(offices) for key in words if found[key]]
    return [one.replace("1 office without a number take ", "1 office without a number takes ") for one in line]


def law() -> str:
    heads = ("there is a law", "it names phones and computers", "it forbids possession")
    return _table(
        ["country", *heads, "it defines such pictures", "companies have to report them"],
        lambda of: [of.name, *(_stands(of, criterion) for criterion in CRITERIA)],
    )


def _stands(of: Country, criterion: str) -> str:
    return LAW[of.law.stands(criterion)].format(of.law.latest.year if of.law.latest else "")


def _table(heads: list[str], row: Callable[[Country], list[str]]) -> str:
    served = load_countries(shipped_countries(), "demo")
    rows = [heads, ["---"] * len(heads), *(row(of) for of in sorted(served, key=lambda of: of.name))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
