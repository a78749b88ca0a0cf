"""How a reporter can be reached: one decision for every page, over all combinations, at any time and place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console import bodies
from console.presenters.reachability import NO_MESSAGE, ContactOption, Reachability, format_wait, reach
from reports.json_bodies import NO_CONTACT, json_bytes, without_contact
from runtime.time_units import HOUR, MINUTE, SECOND

NUMBER = "+6785550101"
ZONES = ("Pacific/Efate", "Pacific/Apia", "Africa/Nairobi", "America/St_Johns", "Australia/Lord_Howe", "Europe/London")
CLOCK = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
HOURS = st.fixed_dictionaries({"from": CLOCK, "to": CLOCK, "tz": st.sampled_from(ZONES)})
BROKEN = st.sampled_from([None, {}, {"from": "8", "to": "16:00", "tz": "UTC"}, {"from": "08:00", "to": "16:00"}, "x"])
MAILBOX = st.sampled_from([None, b"", b"k" * 32])
NOWS = st.integers(1_700_000_000, 2_000_000_000).map(lambda second: second * SECOND)


@st.composite
def contacts(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a contact of a report, of this or another version, or an invalid one."""
    return {
        "allowed": draw(st.booleans()),
        "how": draw(st.sampled_from(["none", "call", "sms", "pigeon"])),
        "safe_hours": draw(st.one_of(HOURS, BROKEN)),
        **draw(st.sampled_from([{}, {"msisdn": NUMBER}])),
    }


def is_safe(hours: dict[str, str], at: int) -> bool:
    """Return whether the local time is safe, computed in another way than in the console."""
    clock = f"{datetime.fromtimestamp(at / SECOND, UTC).astimezone(ZoneInfo(hours['tz'])):%H:%M}"
    begin, end = hours["from"], hours["to"]
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def decided(contact: dict[str, Any], mailbox: bytes | None, now: int, *, withdrawn: bool) -> Reachability:
    """Decide as the report's page does."""
    report: dict[str, Any] = {"contact": contact}
    if withdrawn:
        report = {"contact": dict(NO_CONTACT)}
        assert without_contact(json_bytes({"contact": contact})) == json_bytes(report)
    return reach(bodies.complete_report(report)["contact"], bodies.no_mailbox_reason(mailbox), now)


WHOLE_DAY = {"from": "02:30", "to": "02:15", "tz": "Pacific/Auckland"}  # but for minutes that one night does not have


def test_safe_hours_whose_pause_the_clock_skips_go_on_for_a_day() -> None:
    contact = {"allowed": True, "how": "call", "msisdn": NUMBER, "safe_hours": WHOLE_DAY}
    at = int(datetime(2026, 9, 26, 10, tzinfo=UTC).timestamp()) * SECOND
    assert reach(contact, "", at).closes_at == int(datetime(2026, 9, 27, 13, 15, tzinfo=UTC).timestamp()) * SECOND


CHANGES = {  # the two nights of a year in which the clock changes, by its zone
    "Pacific/Auckland": ("2026-09-26T10:00", "2027-04-03T09:00"),
    "Australia/Sydney": ("2026-10-03T10:00", "2027-04-03T09:00"),
    "Australia/Lord_Howe": ("2026-10-03T10:00", "2027-04-03T09:00"),
}


@pytest.mark.parametrize("end", ["02:00", "02:15", "02:30", "03:00", "03:30"])
@pytest.mark.parametrize(("zone", "evening"), [(zone, one) for zone, both in CHANGES.items() for one in both])
def test_safe_hours_end_at_their_minute_in_a_night_of_clock_change(zone: str, evening: str, end: str) -> None:
    hours = {"from": "21:00", "to": end, "tz": zone}
    contact = {"allowed": True, "how": "call", "msisdn": NUMBER, "safe_hours": hours}
    now = int(datetime.fromisoformat(f"{evening}+00:00").timestamp()) * SECOND
    for minute in range(0, 8 * 60, 5):
        at = now + minute * MINUTE
        found = reach(contact, "", at)
        if is_safe(hours, at):
            later = range(at + MINUTE, at + 24 * HOUR, MINUTE)
            assert found.closes_at == next(one for one in later if not is_safe(hours, one)), minute
        else:
            assert found.closes_at is None


