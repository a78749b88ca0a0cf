"""When an unrequested SMS may be sent: a table of consent, safe hours, places, counts and ages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flows.staff_replies import PROMISES, TOPIC_WORDS
from reports.answer_notices import NOTICE_TEXT, next_notice_at, read_permission
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

NUMBER = "+6785550101"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


NOON = at("2026-11-25 01:00")  # 12:00 in Vanuatu


def contact(how: str = "sms", begin: str = "07:00", end: str = "21:00", tz: str = "Pacific/Efate", **more: Any) -> Any:
    hours = {"from": begin, "to": end, "tz": tz}
    return {"allowed": True, "how": how, "safe_hours": hours, "msisdn": NUMBER} | more


@pytest.mark.rule("S-03")
@pytest.mark.rule("S-13")
@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        {"allowed": False, "how": "none", "safe_hours": None},
        contact(allowed=False),
        contact("call"),  # a text stays on the phone; a call may be safe
        contact("none"),
        contact(msisdn=None),
        contact(msisdn=""),
        contact(safe_hours=None),
        contact(begin="21:00", end="07:00"),
        contact(begin="soon"),
        contact(tz="Pacific/Nowhere"),
        contact(tz="../../etc"),
    ],
)
def test_no_yes_no_text(said: Any) -> None:
    assert read_permission(said, NOON) is None
    assert next_notice_at(read_permission(said, NOON), (), NOON) is None


ROWS = [
    # now, contact, times of earlier texts, due time
    (NOON, contact(), (), NOON),
    (at("2026-11-24 20:00"), contact(), (), at("2026-11-24 20:00")),  # 07:00 there
    (at("2026-11-24 19:59"), contact(), (), at("2026-11-24 20:00")),  # 06:59, so a minute later
    (at("2026-11-25 09:49"), contact(), (), at("2026-11-25 09:49")),  # 20:49
    (at("2026-11-25 09:50"), contact(), (), at("2026-11-25 20:00")),  # 20:50; a text may take ten minutes
    (at("2026-11-25 10:00"), contact(), (), at("2026-11-25 20:00")),  # 21:00
    (at("2026-11-25 13:30"), contact(), (), at("2026-11-25 20:00")),  # half past midnight
    (at("2026-11-24 20:30"), contact(begin="08:00", end="16:00"), (), at("2026-11-24 21:00")),
    (at("2026-11-25 04:50"), contact(begin="08:00", end="16:00"), (), at("2026-11-25 21:00")),
    # Kiribati's three time zones give the same moment.
    (NOON, contact(tz="Pacific/Tarawa"), (), NOON),
    (at("2026-11-25 18:30"), contact(tz="Pacific/Tarawa"), (), at("2026-11-25 19:00")),
    (at("2026-11-25 18:30"), contact(tz="Pacific/Kanton"), (), at("2026-11-25 18:30")),
    (at("2026-11-25 17:30"), contact(tz="Pacific/Kiritimati"), (), at("2026-11-25 17:30")),
    (at("2026-11-25 16:30"), contact(tz="Pacific/Kiritimati"), (), at("2026-11-25 17:00")),
    # The clocks change in New Zealand on 2026-09-27.
    (at("2026-09-26 17:30"), contact(tz="Pacific/Auckland"), (), at("2026-09-26 18:00")),
    # One in 24 hours, three for each report.
    (NOON, contact(), (NOON - 23 * HOUR,), NOON + HOUR),
    (NOON, contact(), (NOON - 24 * HOUR,), NOON),
    (NOON, contact(), (NOON - 9 * HOUR,), NOON + 19 * HOUR),  # 24 h later it is night
    (NOON, contact(), (NOON - 9 * DAY, NOON - 3 * DAY), NOON),
    (NOON, contact(), (NOON - 9 * DAY, NOON - 3 * DAY, NOON - 2 * DAY), None),
]


@pytest.mark.rule("S-03")
@pytest.mark.parametrize(("now", "said", "sent", "due"), ROWS)
def test_rows(now: int, said: Any, sent: tuple[int, ...], due: int | None) -> None:
    assert next_notice_at(read_permission(said, now), sent, now) == due


@pytest.mark.rule("S-03")
@pytest.mark.parametrize(("age", "goes"), [(0, True), (30 * DAY, True), (30 * DAY + MINUTE, False), (400 * DAY, False)])
def test_a_yes_ends_after_thirty_days(age: int, goes: bool) -> None:
    assert (next_notice_at(read_permission(contact(), NOON - age), (), NOON) is not None) == goes


@pytest.mark.rule("S-03")
@pytest.mark.rule("X-29")
def test_the_sentence_says_nothing() -> None:
    words = NOTICE_TEXT.replace("{ussd}", "").casefold()
    assert not TOPIC_WORDS & set(words.replace(".", " ").split())
    assert not PROMISES.search(words)
    assert "{ussd}" in NOTICE_TEXT
    assert len(NOTICE_TEXT.replace("{ussd}", "*111*163#")) <= 160
