"""Decide when a reporter may be notified by SMS of an answer: only on a safe phone, in safe hours, and rarely.

An unsolicited SMS is the one message here that can betray a child (S-03). It is one fixed sentence without a
topic; staff's words are never sent by SMS. Pure; times in microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from runtime.time_units import DAY, HOUR, MINUTE, SECOND

NOTICE_TEXT: Final = "Hello. Please dial {ussd} when you have time."  # a message of the catalogues
MAX_NOTICES: Final = 3  # notices for each report
NOTICE_INTERVAL: Final = DAY
PERMISSION_LIFETIME: Final = 30 * DAY  # consent expires
RETRY_DELAY: Final = 3 * HOUR  # after a text that no provider took
NOT_SENT: Final = "nudged:not_sent"  # act in the audit log: the SMS was refused, or no provider took it
END_MARGIN: Final = 10 * MINUTE  # before the end of the safe hours, because an SMS may take this long to arrive


class NoticeWay(StrEnum):
    """The way in which a notice was sent. The value is its act in the audit log."""

    SMS = "nudged"
    USSD = "nudged:ussd"  # the network was asked to show it
    SMS_AFTER_USSD = "nudged:sms"  # no report said that the network had shown it


@dataclass(frozen=True, slots=True)
class SmsPermission:
    """Consent to SMS on this phone, in these hours of a day in this time zone. `since`: when it was given."""

    number: str
    begin: time
    end: time
    zone: ZoneInfo
    since: int


def read_permission(contact: Mapping[str, Any] | None, since: int) -> SmsPermission | None:
    """Return the consent in `contact`, as in a report or a message.

    None: no SMS may be sent, even if another way of contact was allowed.
    """
    if not contact or not contact.get("allowed") or contact.get("how") != "sms":
        return None
    try:
        hours, number = contact["safe_hours"], contact["msisdn"]
        start, end = time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])
        zone = ZoneInfo(hours["tz"])
    except (KeyError, TypeError, ValueError, OSError):
        return None
    return SmsPermission(number, start, end, zone, since) if number and start < end else None


def next_notice_at(permission: SmsPermission | None, sent: Sequence[int], now: int) -> int | None:
    """Return when the next SMS may be sent, now or later; None: never under this consent.

    `permission`: the consent. `sent`: when earlier SMS of this report were sent.
    """
    if permission is None or len(sent) >= MAX_NOTICES:
        return None
    # min: an SMS whose time lies ahead was sent while the clock was wrong
    earliest = max(now, min(max(sent), now) + NOTICE_INTERVAL) if sent else now
    earliest_time = datetime.fromtimestamp(earliest / SECOND, UTC).astimezone(permission.zone)
    for days_ahead in range(2):
        day = earliest_time.date() + timedelta(days=days_ahead)
        window_start = _at(datetime.combine(day, permission.begin, permission.zone))
        window_end = _at(datetime.combine(day, permission.end, permission.zone)) - END_MARGIN
        notice_at = max(earliest, window_start)
        if notice_at < window_end:
            return notice_at if notice_at <= permission.since + PERMISSION_LIFETIME else None
    return None


def _at(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND
