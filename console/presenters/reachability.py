"""Whether and how the reporter of a report can be reached now. Pure.

`reach` is the only place that decides it. The report's page, the list and the form for a message all say what it found,
so that they cannot contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any, Final

from reports.countries.opening_hours import OpeningHours, OpeningHoursError, OpeningSpan, parse_zone
from runtime.time_units import MINUTE, SECOND

EVERY_DAY = frozenset(range(7))


class ContactOption(Enum):
    NOW = "now"  # calling or texting is safe at this moment
    LATER = "later"  # it was allowed, in hours that are not now
    MESSAGE = "message"  # only a message, which the reporter reads when they dial in
    NONE = "none"  # there is no safe way
    UNKNOWN = "unknown"  # it was said, and stands in the report


# (way, how) → the sentence; how is empty where neither calling nor texting is allowed
SENTENCES: Final[Mapping[tuple[ContactOption, str], str]] = {
    (ContactOption.NOW, "call"): "You can call now, until {to}. It is {local} there ({zone}).",
    (ContactOption.NOW, "sms"): "You can text now, until {to}. It is {local} there ({zone}).",
    (ContactOption.LATER, "call"): "Do NOT call now: it is {local} there ({zone}). Call from {from}, in {wait}.",
    (ContactOption.LATER, "sms"): "Do NOT text now: it is {local} there ({zone}). Text from {from}, in {wait}.",
    (
        ContactOption.MESSAGE,
        "",
    ): "Do not call or text. You can only leave a message; the reporter sees it when they dial in.",
    (ContactOption.UNKNOWN, ""): "How the reporter can be reached stands in the report.",
}
ALSO_MESSAGE = "You can also leave a message; the reporter sees it when they dial in."
# why no message can be left → the sentence where nothing else is allowed, and the one beside a call
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
    (ContactOption.NOW, "call"): "call allowed now, until {to}",
    (ContactOption.NOW, "sms"): "text allowed now, until {to}",
    (ContactOption.LATER, "call"): "do NOT call now; from {from}, in {wait}",
    (ContactOption.LATER, "sms"): "do NOT text now; from {from}, in {wait}",
    (ContactOption.MESSAGE, ""): "no contact, message only",
    (ContactOption.NONE, ""): "no safe way to reach the reporter",
    (ContactOption.UNKNOWN, ""): "contact: see the report",
}


@dataclass(frozen=True, slots=True)
class Reachability:
    """`no_message`: why no message can be left, a key of NO_MESSAGE; empty where one can. `opens_at`, `closes_at`:
    microseconds; when the safe hours begin, where they are not now, and when they end, where they are. `number`: the
    number that was given; a page shows it at any other time than `Way.NOW` only after a step of its own."""

    way: ContactOption
    how: str = ""
    no_message: str = ""
    number: str = ""
    opens_at: int | None = None
    closes_at: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What staff have to know before anything else; `fields` fill its braces."""
        return UNREACHABLE[self.no_message] if self.way is ContactOption.NONE else SENTENCES[self.way, self.how]

    @property
    def second(self) -> str:
        """What a message can do beside a call or a text; empty where the sentence says it."""
        if self.way not in (ContactOption.NOW, ContactOption.LATER):
            return ""
        return NO_MESSAGE[self.no_message] if self.no_message else ALSO_MESSAGE

    @property
    def short(self) -> str:
        """The same for a row of the list."""
        return SHORT_SENTENCES[self.way, self.how]


def reach(contact: Mapping[str, Any] | None, no_message: str, now: int) -> Reachability:
    """`contact`: of the report, as it was said last; None where it cannot be seen from here. `no_message`: a key of
    NO_MESSAGE, or empty. `now`: microseconds UTC. Hours that cannot be read allow nothing."""
    if contact is None:
        return Reachability(ContactOption.UNKNOWN, no_message=no_message)
    how, found = contact.get("how"), _hours(contact.get("safe_hours"))
    if contact.get("allowed", True) and how in ("call", "sms") and found is not None:
        return _by_hours(str(how), found, no_message, str(contact.get("msisdn") or ""), now)
    return Reachability(ContactOption.NONE if no_message else ContactOption.MESSAGE, no_message=no_message)


def withhold_numbers(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an export, {"report": …, "said": […]}, without the numbers in its contacts.

    `number_withheld` is true where there was one. The contact keeps its safe hours."""
    report, *said = (_without_number(one) for one in (found["report"], *found["said"]))
    is_withheld = [report, *said] != [found["report"], *found["said"]]
    return {"report": report, "said": said, "number_withheld": is_withheld}


def _without_number(one: Mapping[str, Any]) -> dict[str, Any]:
    contact = one.get("contact")
    if not isinstance(contact, Mapping):
        return dict(one)
    return {**one, "contact": {name: value for name, value in contact.items() if name != "msisdn"}}


@dataclass(frozen=True, slots=True)
class _Hours:
    begin: time
    end: time
    desk: OpeningHours  # of one person: open while their phone is safe


def _hours(said: Any) -> _Hours | None:
    if not isinstance(said, Mapping):
        return None
    try:
        begin, end = (time.fromisoformat(said[name]) for name in ("from", "to"))
        zone = parse_zone(said["tz"])
    except (KeyError, TypeError, ValueError, OpeningHoursError):
        return None
    if begin == end or begin.tzinfo or end.tzinfo:
        return None
    return _Hours(begin, end, OpeningHours(zone, (OpeningSpan(EVERY_DAY, begin, end),)))


def _by_hours(how: str, hours: _Hours, no_message: str, number: str, now: int) -> Reachability:
    fields = {
        "from": f"{hours.begin:%H:%M}",
        "to": f"{hours.end:%H:%M}",
        "zone": hours.desk.zone.key,
        "local": f"{hours.desk.local(now):%H:%M}",
    }
    if hours.desk.is_open(now):
        return Reachability(ContactOption.NOW, how, no_message, number, closes_at=_closes(hours, now), fields=fields)
    opens = hours.desk.opens(now)
    if opens is None:  # within a year there is no such hour
        return Reachability(ContactOption.NONE if no_message else ContactOption.MESSAGE, no_message=no_message)
    fields["wait"] = format_wait(opens - now)
    return Reachability(ContactOption.LATER, how, no_message, number, opens_at=opens, fields=fields)


def _closes(hours: _Hours, now: int) -> int:
    """The first end of the hours after `now`."""
    today: date = hours.desk.local(now).date()
    for day in (today, today + timedelta(days=1)):
        end = int(datetime.combine(day, hours.end, hours.desk.zone).timestamp()) * SECOND
        if end > now:
            return end
    return now


def format_wait(microseconds: int) -> str:
    """How long, with begun minutes as whole ones: 48 min, 2 h 48 min."""
    hours, minutes = divmod(-(-microseconds // MINUTE), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
