"""The words and the choices of the form that closes a report. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reports import staff_labels
from reports.case_state import CaseOutcome
from reports.countries.country import Country
from reports.countries.referral import KIND_LABELS, ReferralChoice

__all__ = ["CHILD", "CLOSED_AS", "KIND_LABELS", "OUTCOMES", "TOLD", "referral_choices"]

OUTCOMES: Final = staff_labels.OUTCOMES
CLOSED_AS: Final[Mapping[str, str]] = {
    CaseOutcome.HELPED: "Closed: helped",
    CaseOutcome.REFERRED: "Closed: referred to another service",
    CaseOutcome.NOT_REACHED: "Closed: the reporter could not be reached",
    CaseOutcome.NONE_RESPONDED: "Closed: referred, but no service responded",
    CaseOutcome.NO_CHILD_IN_NEED: "Closed: no child needs help now",
    CaseOutcome.HOAX: "Closed: false report (confirmed by 2)",
}
CHILD: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {  # fact → its question, and the labels of its values
    "sex": ("Sex of the child", staff_labels.SEXES),
    "disability": ("Disability of the child", staff_labels.DISABILITIES),
}
TOLD: Final[Mapping[str, str]] = {  # who was told, beside the service
    "": "Nobody else",
    "police": "The police",
    "child_welfare": "Child welfare",
    "police_and_child_welfare": "The police and child welfare",
    "health": "A doctor or a health centre",
    "school": "A school",
    "parent": "A parent or carer",
    "other": "Somebody else (named above)",
}


def referral_choices(
    country: Country | None, own_hotline: str, report: Mapping[str, Any] | None
) -> tuple[ReferralChoice, ...]:
    """Return the services that a report may be referred to; none if its country is not served here any more."""
    if country is None:
        return ()
    place = (report or {}).get("place")
    place = place if isinstance(place, Mapping) else {}
    return country.referral_choices(own_hotline, place.get("code") or place.get("group"))
