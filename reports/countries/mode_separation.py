"""Keep training and live apart (S-40): the addresses of drills, and those of the live service. Pure.

No address is both. A drill's address says so in itself, where only its owner can put the word: in the name of a host,
which needs a certificate, and in the name of a mailbox. A phone number cannot hold a word; it is a drill's if it is in
`drills_to` of a partner card, where no number of the live service may be. Outside live mode a card holds drill
addresses only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from reports.countries.hotline import Hotline, ModeName, PhoneNumber
from reports.countries.partner_card import PartnerCard

DRILL_WORDS = frozenset({"drill", "drills", "training"})
DRILL_NAME_HINT = "the word drill or training in its name"
OWN_ADDRESS_HINT = "give drills an address of their own."
DRILL_ADDRESS_HINT = f"give one with {DRILL_NAME_HINT}."
MOVE_ADDRESS_HINT = "put it into drills_to, and here one of the live service."
_WORD_SEPARATOR = re.compile(r"[^a-z0-9]+")
_NON_DIGIT = re.compile(r"\D+")


def is_drill_name(name: str) -> bool:
    """Return whether a host or a mailbox is named as one of drills.

    `desk+drill@…` is the mailbox of `desk@…`: the part after + proves nothing.
    """
    local, at, host = name.lower().rpartition("@")
    return not DRILL_WORDS.isdisjoint(_WORD_SEPARATOR.split(f"{local.partition('+')[0]}{at}{host}"))


def hotlines_for_mode(hotlines: Mapping[str, Hotline], mode: ModeName) -> Mapping[str, Hotline]:
    """Return the hotlines with the contacts that this mode may know. Outside live mode those are `drills_to` alone."""
    return {name: replace(hotline, card=_card_of(hotline.card, mode)) for name, hotline in hotlines.items()}


def _card_of(card: PartnerCard, mode: ModeName) -> PartnerCard:
    if mode == "live":
        return replace(card, drills_to=())
    return replace(card, duty_officer=card.drills_to, supervisor=card.drills_to, rota={})


class CountryFile(Protocol):
    """A country file as it is written."""

    @property
    def file(self) -> str:
        """The file's name, for complaints."""
        ...

    @property
    def calling_code(self) -> str:
        """The country's calling code, digits only."""
        ...

    @property
    def emergency(self) -> Sequence[PhoneNumber]:
        """The emergency numbers."""
        ...

    @property
    def hotlines(self) -> Mapping[str, Hotline]:
        """The hotlines by their ids."""
        ...


def separation_faults(lands: Sequence[CountryFile]) -> Iterator[str]:
    """Yield the contacts by which a drill would reach the live service or the reverse.

    Each is a sentence that begins with the file.
    """
    live_contacts = dict(_live_contacts(lands))
    for country in lands:
        for hotline in country.hotlines.values():
            prefix = f"{country.file}: hotline {hotline.id}"
            for contact in hotline.card.drills_to:
                if live_use := next(
                    (live_contacts[name] for name in _forms(contact, country.calling_code) if name in live_contacts), ""
                ):
                    yield f"{prefix}: card.drills_to: {contact} is {live_use}; {OWN_ADDRESS_HINT}"
                elif "@" in contact and not is_drill_name(contact):
                    yield f"{prefix}: card.drills_to: {contact} is not a mailbox for drills; {DRILL_ADDRESS_HINT}"
            for contact in (*hotline.card.duty_officer, *hotline.card.supervisor):
                if "@" in contact and is_drill_name(contact):
                    yield f"{prefix}: card: {contact} is for drills by its name; {MOVE_ADDRESS_HINT}"


def _live_contacts(countries: Iterable[CountryFile]) -> Iterator[tuple[str, str]]:
    """Yield each address and number by which the live service may be reached, and where it is used."""
    for country in countries:
        for number in country.emergency:
            yield _digits(number.number), "a number that screens show"
        for hotline in country.hotlines.values():
            show, card = hotline.show, hotline.card
            for contact in filter(None, (show.phone, show.sms, *show.phone_alt, *show.by_place.values())):
                yield _digits(contact), "a number that screens show"
            for role in ("supervisor", "duty_officer"):
                for contact in getattr(card, role):
                    yield contact.lower() if "@" in contact else _digits(contact), f"{role} of {hotline.id} too"


def _forms(contact: str, calling_code: str) -> Iterator[str]:
    """Yield the forms of a contact: a mailbox; or a number with its country's code, and as it is dialled there."""
    if "@" in contact:
        yield contact.lower()
        return
    digits, code = _digits(contact), _digits(calling_code)
    yield digits
    if digits.startswith(code):
        yield from (digits.removeprefix(code), "0" + digits.removeprefix(code))


def _digits(number: str) -> str:
    return _NON_DIGIT.sub("", number)
