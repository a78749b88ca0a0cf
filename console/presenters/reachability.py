"""Decide whether and how a reporter can be reached now; list the numbers to call in danger. Pure.

Only `reach` decides it. The report's page, the list and the form for a message all show its result, so that they cannot
contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, Final

from reports.countries.country import Country
from reports.countries.hotline import SourcedEntry
from reports.countries.opening_hours import OpeningHours, OpeningHoursError, OpeningSpan, parse_zone
from runtime.time_units import MINUTE, SECOND

EVERY_DAY = frozenset(range(7))
NUMBERLESS_TERMS = frozenset(("allowed", "how", "safe_hours"))  # of a contact
VERIFIED, NOT_VERIFIED = "dialled and confirmed by {who} on {on}", "NOT verified: nobody has confirmed this number"


class ContactOption(Enum):
    """The ways to contact the reporter now."""

    NOW = "now"  # calling or texting is safe at this moment
    LATER = "later"  # calling or texting is allowed, but not at this hour
    MESSAGE = "message"  # only a message, which the reporter reads when they dial in
    NONE = "none"  # there is no safe way
    UNKNOWN = "unknown"  # only the report says


# (way, how) → sentence; `how` is empty if neither calling nor texting is allowed
SENTENCES: Final[Mapping[tuple[ContactOption, str], str]] = {
    (ContactOption.NOW, "call"): "You can call now, until {to}. It is {local} there ({zone}).",
    (ContactOption.NOW, "sms"): "You can text now, until {to}. It is {local} there ({zone}).",
    (ContactOption.LATER, "call"): "Do NOT call now: it is {local} there ({zone}). Call from {from}, in {wait}.",
    (ContactOption.LATER, "sms"): "Do NOT text now: it is {local} there ({zone}). Text from {from}, in {wait}.",
    (
        ContactOption.MESSAGE,
        "",
    ): "Do not call or text. You can only leave a message; the reporter sees it when they dial in.",
    (ContactOption.UNKNOWN, ""): "The report says how the reporter can be reached.",
}
ALSO_MESSAGE = "You can also leave a message; the reporter sees it when they dial in."
# why no message can be left → the sentence if nothing else is allowed, and (NO_MESSAGE) beside a call
UNREACHABLE: Final[Mapping[str, str]] = {
    "no_code": "There is no safe way to reach the reporter: they do not want to be contacted, and they never got a "
    "code for messages. Decide on what you have. If a child is in danger now, call the emergency services.",
    "closed": "There is no safe way to reach the reporter: they do not want to be contacted, and they have deleted "
    "the report on their side. Decide on what you have. If a child is in danger now, call the emergency services.",
}
NO_MESSAGE: Final[Mapping[str, str]] = {
    "no_code": "You cannot leave a message: the reporter never got a code.",
    "closed": "You cannot leave a message: the reporter has deleted the report on their side.",
}
SHORT_SENTENCES: Final[Mapping[tuple[ContactOption, str], str]] = {
    (ContactOption.NOW, "call"): "call allowed now, until {to} ({zone})",
    (ContactOption.NOW, "sms"): "text allowed now, until {to} ({zone})",
    (ContactOption.LATER, "call"): "do NOT call now; from {from} ({zone}), in {wait}",
    (ContactOption.LATER, "sms"): "do NOT text now; from {from} ({zone}), in {wait}",
    (ContactOption.MESSAGE, ""): "no contact, message only",
    (ContactOption.NONE, ""): "no safe way to reach the reporter",
    (ContactOption.UNKNOWN, ""): "contact: see the report",
}


@dataclass(frozen=True, slots=True)
class Reachability:
    """The reachability of a reporter at one moment.

    `how`: call or sms; empty if neither is allowed. `no_message`: why no message can be left, a key of NO_MESSAGE;
    empty if one can. `number`: the reporter's number; unless `way` is NOW, a page shows it only after a separate step.
    `opens_at`: when the safe hours begin, if they are not now; `closes_at`: when they end, if they are; microseconds.
    `fields`: for the placeholders of the sentences.
    """

    way: ContactOption
    how: str = ""
    no_message: str = ""
    number: str = ""
    opens_at: int | None = None
    closes_at: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Return the sentence that staff must read first; `fields` fill its placeholders."""
        return UNREACHABLE[self.no_message] if self.way is ContactOption.NONE else SENTENCES[self.way, self.how]

    @property
    def second(self) -> str:
        """Return the sentence on whether a message can be left beside a call or a text; empty if `sentence` says it."""
        if self.way not in (ContactOption.NOW, ContactOption.LATER):
            return ""
        return NO_MESSAGE[self.no_message] if self.no_message else ALSO_MESSAGE

    @property
    def short(self) -> str:
        """Return the sentence for a row of the list."""
        return SHORT_SENTENCES[self.way, self.how]


