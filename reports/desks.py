"""A hotline's desk as its card has it: when somebody reads there, and who is told first. Pure.

What cannot be read keeps nothing from anybody: `tokaut check` complains of it, and the desk counts as open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from reports.card import Card
from reports.clocks import slower
from reports.hours import Desk, Unreadable, on_duty, read_holidays, read_hours, read_zone

READERS: Mapping[str, Callable[[str], object]] = {
    "hours": read_hours,
    "time_zone": read_zone,
    "holidays": read_holidays,
}


def desk(card: Card, zone: str) -> Desk:
    """`zone`: the country's, for a card that names none. Raises Unreadable where that is none."""
    found = read_zone(zone)
    with suppress(Unreadable):
        found = read_zone(card.time_zone or zone)
    with suppress(Unreadable):
        return Desk(found, read_hours(card.hours or "24h"), read_holidays(card.holidays))
    return Desk(found)


def duty(card: Card, zone: str, at: int) -> tuple[str, ...]:
    """The duty officers, who is on duty at this moment first."""
    first: tuple[str, ...] = ()
    with suppress(Unreadable):
        first = on_duty(card.rota, desk(card, zone).zone, at)
    return tuple(dict.fromkeys((*(one for one in first if one in card.duty_officer), *card.duty_officer)))


def faults(card: Card) -> Iterator[str]:
    """What of a card cannot be read, in words that follow `card.`."""
    for name, read in READERS.items():
        if text := getattr(card, name):
            yield from _fault(name, read, text)
    for hours, who in card.rota.items():
        yield from _fault("rota", read_hours, hours)
        for one in who:
            if one not in card.duty_officer:
                yield f"rota: {one} is no duty officer; name it in duty_officer too."
    yield from (f"answers_within: {late}; agree on less." for late in slower(card.answers_within.items()))


def _fault(name: str, read: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        read(text)
    except Unreadable as why:
        yield f"{name}: {why}."
