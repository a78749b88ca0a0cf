"""Emergency numbers for staff when a child is in danger now: those that this mode may show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.countries.country import Country
from reports.countries.hotline import SourcedEntry

VERIFIED, NOT_VERIFIED = "dialled and confirmed by {who} on {on}", "NOT verified: nobody has confirmed this number"


@dataclass(frozen=True, slots=True)
class EmergencyNumber:
    """`proof`: VERIFIED or NOT_VERIFIED; `fields` fill its placeholders."""

    service: str
    number: str
    proof: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EmergencyContacts:
    """`agreed`: the text about calling the police from the hotline's card; empty if it has none."""

    country: str
    lines: tuple[EmergencyNumber, ...]
    agreed: str


def emergency_contacts(country: Country, hotline: str) -> EmergencyContacts:
    """Return the emergency numbers of the country file, and what the hotline agreed with the police."""
    numbers = tuple(
        EmergencyNumber(number.service, number.number, *_proof(number))
        for number in country.emergency
        if number.may_show(country.mode)
    )
    own_hotline = country.hotlines.get(hotline)
    return EmergencyContacts(country.name, numbers, own_hotline.card.police.strip() if own_hotline else "")


def _proof(entry: SourcedEntry) -> tuple[str, Mapping[str, str]]:
    if entry.verified():
        return VERIFIED, {"who": entry.verified_by, "on": entry.verified_on}
    return NOT_VERIFIED, {}
