"""Whom staff call where a child is in danger now: the numbers of the country file that this mode may show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.countries.country import Country
from reports.countries.hotline import SourcedEntry

VERIFIED, NOT_VERIFIED = "dialled and confirmed by {who} on {on}", "NOT verified: nobody has confirmed this number"


@dataclass(frozen=True, slots=True)
class EmergencyNumber:
    """`proof`: VERIFIED or NOT_VERIFIED, with what fills its braces."""

    service: str
    number: str
    proof: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EmergencyContacts:
    """`agreed`: what the hotline's card says of calling the police, in its own words; empty where it says nothing."""

    country: str
    lines: tuple[EmergencyNumber, ...]
    agreed: str


def emergency_contacts(country: Country, hotline: str) -> EmergencyContacts:
    lines = tuple(
        EmergencyNumber(one.service, one.number, *_proof(one))
        for one in country.emergency
        if one.may_show(country.mode)
    )
    found = country.hotlines.get(hotline)
    return EmergencyContacts(country.name, lines, found.card.police.strip() if found else "")


def _proof(one: SourcedEntry) -> tuple[str, Mapping[str, str]]:
    if one.verified():
        return VERIFIED, {"who": one.verified_by, "on": one.verified_on}
    return NOT_VERIFIED, {}
