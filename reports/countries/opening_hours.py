"""Opening hours, holidays and weekly rotas: when a hotline's staff read reports, and who is on duty then. Pure.

They are in the hotline's own time zone, by its wall clock. Arguments and results of functions are microseconds, UTC.

    hours     24h | mon-fri 08:00-16:30, sat 09:00-12:00 | daily 18:00-02:00
    holidays  none | 2026-12-25, 2026-12-29..2027-01-02, 07-30

An invalid entry of a partner card never delays a report: `tokaut check` reports it, and the hotline counts as open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from reports.countries.hotline import Hotline, PartnerCard
from reports.escalation import late_promises
from runtime.time_units import SECOND

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NIGHT_START, NIGHT_END = time(20, 0), time(7, 0)  # nobody is notified of reports that can wait
MAX_DAYS_AHEAD = 400  # a hotline that does not open within this time counts as one that never opens
_A_DAY = timedelta(days=1)
_SPAN = re.compile(r"(?:(daily|[a-z]{3})(?:-([a-z]{3}))? +)?([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_HOLIDAY = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")


class OpeningHoursError(ValueError):
    """A text cannot be read. The message says why, in words that follow the name of the field."""


@dataclass(frozen=True, slots=True)
class OpeningSpan:
    """A span of opening hours on some weekdays.

    An `end` at or before `begin` is on the next day; the span belongs to the day on which it begins.
    """

    days: frozenset[int]  # 0 = Monday
    begin: time
    end: time

    @property
    def crosses_midnight(self) -> bool:
        """Return whether the span ends on the next day."""
        return self.end <= self.begin


Week = tuple[OpeningSpan, ...]  # empty: day and night
Holidays = Callable[[date], bool]


def parse_hours(text: str) -> Week:
    """Parse opening hours. Raises OpeningHoursError."""
    if text.strip() == "24h":
        return ()
    parts = [part.strip() for part in text.split(",")]
    without_days = [part for part in parts if part[:1].isdigit()]
    if without_days and len(without_days) < len(parts):  # a second time of the same days, or of every day?
        raise OpeningHoursError(f"{without_days[0]!r} names no days, and other times do; write its days before it")
    return tuple(map(_span, parts))


def _span(text: str) -> OpeningSpan:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise OpeningHoursError(
            f"{text!r} is not a valid opening time; write 24h, or mon-fri 08:00-16:30, sat 09:00-12:00"
        )
    first_day, last_day, *times = match.groups()
    begin, end = _time(*times[:2]), _time(*times[2:])
    if begin == end and not text.endswith("00:00-24:00"):
        raise OpeningHoursError(f"{text!r} begins and ends at the same time; write 24h for day and night")
    return OpeningSpan(_days(first_day or "daily", last_day), begin, end)


def _time(hour: str, minute: str) -> time:
    """Return the time; 24:00 is midnight at the end of a day."""
    if (hour, minute) == ("24", "00"):
        return time(0)
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise OpeningHoursError(f"{hour}:{minute} is not a valid time of day") from None


def _days(first_day: str, last_day: str | None) -> frozenset[int]:
    if first_day == "daily" and last_day is None:
        return frozenset(range(7))
    unknown = [day for day in (first_day, last_day) if day is not None and day not in WEEKDAYS]
    if unknown:
        raise OpeningHoursError(f"{unknown[0]!r} is not a valid day; the days are {', '.join(WEEKDAYS)}")
    start, end = WEEKDAYS.index(first_day), WEEKDAYS.index(last_day or first_day)
    return frozenset((start + n) % 7 for n in range((end - start) % 7 + 1))


def parse_holidays(text: str) -> Holidays:
    """Parse holidays into a function that tells whether a day is one. Raises OpeningHoursError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts in ([], ["none"]):
        return lambda _: False
    ranges = [_holiday(part) for part in parts]
    return lambda day: any(find_first(day) <= day <= find_last(day) for find_first, find_last in ranges)


def _holiday(text: str) -> tuple[Callable[[date], date], Callable[[date], date]]:
    first_text, _, last_text = text.partition("..")
    find_first, find_last = _date(first_text, text), _date(last_text or first_text, text)
    has_year = [len(day) > len("12-25") for day in (first_text, last_text or first_text)]
    if has_year[0] != has_year[1] or find_first(date(2000, 1, 1)) > find_last(date(2000, 1, 1)):
        raise OpeningHoursError(f"{text!r} ends before it begins; give both a year, or write it as two")
    return find_first, find_last


def _date(text: str, entry: str) -> Callable[[date], date]:
    """Return a function from a day to this holiday: the date itself, or without a year the one in the same year."""
    match = _HOLIDAY.fullmatch(text)
    try:
        if match:
            year, month, day = match.groups()
            holiday = date(int(year or 2000), int(month), int(day))
            return lambda current_day: holiday if year else _in_year(current_day.year, holiday)
    except ValueError:
        pass
    raise OpeningHoursError(
        f"{entry!r} is not a valid holiday; write none, or 2026-12-25, 2026-12-29..2027-01-02, or 07-30 for each year"
    )


def _in_year(year: int, day: date) -> date:
    try:
        return day.replace(year=year)
    except ValueError:  # the 29th of February
        return date(year, 3, 1)


