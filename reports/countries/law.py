"""The law of a country on child sexual abuse material: five criteria, each at two times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import StrictBool
from pydantic.dataclasses import dataclass

from reports.countries.hotline import FORBID_EXTRA, Grade

CRITERIA = ("specific", "computer", "possession", "defined", "isp")
CriterionStatus = Literal["yes", "yes_2014", "not", "unknown"]
# The sentences of the law screen, by criterion and known value. The other two say nothing to a
# child. `it` is the law; {law_year} is the year of the source.
LAW_SENTENCES: Mapping[str, Mapping[CriterionStatus, str]] = {
    "specific": {
        "yes": "Sexual pictures of children are against the law here.",
        "yes_2014": "By 2014 sexual pictures of children were against the law here.",
        "not": "In {law_year} the law did not name sexual pictures of children.",
        "unknown": "We do not know if the law names sexual pictures of children.",
    },
    "computer": {
        "yes": "The law is about phones too.",
        "yes_2014": "By 2014 it was about phones too.",
        "not": "In {law_year} it did not name phones.",
        "unknown": "We do not know if it is about phones.",
    },
    "possession": {
        "yes": "It is against the law to keep such pictures.",
        "yes_2014": "By 2014 it was against the law to keep them.",
        "not": "In {law_year} it did not name keeping such pictures.",
        "unknown": "We do not know if it is against the law to keep them.",
    },
}
LAW_MESSAGES = tuple(sentence for sentences in LAW_SENTENCES.values() for sentence in sentences.values())


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class LawCriteria:
    """The five criteria at one time. None: not established, which never means that something is legal."""

    specific: StrictBool | None = None
    defined: StrictBool | None = None
    computer: StrictBool | None = None
    possession: StrictBool | None = None
    isp: StrictBool | None = None
    edition: str
    grade: Grade
    note: str = ""
    year: str = ""  # the year in which a criterion was not in the law, as laws change
    title: str = ""  # sources and titles of laws, verbatim: outdated terms may be used here and nowhere else


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class Law:
    """The criteria in 2014 and at the latest check."""

    seed_2014: LawCriteria | None = None
    latest: LawCriteria | None = None
    show_false: StrictBool = True  # "not in the law" could be read as permission; if False, "we do not know" is shown

    def problems(self) -> list[str]:
        """Return the faults of the entries, a sentence each."""
        latest = self.latest
        if latest and not latest.year and any(getattr(latest, name) is False for name in CRITERIA):
            return ["law.latest.year: it is missing; say of which year it is that something was not in the law."]
        return []

    def stands(self, criterion: str) -> CriterionStatus:
        """Return the known value of a criterion.

        A "no" of 2014 is never shown, because laws have changed since. None never becomes "no".
        """
        latest, seed = getattr(self.latest, criterion, None), getattr(self.seed_2014, criterion, None)
        if latest is None:
            return "yes_2014" if seed else "unknown"
        return "yes" if latest else "not" if self.show_false else "unknown"


def law_placeholders(law: Law, translate: Callable[[str], str]) -> dict[str, str]:
    """Return the placeholders of the law screen: a sentence for each criterion. `translate`: translates a text."""
    year = law.latest.year if law.latest else ""
    return {
        f"law_{criterion}": translate(sentences[law.stands(criterion)]).replace("{law_year}", year)
        for criterion, sentences in LAW_SENTENCES.items()
    }


def is_law_known(law: Law) -> bool:
    """Return whether anything is known about any criterion of the law screen."""
    return any(law.stands(criterion) != "unknown" for criterion in LAW_SENTENCES)
