"""The partner card: what a hotline has agreed to before live mode gives it a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from pydantic.dataclasses import dataclass

Category = Literal[
    "harm", "luring", "images", "missing", "exploitation", "bullying", "self_harm", "neglect", "other", "all"
]
AgeBand = Literal["0-5", "6-9", "10-12", "13-15", "16-17", "18+", "all"]
Priority = Literal["P1", "P2", "P3", "P4"]

SHUT = ConfigDict(extra="forbid")
# What live mode does not ask for.
SPARE = frozenset(
    {"duty_to_report", "drills_to", "missing_children", "regional", "operator_contact", "retention_days", "rota"}
)
SPARE |= {"takes_sms", "takes_relay"}


def iso_date(text: str) -> str:
    """An ISO 8601 date, or empty for none."""
    if text:
        date.fromisoformat(text)
    return text


IsoDate = Annotated[str, AfterValidator(iso_date)]


@dataclass(frozen=True, slots=True, kw_only=True, config=SHUT)
class Card:
    """What the hotline has agreed to (docs/safeguarding.md, appendix B). Roles, never private names."""

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
    rota: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # hours → duty officers who are told first then
    backup: str = ""
    supervisor: tuple[str, ...] = ()
    drills_to: tuple[str, ...] = ()  # outside live mode in the place of duty officer and supervisor
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
    verified_by: str = ""
    verified_on: IsoDate = ""
    # not needed for live mode
    missing_children: str = ""
    regional: str = ""
    operator_contact: str = ""
    takes_sms: StrictBool | None = None
    takes_relay: StrictBool | None = None
    retention_days: int | None = Field(default=None, ge=1, le=3660)  # of what its staff read here, once it is closed

    def missing(self) -> tuple[str, ...]:
        """The fields without which live mode gives this hotline no report."""
        empty = [f.name for f in fields(self) if f.name not in SPARE and not getattr(self, f.name)]
        if set(self.answers_within) != {"P1", "P2", "P3", "P4"} and "answers_within" not in empty:
            empty.append("answers_within")
        return tuple(empty)
