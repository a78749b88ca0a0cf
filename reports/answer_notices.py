"""When a reporter may be texted that there is an answer: only where they called this phone safe, only then, rarely.

An SMS that nobody asked for is the one thing here that can betray a child (S-03). It is one fixed sentence without a
topic; what staff wrote never goes out by SMS. Pure; times in microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from runtime.time_units import DAY, MINUTE, SECOND

NOTICE_TEXT: Final = "Hello. Please dial {ussd} when you have time."  # a message of the catalogues
MAX_NOTICES: Final = 3  # for a report
NOTICE_INTERVAL: Final = DAY
PERMISSION_LIFETIME: Final = 30 * DAY  # a yes is not for ever
END_MARGIN: Final = 10 * MINUTE  # of the safe hours: a text may be so long on its way


@dataclass(frozen=True, slots=True)
class SmsPermission:
    """A yes to SMS on this phone, in these hours of a day at that place, said at `since`."""

    number: str
    begin: time
    end: time
    zone: ZoneInfo
    since: int


def read_permission(contact: Mapping[str, Any] | None, since: int) -> SmsPermission | None:
    """`contact`: as in a report or a message. None: no SMS, whatever else was allowed."""
    if not contact or not contact.get("allowed") or contact.get("how") != "sms":
        return None
    try:
        hours, number = contact["safe_hours"], contact["msisdn"]
        begin, end = time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])
        zone = ZoneInfo(hours["tz"])
    except (KeyError, TypeError, ValueError, OSError):
        return None
    return SmsPermission(number, begin, end, zone, since) if number and begin < end else None


def next_notice_at(said: SmsPermission | None, sent: Sequence[int], now: int) -> int | None:
    """When the next text may go, now or later; None: none may, ever, on this yes. `sent`: those of this report."""
    if said is None or len(sent) >= MAX_NOTICES:
        return None
    earliest = (
        max(now, min(max(sent), now) + NOTICE_INTERVAL) if sent else now
    )  # one that lies ahead went by a wrong clock
    moment = datetime.fromtimestamp(earliest / SECOND, UTC).astimezone(said.zone)
    for ahead in range(2):
        day = moment.date() + timedelta(days=ahead)
        begin = _at(datetime.combine(day, said.begin, said.zone))
        end = _at(datetime.combine(day, said.end, said.zone)) - END_MARGIN
        found = max(earliest, begin)
        if found < end:
            return found if found <= said.since + PERMISSION_LIFETIME else None
    return None


def _at(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND
