"""The referral directory of a country file: services to which staff refer a child, by district.

Each entry needs a source, as a number on a screen does. Staff see all entries; a phone shows those with a `screen_name`
whose number is confirmed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Literal

from pydantic import Field, StrictBool
from pydantic.dataclasses import dataclass

from reports.countries.hotline import (
    CONFIRM_INTERVAL,
    FORBID_EXTRA,
    SCREEN_NAME_PATTERN,
    SHOWN_GRADES,
    SourcedEntry,
    dates_to_come,
    digits_of,
    is_dialable,
    is_overdue,
)
from runtime.settings import Mode

MAX_NAME, MAX_HOURS = 24, 24  # characters of one screen, beside the number, the date and the emergency number
HOURS_PATTERN = r"[A-Za-z0-9 :,-]*"

ServiceKind = Literal["child_welfare", "counselling", "health", "shelter", "legal_aid", "education", "police", "other"]


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class ReferralService(SourcedEntry):
    """A service to which staff refer a child.

    `places`: codes of the districts that it serves; empty: the whole country. `screen_name`: its name on phones; empty:
    no phone shows it. `demo`: the entry is made up for the demo, and live mode leaves it out.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)
    name: str = Field(min_length=1, max_length=80)
    kind: ServiceKind
    screen_name: str = ""
    places: tuple[str, ...] = ()
    phone: str = ""
    hours: str = ""
    demo: StrictBool = False

    def is_listed(self, mode: Mode) -> bool:
        """Return whether staff may choose this service in a mode."""
        return not self.withdrawn and self.grade in SHOWN_GRADES and (mode != Mode.LIVE or not self.demo)

    def serves(self, codes: frozenset[str]) -> bool:
        """Return whether it serves a place.

        `codes`: the place, or all places of a group; empty: the place is not known.
        """
        return not self.places or not codes or not codes.isdisjoint(self.places)

    def is_on_phones(self, mode: Mode) -> bool:
        """Return whether a phone may show this service in a mode."""
        return bool(self.screen_name and self.shown_phone) and self.is_listed(mode)

    @property
    def shown_phone(self) -> str:
        """Return the number if somebody in the country has confirmed it and no source contradicts it; else empty.

        No mode shows a number that nobody has confirmed.
        """
        return self.phone if self.verified() and not self.conflict and not self.withdrawn else ""


def service_placeholders(service: ReferralService) -> dict[str, str]:
    """Return the fields of the flows for a service that a phone may show."""
    return {
        "service_name": service.screen_name,
        "service_phone": service.shown_phone,
        "service_hours": service.hours,
        "service_checked": service.verified_on,
    }


def service_problems(
    services: Iterable[ReferralService], places: Collection[str], hotlines: Collection[str]
) -> Iterator[str]:
    """Yield the faults of the entries in any mode, a sentence each."""
    seen: set[str] = set(hotlines)
    for service in services:
        if service.id in seen:
            yield f"service {service.id}: the id is used twice; give each service and hotline one of its own."
        seen.add(service.id)
        if unknown := [code for code in service.places if code not in places]:
            yield f"service {service.id}: places: there is no place {', '.join(unknown)}; use codes of this file."
        yield from _phone_problems(service)
        if not service.source.strip() and not service.demo:
            yield f"service {service.id}: source: it is missing; name the page that the entry comes from."


def _phone_problems(service: ReferralService) -> Iterator[str]:
    """Yield the faults of an entry that phones may show."""
    if not service.screen_name:
        return
    if len(service.screen_name) > MAX_NAME or not re.fullmatch(SCREEN_NAME_PATTERN, service.screen_name):
        yield f"service {service.id}: screen_name: give it 1 to {MAX_NAME} of A to Z, digits and spaces."
    if len(service.hours) > MAX_HOURS or not re.fullmatch(HOURS_PATTERN, service.hours):
        yield f"service {service.id}: hours: a phone shows at most {MAX_HOURS} of A to Z, digits and :-,; shorten them."
    if "-" in service.phone or not is_dialable(service.phone) or len(digits_of(service.phone)) < 3:
        yield f"service {service.id}: phone: write 3 to 15 digits, a + before the country's code; or no screen_name."


def overdue_services(services: Iterable[ReferralService], today: date) -> Iterator[str]:
    """Yield the numbers that were confirmed too long ago, or on a day to come. Neither hides a number."""
    for service in services:
        yield from (f"service {service.id}: {fault}" for fault in dates_to_come(service, today))
        if (
            service.phone
            and not (service.withdrawn or service.demo)
            and is_overdue(service.verified_on, CONFIRM_INTERVAL, today)
        ):
            yield f"service {service.id}: its number was last confirmed on {service.verified_on}; dial it again."


@dataclass(frozen=True, slots=True)
class ReferralChoice:
    """A service as staff choose it when they close a report.

    `kind`: of the service or of the hotline. `phone`: empty unless confirmed. `verified_by`, `verified_on`: by whom and
    when. `is_here`: it serves the place of the report.
    """

    id: str
    name: str
    kind: str
    phone: str
    hours: str
    verified_by: str
    verified_on: str
    is_here: bool
    demo: bool = False


def sorted_choices(choices: Iterable[ReferralChoice]) -> tuple[ReferralChoice, ...]:
    """Return the choices with those that serve the place first."""
    return tuple(sorted(choices, key=lambda choice: not choice.is_here))


def service_choices(services: Iterable[ReferralService], mode: Mode, place: frozenset[str]) -> Iterator[ReferralChoice]:
    """Yield the listed services of a country. `place`: codes of the report's place; empty if it is not known."""
    for service in services:
        if service.is_listed(mode):
            proof = (service.verified_by, service.verified_on) if service.shown_phone else ("", "")
            yield ReferralChoice(
                service.id,
                service.name,
                service.kind,
                service.shown_phone,
                service.hours,
                *proof,
                service.serves(place),
                service.demo,
            )


KIND_LABELS: Mapping[str, str] = {
    "child_welfare": "child welfare",
    "counselling": "counselling",
    "health": "health",
    "shelter": "shelter",
    "legal_aid": "legal aid",
    "education": "school or education",
    "police": "police",
    "other": "other service",
    "child_helpline": "child helpline",
    "internet_hotline": "hotline for illegal pictures",
    "women_family": "women and family",
    "missing_children": "missing children",
    "regional": "regional service",
}
