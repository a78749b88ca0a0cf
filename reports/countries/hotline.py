"""Hotlines of a country file: numbers, what screens may show of them, and the partner card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, fields
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from pydantic.dataclasses import dataclass

from reports.escalation import PRIORITIES, Priority
from reports.facts import AgeBand, Category
from runtime.settings import Mode
from runtime.settings.parsers import MAIL_ADDRESS

CardCategory = Literal[Category, "all"]
CardAgeBand = Literal[AgeBand, "all"]

HotlineKind = Literal["child_helpline", "internet_hotline", "women_family", "police", "missing_children", "regional"]

FORBID_EXTRA = ConfigDict(extra="forbid")
MAX_AGREEMENT_MONTHS = 24
CONTACT_PATTERN = re.compile(rf"{MAIL_ADDRESS.pattern}|\+[1-9][0-9]{{6,14}}")
# Fields that live mode does not require
OPTIONAL_FIELDS = frozenset(
    {"duty_to_report", "drills_to", "missing_children", "regional", "operator_contact", "retention_days", "rota"}
)
_CHILD_KINDS: tuple[HotlineKind, ...] = ("child_helpline", "women_family", "police", "regional")
_ONLINE_KINDS: tuple[HotlineKind, ...] = ("child_helpline", "internet_hotline", "women_family", "police", "regional")

# The kinds of hotline that take each category, in the order in which they are tried
KINDS_BY_CATEGORY: Mapping[str, tuple[HotlineKind, ...]] = {
    "harm": _CHILD_KINDS,
    "luring": _ONLINE_KINDS,
    "images": ("internet_hotline", "child_helpline", "police", "regional"),
    "missing": ("missing_children", "child_helpline", "police", "regional"),
    "exploitation": ("child_helpline", "police", "women_family", "regional"),
    "bullying": _ONLINE_KINDS,
    "self_harm": _CHILD_KINDS,
    "neglect": _CHILD_KINDS,
    "other": _CHILD_KINDS,
}

Grade = Literal["official", "secondary", "metadata", "unverified"]
SHOWN_GRADES: tuple[Grade, ...] = ("official", "secondary")  # a screen may show numbers of these
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIALABLE = re.compile(r"\+?[0-9](?:[ -]?[0-9])*")
# Characters that take one septet each in GSM-7 and look the same on every phone.
SCREEN_NAME_PATTERN = r"^[A-Za-z0-9 '.,&/+-]*$"
MAX_SCREEN_NAME_SEPTETS = 18
MAX_NAMED_FIELDS = 4  # fields that one sentence names; `tokaut check --country` names all of them
CONFIRM_INTERVAL = timedelta(days=365)
DRILL_INTERVAL = timedelta(days=90)


# The partner card: what a hotline has agreed to before live mode gives it reports.

OPTIONAL_FIELDS |= {"takes_sms", "takes_relay"}


def check_iso_date(text: str) -> str:
    """Return the text if it is a date as 2026-11-01, or empty; else raise ValueError. A screen shows one as written."""
    if text and date.fromisoformat(text).isoformat() != text:
        raise ValueError("write it as 2026-11-01")
    return text


IsoDate = Annotated[str, AfterValidator(check_iso_date)]


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class PartnerCard:
    """The agreement with a hotline (docs/add-a-hotline.md, The card). Contacts are roles, never private names."""

    organisation: str = ""
    mandate: str = ""
    agreement_date: IsoDate = ""
    agreement_until: IsoDate = ""
    categories: tuple[CardCategory, ...] = ()
    ages: tuple[CardAgeBand, ...] = ()
    places: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    hours: str = ""
    time_zone: str = ""
    holidays: str = ""
    answers_within: Mapping[Priority, Annotated[int, Field(ge=1)]] = field(default_factory=dict)  # minutes
    key_id: str = ""
    tested_on: IsoDate = ""
    duty_officer: tuple[str, ...] = ()
    # Hours → the duty officers who are notified first in these hours.
    rota: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
    # Days after closing, for a report that its staff read in our console.
    retention_days: int | None = Field(default=None, ge=1, le=3660)

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


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class SourcedEntry:
    """A number with its source, and who has confirmed it since. Dates are ISO 8601; empty: none."""

    source: str = ""
    source_date: str = ""
    grade: Grade
    note: str = ""
    conflict: StrictBool = False  # sources name different numbers for the same service
    settle: str = ""  # if in conflict: the question that people in the country have to answer
    verified_on: IsoDate = ""  # when somebody in the country dialled it
    verified_by: str = ""  # an organisation, never a person
    withdrawn: StrictBool = False  # no screen shows it any more

    def verified(self) -> bool:
        """Return whether somebody in the country has confirmed the number."""
        return bool(self.verified_on and self.verified_by.strip())

    def may_show(self, mode: Mode) -> bool:
        """Return whether a screen of this mode may show the number (S-31)."""
        if self.withdrawn or self.grade not in SHOWN_GRADES:
            return False
        return mode != Mode.LIVE or not self.live_mode_fault()

    def live_mode_fault(self) -> str:
        """Return why live mode may not show the number, in words; empty if it may."""
        missing = [
            name for name in ("source", "source_date", "verified_on", "verified_by") if not getattr(self, name).strip()
        ]
        if missing:
            return "has no " + ", no ".join(missing)
        if self.conflict:
            return "is in conflict between its sources" + (f", settle {self.settle}" if self.settle else "")
        return "" if self.grade in SHOWN_GRADES else f"has only the grade {self.grade}"


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class PhoneNumber(SourcedEntry):
    """An emergency number, or the number of a hotline, for screens."""

    service: str
    word: str  # the service in one word, for screens: police, emergency
    number: str
    takes_sms: StrictBool = False  # a deaf child cannot call

    def display_text(self) -> str:
        """Return the number with its service before it, as screens show it (S-32)."""
        return f"{self.word} {self.number}"

    def overdue(self, today: date) -> list[str]:
        """Return the checks of an emergency number that must be repeated. A passed date does not hide it."""
        problems = [f"emergency {self.number}: {fault}" for fault in dates_to_come(self, today)]
        if not self.withdrawn and is_overdue(self.verified_on, CONFIRM_INTERVAL, today):
            problems.append(
                f"emergency {self.number}: it was last confirmed on {self.verified_on}; have it dialled again."
            )
        return problems


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class HotlineDisplay:
    """The facts of a hotline for screens. Empty: no source states the fact, so screens do not show it."""

    phone: str = ""
    phone_alt: tuple[str, ...] = ()
    by_place: Mapping[str, str] = field(default_factory=dict)
    sms: str = ""  # a number to text
    toll_free: StrictBool = False
    hours: str = ""  # "24h", or as the hotline states them

    @property
    def numbers(self) -> tuple[str, ...]:
        """Return all numbers, to call and to text."""
        return tuple(filter(None, (self.phone, *self.phone_alt, *self.by_place.values(), self.sms)))


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class Hotline(SourcedEntry):
    """A hotline of a country file.

    `show`: what screens may say of it. `delivery`: how it gets reports. `wants_links`: its reports hold web addresses.
    `card`: the agreement with it.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)
    name: str
    listed_as: str = ""  # the name in the source
    screen_name: str
    kind: HotlineKind
    show: HotlineDisplay = HotlineDisplay()
    delivery: str
    wants_links: StrictBool = False
    card: PartnerCard = PartnerCard()

    @property
    def phone(self) -> PhoneNumber | None:
        """Return the number for screens; None if no source has one."""
        if not self.show.phone:
            return None
        shared_fields = {entry_field.name: getattr(self, entry_field.name) for entry_field in fields(SourcedEntry)}
        return PhoneNumber(service=self.name, word=self.screen_name, number=self.show.phone, **shared_fields)

    def texts(self, mode: Mode) -> str:
        """Return the number that takes SMS; empty if the card says that the hotline takes none.

        Live mode needs a card that says it does: who dialled its other number has not tried this one (S-31).
        """
        return self.show.sms if self.card.takes_sms or (self.card.takes_sms is None and mode != Mode.LIVE) else ""

    @property
    def toll_free(self) -> bool:
        """Return whether a call to it is free."""
        return self.show.toll_free

    @property
    def is_always_open(self) -> bool:
        """Return whether it is open day and night."""
        return self.show.hours == "24h"

    def agreed(self) -> bool:
        """Return whether live mode may give it reports (S-34)."""
        return not self.card.missing() and self.verified()

    def covers_category(self, category: str) -> bool:
        """Return whether it takes this category of report."""
        return "all" in self.card.categories or category in self.card.categories

    def covers_age(self, band: str) -> bool:
        """Return whether it takes this age band; an unknown age is always taken."""
        return band == "unknown" or "all" in self.card.ages or band in self.card.ages

    def covers_place(self, codes: frozenset[str]) -> bool:
        """Return whether it takes reports from a place.

        `codes`: the place, or all places of a group; empty: the place is not known.
        """
        return not codes or "all" in self.card.places or not codes.isdisjoint(self.card.places)

    def live_problems(self) -> list[str]:
        """Return the faults for which live mode refuses this hotline, a sentence each."""
        problems = []
        if self.show.phone and not self.withdrawn and (fault := self.live_mode_fault()):
            problems.append(f"hotline {self.id}: the number {self.show.phone} {fault}; {CONFIRM_HINT}")
        if not self.show.phone and not self.verified():  # it would get no report, and nobody would notice
            problems.append(f"hotline {self.id} has no verified_on and verified_by; have it confirmed in the country.")
        if missing := self.card.missing():
            named_fields = (
                missing
                if len(missing) <= MAX_NAMED_FIELDS
                else (*missing[:MAX_NAMED_FIELDS], f"{len(missing) - MAX_NAMED_FIELDS} more")
            )
            problems.append(
                f"hotline {self.id}: the partner card lacks {', '.join(named_fields)}; agree on them and fill in."
            )
        return problems

    def overdue(self, today: date) -> list[str]:
        """Return the checks that must be repeated. A passed date does not stop or hide anything."""
        card = self.card
        dates = (
            (self.verified_on, CONFIRM_INTERVAL, "its number was last confirmed on {}; have it dialled again."),
            (card.verified_on, CONFIRM_INTERVAL, "its partner card was last checked on {}; check it again."),
            (card.drill_on, DRILL_INTERVAL, "its last drill was on {}; hold another one."),
            (card.agreement_until, timedelta(0), "its agreement ended on {}; sign a new one."),
        )
        problems = [
            f"hotline {self.id}: {message.format(checked_on)}"
            for checked_on, interval, message in dates
            if is_overdue(checked_on, interval, today)
        ]
        if self.show.sms and self.verified() and card.takes_sms is None:
            problems.append(f"hotline {self.id}: card.takes_sms is missing; text {self.show.sms} and say who answers.")
        problems += [f"hotline {self.id}: {fault}" for fault in dates_to_come(self, today)]
        agreed_dates = ("agreement_date", "tested_on", "drill_on", "verified_on")
        problems += [f"hotline {self.id}: card.{fault}" for fault in dates_to_come(card, today, agreed_dates)]
        if (last := max(_DATE.findall(card.holidays), default="")) and is_overdue(last, timedelta(0), today):
            problems.append(f"hotline {self.id}: its last holiday was {last}; ask for those to come.")
        if (drill_minutes := card.drill_minutes) > (agreed := card.answers_within.get(Priority.P1, drill_minutes)):
            problems.append(
                f"hotline {self.id}: its last drill waited {drill_minutes} min, agreed are {agreed}; hold another one."
            )
        return problems


CONFIRM_HINT = "have it dialled and confirmed in the country, then fill these in."


def is_dialable(number: str) -> bool:
    """Return whether this is a number as people dial it: a short code, a national or an E.164 number.

    It has 2 to 15 digits, with single blanks or hyphens between them, and may begin with `+`.
    """
    return bool(_DIALABLE.fullmatch(number)) and 2 <= len(digits_of(number)) <= 15


def digits_of(number: str) -> str:
    """Return the digits of a number."""
    return re.sub(r"\D+", "", number)


def dates_to_come(entry: object, today: date, names: Iterable[str] = ("verified_on",)) -> Iterator[str]:
    """Yield the dates of an entry on which something was done, and that are days to come."""
    for name in names:
        if (on := getattr(entry, name)) and date.fromisoformat(on) > today + timedelta(
            days=1
        ):  # elsewhere it is tomorrow
            yield f"{name}: {on} is a day to come; enter the day on which it was done."


def is_overdue(on: str, within: timedelta, today: date) -> bool:
    """Return whether more than `within` has passed since the ISO date `on`. An empty date is missing, not overdue."""
    return bool(on) and today - date.fromisoformat(on) > within
