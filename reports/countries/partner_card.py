"""The partner card: what a hotline has agreed to before live mode gives it reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from pydantic.dataclasses import dataclass

from reports.escalation.priorities import PRIORITIES

Category = Literal[
    "harm", "luring", "images", "missing", "exploitation", "bullying", "self_harm", "neglect", "other", "all"
]
AgeBand = Literal["0-5", "6-9", "10-12", "13-15", "16-17", "18+", "all"]
Priority = Literal["P1", "P2", "P3", "P4"]

FORBID_EXTRA = ConfigDict(extra="forbid")
MAX_AGREEMENT_MONTHS = 24
CONTACT_PATTERN = re.compile(r"[^@\s]+@[^@\s]+|\+[1-9][0-9]{6,14}")
# Fields that live mode does not require
OPTIONAL_FIELDS = frozenset(
    {"duty_to_report", "drills_to", "missing_children", "regional", "operator_contact", "retention_days", "rota"}
)
OPTIONAL_FIELDS |= {"takes_sms", "takes_relay"}


def check_iso_date(text: str) -> str:
    """Return the text if it is an ISO 8601 date or empty; else raise ValueError."""
    if text:
        date.fromisoformat(text)
    return text


IsoDate = Annotated[str, AfterValidator(check_iso_date)]


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class PartnerCard:
    """What the hotline has agreed to (docs/safeguarding.md, appendix B). Contacts are roles, never private names."""

    organisation: str = ""
    mandate: str = ""
    agreement_date: IsoDate = ""
    agreement_until: IsoDate = ""
    categories: tuple[Category, ...] = ()
    ages: tuple[AgeBand, ...] = ()
    places: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    hours: str = ""
    time_zone: str = ""
    holidays: str = ""
    answers_within: Mapping[Priority, int] = field(default_factory=dict)  # minutes
    key_id: str = ""
    tested_on: IsoDate = ""
    duty_officer: tuple[str, ...] = ()
    rota: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # hours → duty officers who are notified first then
    backup: str = ""
    supervisor: tuple[str, ...] = ()
    drills_to: tuple[str, ...] = ()  # outside live mode they replace duty officer and supervisor
    fallback: str = ""
    duty_to_report: StrictBool | None = None  # None = not established
    duty_law: str = ""
    without_name: str = ""
    incomplete: str = ""
    contact_policy: str = ""
    police: str = ""
    retention: str = ""
    data_law: str = ""
    vetting: str = ""
    training: str = ""
    supervision: str = ""
    conflict_of_interest: str = ""
    complaints: str = ""
    incident_notice: str = ""
    keeps_keys: str = ""
    media: str = ""
    drill_on: IsoDate = ""
    drill_minutes: int = Field(default=0, ge=0)  # minutes until the last drill was acknowledged
    verified_by: str = ""
    verified_on: IsoDate = ""
    # not needed for live mode
    missing_children: str = ""
    regional: str = ""
    operator_contact: str = ""
    takes_sms: StrictBool | None = None
    takes_relay: StrictBool | None = None
    retention_days: int | None = Field(
        default=None, ge=1, le=3660
    )  # of a report that its staff read here, after closing

    def missing(self) -> tuple[str, ...]:
        """Return the fields without which live mode gives this hotline no report."""
        empty = [f.name for f in fields(self) if f.name not in OPTIONAL_FIELDS and _is_empty(getattr(self, f.name))]
        if set(self.answers_within) != set(PRIORITIES) and "answers_within" not in empty:
            empty.append("answers_within")
        return tuple(empty)

    def problems(self) -> Iterator[str]:
        """Yield the entries that cannot be right, in words that follow `card.`; none depends on today's date."""
        for name in ("duty_officer", "supervisor", "drills_to"):
            for entry in getattr(self, name):
                if not CONTACT_PATTERN.fullmatch(entry):
                    yield f"{name}: {entry!r} is neither a mailbox nor a number with + and the country's code."
        if self.agreement_date and self.agreement_until:
            start, end = map(date.fromisoformat, (self.agreement_date, self.agreement_until))
            months = (end.year - start.year) * 12 + end.month - start.month
            if end < start:
                yield "agreement_until: it ends before it begins; compare both dates with the agreement."
            elif (months, end.day) > (MAX_AGREEMENT_MONTHS, start.day):
                limit = f"{MAX_AGREEMENT_MONTHS} months"
                yield f"agreement_until: it is more than {limit} after it was signed; agree on less."


def _is_empty(value: object) -> bool:
    """Return whether a field holds nothing. A text of blanks is not an agreement."""
    if isinstance(value, str):
        return not value.strip()
    return not value or (isinstance(value, tuple) and not all(entry.strip() for entry in value))