@given(contacts(), MAILBOX, NOWS, st.booleans())
def test_one_decision_holds_for_all_that_can_be_allowed(
    contact: dict[str, Any], mailbox: bytes | None, now: int, withdrawn: bool
) -> None:
    found = decided(contact, mailbox, now, withdrawn=withdrawn)
    hours = contact["safe_hours"]
    is_allowed = contact["allowed"] and contact["how"] in ("call", "sms") and "msisdn" in contact and not withdrawn
    if found.way in (ContactOption.NOW, ContactOption.LATER):
        assert is_allowed and found.number == NUMBER and found.how == contact["how"]
        assert is_safe(hours, now) == (found.way is ContactOption.NOW)
    else:
        assert not found.number, "no number stands where nobody may call"
        assert (found.way is ContactOption.NONE) == (not mailbox)
        assert (found.way is ContactOption.MESSAGE) == bool(mailbox)
        if is_allowed:  # only because the hours are invalid
            assert not isinstance(hours, dict) or len(hours) < 3 or hours["from"] == hours["to"] or hours["from"] == "8"
    assert (found.no_message in NO_MESSAGE) == (not mailbox)
    assert "{" not in found.sentence.format(**found.fields) + found.second + found.short.format(**found.fields)


TWO_DAYS = 50 * HOUR  # in spring the time of a change may be skipped for one night

# In this night 01:00 to 01:59 are skipped in London.
SPRING = int(datetime(2030, 3, 31, 1, tzinfo=UTC).timestamp()) * SECOND


@example({"from": "01:01", "to": "02:02", "tz": "Europe/London"}, None, SPRING - HOUR)
@example({"from": "01:01", "to": "01:00", "tz": "Europe/London"}, None, SPRING - 24 * HOUR + MINUTE)
@example({"from": "01:00", "to": "01:01", "tz": "Europe/London"}, None, SPRING - 24 * HOUR + MINUTE)
@example({"from": "01:30", "to": "01:45", "tz": "Europe/London"}, None, SPRING - HOUR)
@given(HOURS, MAILBOX, NOWS)
def test_the_hours_begin_and_end_when_it_says_so(hours: dict[str, str], mailbox: bytes | None, now: int) -> None:
    contact = {"allowed": True, "how": "call", "safe_hours": hours, "msisdn": NUMBER}
    found = decided(contact, mailbox, now, withdrawn=False)
    if found.way is ContactOption.LATER:
        assert found.opens_at is not None and now < found.opens_at <= now + TWO_DAYS
        assert is_safe(hours, found.opens_at)
        assert not any(is_safe(hours, at) for at in range(now, found.opens_at, 7 * MINUTE))
    elif found.way is ContactOption.NOW:
        assert found.closes_at is not None and now < found.closes_at <= now + TWO_DAYS
        assert all(is_safe(hours, at) for at in range(now, found.closes_at, 7 * MINUTE))


@pytest.mark.parametrize(("begin", "end"), [("08:00:00.5", "09:00"), ("08:00", "09:00:00.5"), ("8:00", "09:00")])
def test_hours_that_are_no_times_of_day_allow_no_call(begin: str, end: str) -> None:
    """A bug: with a part of a second no end was found, and the report's page failed."""
    contact = {"allowed": True, "how": "call", "msisdn": NUMBER, "safe_hours": {"from": begin, "to": end, "tz": "UTC"}}
    for at in range(SPRING, SPRING + 24 * HOUR, 30 * MINUTE):
        assert reach(contact, "", at).way is ContactOption.MESSAGE


@pytest.mark.parametrize(
    ("mailbox", "how", "sentence"),
    [
        (b"k", "none", "You can only leave a message"),
        (None, "none", "There is no safe way to reach the reporter"),
        (b"", "none", "There is no safe way to reach the reporter"),
        (b"k", "call", "Do NOT call now: it is 05:12 there (Pacific/Efate). Call from 08:00, in 2 h 48 min."),
        (None, "sms", "Do NOT text now: it is 05:12 there (Pacific/Efate). Text from 08:00, in 2 h 48 min."),
    ],
)
def test_it_is_one_sentence(mailbox: bytes | None, how: str, sentence: str) -> None:
    now = int(datetime(2026, 11, 28, 5, 12, tzinfo=ZoneInfo("Pacific/Efate")).timestamp()) * SECOND
    hours = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
    contact = {"allowed": how != "none", "how": how, "safe_hours": hours, "msisdn": NUMBER}
    found = decided(contact, mailbox, now, withdrawn=False)
    assert sentence in found.sentence.format(**found.fields)


def test_a_begun_minute_is_waited_for_whole() -> None:
    assert [format_wait(one) for one in (1, MINUTE, MINUTE + 1, 60 * MINUTE, 168 * MINUTE)] == [
        "1 min",
        "1 min",
        "2 min",
        "1 h 00 min",
        "2 h 48 min",
    ]