def parse_zone(name: str) -> ZoneInfo:
    """Return the time zone of this name. Raises OpeningHoursError."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # not found, a folder, not a file name
        raise OpeningHoursError(f"{name!r} is not a valid time zone; write it as Pacific/Efate") from None


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The hours in which a hotline's staff read reports. Without agreed hours it counts as open day and night."""

    zone: ZoneInfo
    week: Week = ()
    holidays: Holidays = lambda _: False

    def local(self, at: int) -> datetime:
        """Return the moment as local time."""
        return datetime.fromtimestamp(at / SECOND, UTC).astimezone(self.zone)

    def is_open(self, at: int) -> bool:
        """Return whether it is open at this moment."""
        if not self.week:
            return True
        local_time = self.local(at)
        return any(self._covers(span, local_time) for span in self.week)

    def _covers(self, span: OpeningSpan, local_time: datetime) -> bool:
        today, clock = local_time.date(), local_time.time()
        if not span.crosses_midnight:
            return self._applies_on(span, today) and span.begin <= clock < span.end
        return (self._applies_on(span, today) and clock >= span.begin) or (
            self._applies_on(span, today - _A_DAY) and clock < span.end
        )

    def _applies_on(self, span: OpeningSpan, day: date) -> bool:
        return day.weekday() in span.days and not self.holidays(day)

    def opens(self, at: int) -> int | None:
        """Return when it opens next: `at` itself if it is open, None if it never opens."""
        if self.is_open(at):
            return at
        return next(self._openings(at), None)

    def _openings(self, at: int) -> Iterator[int]:
        today = self.local(at).date()
        for day in (today + n * _A_DAY for n in range(MAX_DAYS_AHEAD)):
            starts = sorted(span.begin for span in self.week if self._applies_on(span, day))
            yield from (
                moment for start in starts if (moment := self._moment(day, start)) > at and self.is_open(moment)
            )

    def _moment(self, day: date, clock: time) -> int:
        """Return the moment of a local time.

        A time that the clock skips is an hour later; of a time that comes twice it is the first.
        """
        return int(datetime.combine(day, clock, self.zone).timestamp()) * SECOND

    def next_notify_time(self, at: int) -> int:
        """Return the first moment from `at` on that is neither night there nor closed; `at` if there is none."""
        moment = at
        for _ in range(MAX_DAYS_AHEAD):
            opening = self.opens(moment)
            if opening is None:
                return at
            day_start = self._end_of_night(opening)
            if day_start == opening:
                return opening
            moment = day_start
        return at

    def _end_of_night(self, at: int) -> int:
        local_time = self.local(at)
        if NIGHT_END <= local_time.time() < NIGHT_START:
            return at
        day = local_time.date() + (_A_DAY if local_time.time() >= NIGHT_START else timedelta(0))
        return self._moment(day, NIGHT_END)


def rota_contacts(rota: Mapping[str, tuple[str, ...]], zone: ZoneInfo, at: int) -> tuple[str, ...]:
    """Return the contacts that a weekly rota names at this moment, in its order. Raises OpeningHoursError.

    Holidays do not change a rota.
    """
    on_duty = (contacts for hours, contacts in rota.items() if OpeningHours(zone, parse_hours(hours)).is_open(at))
    return tuple(dict.fromkeys(address for addresses in on_duty for address in addresses))


CARD_PARSERS: Mapping[str, Callable[[str], object]] = {
    "hours": parse_hours,
    "time_zone": parse_zone,
    "holidays": parse_holidays,
}


def hotline_hours(card: PartnerCard, zone: str) -> OpeningHours:
    """Return the opening hours of a partner card. `zone`: the country's, for a card that names none.

    Raises OpeningHoursError if `zone` is not a valid time zone.
    """
    time_zone = parse_zone(zone)
    with suppress(OpeningHoursError):
        time_zone = parse_zone(card.time_zone or zone)
    with suppress(OpeningHoursError):
        return OpeningHours(time_zone, parse_hours(card.hours or "24h"), parse_holidays(card.holidays))
    return OpeningHours(time_zone)


def first_to_open(hotlines: Iterable[Hotline], zone: str, at: int) -> tuple[Hotline, str] | None:
    """Return the hotline that opens first, and when by the clock of `zone`, if all of them are closed.

    `zone`: the country's, which is the clock of the reader and of each card without a time zone. The time is `08:00`,
    or `30/11 08:00` on another day. None: one is open, or none ever opens.
    """
    openings = [(hotline_hours(hotline.card, zone).opens(at), hotline) for hotline in hotlines]
    moments = [(moment, hotline) for moment, hotline in openings if moment is not None]
    if not moments:
        return None
    moment, first_hotline = min(moments, key=lambda pair: pair[0])
    readers_clock = OpeningHours(parse_zone(zone))
    opens = readers_clock.local(moment)
    today = opens.date() == readers_clock.local(at).date()
    return None if moment <= at else (first_hotline, f"{opens:%H:%M}" if today else f"{opens:%d/%m %H:%M}")


def duty_officers(card: PartnerCard, zone: str, at: int) -> tuple[str, ...]:
    """Return the duty officers, those on duty at this moment first."""
    on_duty: tuple[str, ...] = ()
    with suppress(OpeningHoursError):
        on_duty = rota_contacts(card.rota, hotline_hours(card, zone).zone, at)
    return tuple(dict.fromkeys((*(officer for officer in on_duty if officer in card.duty_officer), *card.duty_officer)))


def card_faults(card: PartnerCard) -> Iterator[str]:
    """Yield the entries of a card that cannot be read, in words that follow `card.`."""
    for name, parse in CARD_PARSERS.items():
        if text := getattr(card, name):
            yield from _fault(name, parse, text)
    for hours, officers in card.rota.items():
        yield from _fault("rota", parse_hours, hours)
        for officer in officers:
            if officer not in card.duty_officer:
                yield f"rota: {officer} is not a duty officer; name it in duty_officer too."
    yield from (f"answers_within: {promise}; agree on less." for promise in late_promises(card.answers_within.items()))


def _fault(name: str, parse: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        parse(text)
    except OpeningHoursError as error:
        yield f"{name}: {error}."
