"""A hotline's desk as its card has it: when somebody reads there, and who is told first. Pure.

What cannot be read keeps nothing from anybody: `tokaut check` complains of it, and the desk counts as open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from reports.card import Card
from reports.clocks import slower
from reports.hotline import Hotline
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


def opens_first(hotlines: Iterable[Hotline], zone: str, at: int) -> tuple[Hotline, str] | None:
    """Where all of them are closed: the one that opens first, and when by its own clock; `30/11` where not today.

    None where one is open, or none ever opens.
    """
    found = [(one, desk(one.card, zone)) for one in hotlines]
    moments = [(moment, there, one) for one, there in found if (moment := there.opens(at)) is not None]
    if not moments:
        return None
    moment, there, first = min(moments, key=lambda opening: opening[0])
    opens = there.local(moment)
    today = opens.date() == there.local(at).date()
    return None if moment <= at else (first, f"{opens:%H:%M}" if today else f"{opens:%d/%m %H:%M}")


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
