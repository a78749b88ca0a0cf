"""Training and live never meet (S-40): which addresses are a drill's, and which the live service's. None is both. Pure.

A drill's address says so in itself, where only its owner can put the word: in the name of a host, for which a
certificate must vouch, and in the name of a mailbox. A phone number holds no word; it is a drill's by standing in
`drills_to` of a card, where no number of the live service may stand. Outside live mode a card holds nobody else.
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
_NO_WORD = re.compile(r"[^a-z0-9]+")
_NO_DIGIT = re.compile(r"\D+")


def is_drill_name(name: str) -> bool:
    """Of a host, or of a mailbox; `desk+drill@…` is the mailbox of `desk@…`, whoever made up the rest."""
    local, at, host = name.lower().rpartition("@")
    return not DRILL_WORDS.isdisjoint(_NO_WORD.split(f"{local.partition('+')[0]}{at}{host}"))


def hotlines_for_mode(hotlines: Mapping[str, Hotline], mode: ModeName) -> Mapping[str, Hotline]:
    """The hotlines as this mode may know them: outside live, drills go to those who are there for them, alone."""
    return {name: replace(hotline, card=_card_of(hotline.card, mode)) for name, hotline in hotlines.items()}


def _card_of(card: PartnerCard, mode: ModeName) -> PartnerCard:
    if mode == "live":
        return replace(card, drills_to=())
    return replace(card, duty_officer=card.drills_to, supervisor=card.drills_to, rota={})


class CountryFile(Protocol):
    """A country file as it is written."""

    @property
    def file(self) -> str: ...
    @property
    def calling_code(self) -> str: ...
    @property
    def emergency(self) -> Sequence[PhoneNumber]: ...
    @property
    def hotlines(self) -> Mapping[str, Hotline]: ...


def separation_faults(lands: Sequence[CountryFile]) -> Iterator[str]:
    """What would bring a drill to the live service or the reverse, a sentence each, beginning with the file."""
    taken = dict(_of_the_live_service(lands))
    for land in lands:
        for hotline in land.hotlines.values():
            named = f"{land.file}: hotline {hotline.id}"
            for one in hotline.card.drills_to:
                if where := next((taken[name] for name in _names(one, land.calling_code) if name in taken), ""):
                    yield f"{named}: card.drills_to: {one} is {where}; {OWN_ADDRESS_HINT}"
                elif "@" in one and not is_drill_name(one):
                    yield f"{named}: card.drills_to: {one} is no mailbox of drills; {DRILL_ADDRESS_HINT}"
            for one in (*hotline.card.duty_officer, *hotline.card.supervisor):
                if "@" in one and is_drill_name(one):
                    yield f"{named}: card: {one} is for drills by its name; {MOVE_ADDRESS_HINT}"


def _of_the_live_service(lands: Iterable[CountryFile]) -> Iterator[tuple[str, str]]:
    """Each address and number that a person of the live service may be reached at, and where it stands."""
    for land in lands:
        for number in land.emergency:
            yield _bare(number.number), "a number that screens show"
        for hotline in land.hotlines.values():
            show, card = hotline.show, hotline.card
            for one in filter(None, (show.phone, show.sms, *show.phone_alt, *show.by_place.values())):
                yield _bare(one), "a number that screens show"
            for role in ("supervisor", "duty_officer"):
                for one in getattr(card, role):
                    yield one.lower() if "@" in one else _bare(one), f"{role} of {hotline.id} too"


def _names(one: str, calling_code: str) -> Iterator[str]:
    """A mailbox; a number with its country's code, and as it is dialled there."""
    if "@" in one:
        yield one.lower()
        return
    digits, code = _bare(one), _bare(calling_code)
    yield digits
    if digits.startswith(code):
        yield from (digits.removeprefix(code), "0" + digits.removeprefix(code))


def _bare(number: str) -> str:
    return _NO_DIGIT.sub("", number)
