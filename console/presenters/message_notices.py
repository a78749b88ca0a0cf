"""The notice of a message to a reporter, who sees the message on dialling in. A text may ask them to dial. Pure.

The scheduler decides about the text, by the same consent. Before it has decided, the page shows the expected notice.
Whether a message was opened is not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from reports.answer_notices import MAX_NOTICES, NoticeWay, next_notice_at, read_permission
from reports.store.sms.answer_notices import NoticeRow, ReportNotices
from runtime.time_units import SECOND

NO_CONTACT = "No text is sent: the reporter did not allow contact."
CALLS_ONLY = "No text is sent: the reporter allowed calls only."
NO_CODE = "No text is sent: this country has no code to dial."
NO_MORE = "No text is sent: {number} were sent for this report already."
TOO_OLD = "No text is sent: the permission to text is older than 30 days."
AT_ONCE = "Unless this phone has sent STOP, a text goes out now. It only asks them to dial."
LATER = "Unless this phone has sent STOP, a text goes out after {time} ({zone}). It only asks them to dial."
TEXT_SENT: Final[Mapping[NoticeWay, str]] = {
    NoticeWay.SMS: "A text that asks them to dial was sent by SMS {time}.",
    NoticeWay.USSD: "The network was asked {time} to show a text by USSD that asks them to dial.",
    NoticeWay.SMS_AFTER_USSD: "A text that asks them to dial was sent by SMS {time}. The network had not confirmed "
    "that it showed the text by USSD.",
}
TEXT_PLANNED = "A text that asks them to dial goes out after {time}."
SMS_PLANNED = "The network has not confirmed that it showed the text by USSD. It goes out by SMS after {time}."
NO_TEXT = "No text of its own was sent for this message."
SENTENCES: Final = (
    *(NO_CONTACT, CALLS_ONLY, NO_CODE, NO_MORE, TOO_OLD, AT_ONCE, LATER),
    *(*TEXT_SENT.values(), TEXT_PLANNED, SMS_PLANNED, NO_TEXT),
)


class Notice(NamedTuple):
    """One of SENTENCES with its fields. `at`: the time for `{time}`, in microseconds; 0 if `fields` has it."""

    sentence: str
    fields: Mapping[str, str] = {}
    at: int = 0


def expected_notice(contact: Mapping[str, Any] | None, facts: ReportNotices, now: int, *, has_code: bool) -> Notice:
    """Return the notice to expect for a message that is sent now. `has_code`: the country has a code to dial.

    The scheduler may still send none: this installation may have no way to send texts, or the number has opted out.
    """
    if not contact or not contact.get("allowed"):
        return Notice(NO_CONTACT)
    permission = read_permission(contact, facts.since)
    if permission is None:
        return Notice(CALLS_ONLY)
    if not has_code:
        return Notice(NO_CODE)
    if len(facts.sent) >= MAX_NOTICES:
        return Notice(NO_MORE, {"number": str(MAX_NOTICES)})
    due_at = next_notice_at(permission, facts.sent, now)
    return Notice(TOO_OLD) if due_at is None else _planned(due_at, now, permission.zone)


def _planned(due_at: int, now: int, zone: ZoneInfo) -> Notice:
    if due_at <= now:
        return Notice(AT_ONCE)
    local = datetime.fromtimestamp(due_at / SECOND, zone)
    is_today = local.date() == datetime.fromtimestamp(now / SECOND, zone).date()
    return Notice(LATER, {"time": f"{local:%H:%M}" if is_today else f"{local:%Y-%m-%d %H:%M}", "zone": zone.key})


def present_notice(row: NoticeRow, now: int) -> Notice:
    """Return the state of the text that announces a sent message."""
    if row.sent_at is not None:
        return Notice(TEXT_SENT[row.way or NoticeWay.SMS], at=row.sent_at)
    if row.due_at is None:
        return Notice(NO_TEXT)
    return Notice(SMS_PLANNED if row.way else TEXT_PLANNED, at=max(row.due_at, now))