def reach(contact: Mapping[str, Any] | None, no_message: str, now: int) -> Reachability:
    """Decide how the reporter can be reached. Safe hours that cannot be parsed allow no call and no text.

    `contact`: the latest contact of the report; None if it is not known here. `no_message`: a key of NO_MESSAGE, or
    empty. `now`: microseconds, UTC.
    """
    if contact is None:
        return Reachability(ContactOption.UNKNOWN, no_message=no_message)
    how, safe_hours = contact.get("how"), _hours(contact.get("safe_hours"))
    if contact.get("allowed", True) and how in ("call", "sms") and safe_hours is not None:
        return _by_hours(str(how), safe_hours, no_message, str(contact.get("msisdn") or ""), now)
    return Reachability(ContactOption.NONE if no_message else ContactOption.MESSAGE, no_message=no_message)


def withhold_numbers(export: Mapping[str, Any]) -> dict[str, Any]:
    """Return an export, {"report": …, "said": […]}, without the numbers in its contacts.

    `number_withheld` is true if there was one, or anything else that may be one. The contact keeps its safe hours, and
    `msisdn_withheld` stands in place of the number, so that the report is still valid by its schema.
    """
    report, *messages = (_without_number(part) for part in (export["report"], *export["said"]))
    is_withheld = [report, *messages] != [export["report"], *export["said"]]
    return {"report": report, "said": messages, "number_withheld": is_withheld}


def _without_number(part: Mapping[str, Any]) -> dict[str, Any]:
    contact = part.get("contact")
    if not contact:
        return dict(part)
    terms = contact if isinstance(contact, Mapping) else {"": contact}  # what has another shape may be a number
    numberless = {name: value for name, value in terms.items() if name in NUMBERLESS_TERMS}
    return dict(part) if numberless == terms else {**part, "contact": {**numberless, "msisdn_withheld": True}}


@dataclass(frozen=True, slots=True)
class _Hours:
    begin: time
    end: time
    safe: OpeningHours  # open while a call or text to the phone is safe


def _hours(terms: Any) -> _Hours | None:
    if not isinstance(terms, Mapping):
        return None
    try:
        begin, end = (time.fromisoformat(terms[name]) for name in ("from", "to"))
        zone = parse_zone(terms["tz"])
    except (KeyError, TypeError, ValueError, OpeningHoursError):
        return None
    if begin == end or begin.tzinfo or end.tzinfo or begin.microsecond or end.microsecond:
        return None
    return _Hours(begin, end, OpeningHours(zone, (OpeningSpan(EVERY_DAY, begin, end),)))


def _by_hours(how: str, hours: _Hours, no_message: str, number: str, now: int) -> Reachability:
    fields = {
        "from": f"{hours.begin:%H:%M}",
        "to": f"{hours.end:%H:%M}",
        "zone": hours.safe.zone.key,
        "local": f"{hours.safe.local(now):%H:%M}",
    }
    if hours.safe.is_open(now):
        closes_at = _next_change(hours, hours.end, now)
        return Reachability(ContactOption.NOW, how, no_message, number, closes_at=closes_at, fields=fields)
    opens_at = _next_change(hours, hours.begin, now)
    fields["wait"] = format_wait(opens_at - now)
    return Reachability(ContactOption.LATER, how, no_message, number, opens_at=opens_at, fields=fields)


def _next_change(hours: _Hours, at: time, now: int) -> int:
    """Return when the safe hours next begin or end; `at`: the time of day of that change.

    In a night of clock change this time may come twice, or be skipped: then they change where the clock jumps, or a day
    later.
    """
    is_open = hours.safe.is_open
    today: date = hours.safe.local(now).date()
    times = [
        datetime.combine(today + timedelta(days=days), at.replace(fold=fold), hours.safe.zone)
        for days in range(4)
        for fold in (0, 1)
    ]
    moments = sorted(int(moment.timestamp()) * SECOND for moment in times)
    change = next(moment for moment in moments if moment > now and is_open(moment) != is_open(now))
    while change - MINUTE > now and is_open(change - MINUTE) != is_open(now):
        change -= MINUTE
    return change


def format_wait(microseconds: int) -> str:
    """Format a duration, rounded up to whole minutes: `48 min`, `2 h 48 min`."""
    hours, minutes = divmod(-(-microseconds // MINUTE), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


# Emergency numbers for staff when a child is in danger now: those that this mode may show. Pure.


@dataclass(frozen=True, slots=True)
class EmergencyNumber:
    """A number to call in danger. `proof`: the sentence VERIFIED or NOT_VERIFIED; `fields` fill its placeholders."""

    service: str
    number: str
    proof: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EmergencyContacts:
    """The emergency numbers of a country, for the staff of one hotline.

    `agreed`: the text about calling the police from the hotline's card; empty if it has none.
    """

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
