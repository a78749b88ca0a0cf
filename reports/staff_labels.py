"""The words by which staff read a report's codes: one set for list, report, statistics, CSV and documentation. Pure.

They are longer and plainer than the choices on a phone's screen, and name the field's own terms. Screens and labels
change independently: what the reporter saw is in the table of questions and answers of the report's page. The console
translates them (`console/locales`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reports.case_state import CaseOutcome, Handling
from reports.facts import CONTACT_REQUEST

CONCERNS: Final[Mapping[str, str]] = {
    "harm": "Hurt or touched (physical or sexual abuse)",
    "luring": "Asked for photos or money (grooming, blackmail)",
    "images": "Photos shared or threatened (sexual images)",
    "missing": "Missing or away from home",
    "exploitation": "Forced work or sale (exploitation, trafficking)",
    "bullying": "Bullying or threats",
    "self_harm": "Thoughts of suicide or self-harm",
    "neglect": "No care, food or home (neglect)",
    "other": "Another concern, or not known",
}
CONTACT_REQUESTED: Final = "Asks to be called"  # shown in place of a concern
DANGER: Final[Mapping[str, str]] = {
    "now": "In danger now",
    "soon": "In danger soon, as the reporter expects",
    "no": "Not in danger",
    "unsure": "Not sure whether in danger",
}
CHILDREN: Final[Mapping[str, str]] = {  # the child concerned
    "me": "The reporter",
    "my_child": "A child of the reporter",
    "child_i_know": "A child whom the reporter knows",
    "other": "Another child",
}
AGES: Final[Mapping[str, str]] = {
    "0-5": "0-5 years",
    "6-9": "6-9 years",
    "10-12": "10-12 years",
    "13-15": "13-15 years",
    "16-17": "16-17 years",
    "18+": "18 years and over",
}
REPORTERS: Final[Mapping[str, str]] = {
    "child": "A child",
    "family": "Family",
    "professional": "Works with children",
    "community": "Community",
}
CHANNELS: Final[Mapping[str, str]] = {
    "ussd": "USSD (dialled a code)",
    "sms": "SMS (text messages)",
    "voice": "Call, by the keys of a telephone",
    "simulator": "Phone page in a browser",
    "staff": "Told to staff, by telephone or in person",
}
STATUSES: Final[Mapping[Handling, str]] = {
    Handling.NONE: "not taken yet",
    Handling.ACCEPTED: "taken",
    Handling.IN_PROGRESS: "in progress",
    Handling.REJECTED: "sent to another hotline",
    Handling.CLOSED: "closed",
}
OUTCOMES: Final[Mapping[CaseOutcome, str]] = {
    CaseOutcome.HELPED: "Helped",
    CaseOutcome.REFERRED: "Referred to another service",
    CaseOutcome.NOT_REACHED: "The reporter could not be reached",
    CaseOutcome.NONE_RESPONDED: "Referred, but no service responded",
    CaseOutcome.NO_CHILD_IN_NEED: "No child needs help now",
    CaseOutcome.HOAX: "False report (a second person must agree)",
}
SEXES: Final[Mapping[str, str]] = {"girl": "Girl", "boy": "Boy", "another": "Another"}
DISABILITIES: Final[Mapping[str, str]] = {"disability": "With a disability", "no_disability": "Without a disability"}
# Question of a flow → the labels of its answers.
ANSWERS: Final[Mapping[str, Mapping[str, str]]] = {
    "category": {**CONCERNS, CONTACT_REQUEST: CONTACT_REQUESTED},
    "danger": DANGER,
    "about": CHILDREN,
    "age_band": AGES,
}
_SETS: Final = (CONCERNS, DANGER, CHILDREN, AGES, REPORTERS, CHANNELS, STATUSES, OUTCOMES, SEXES, DISABILITIES)
ALL: Final = tuple(dict.fromkeys((CONTACT_REQUESTED, *(label for labels in _SETS for label in labels.values()))))
