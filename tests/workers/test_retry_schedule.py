"""The times of retries, fallbacks and alerts: the table of the schedule, row by row."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import time_limits
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from workers import retry_policy

DELAYS = {  # seconds after the 1st, 2nd, … failure; every later one; from the second day on
    "P1": ([5, 15, 30, 60, 60, 60], 60, 60),
    "P2": ([5, 30, 120, 300, 300, 300], 300, 900),
    "P3": ([30, 120, 600, 1800, 3600, 3600], 3600, 3600),
    "P4": ([60, 600, 1800, 3600, 7200, 7200], 7200, 7200),
}


@pytest.mark.parametrize("priority", DELAYS)
def test_delays(priority: str) -> None:
    first, then, later = DELAYS[priority]
    assert [retry_policy.delay_after_failure(priority, n + 1, 0, 0) // SECOND for n in range(6)] == first
    assert retry_policy.delay_after_failure(priority, 400, DAY - 1, 0) == then * SECOND
    assert retry_policy.delay_after_failure(priority, 400, DAY, 0) == later * SECOND


@given(
    st.sampled_from(list(DELAYS)),
    st.integers(1, 10_000),
    st.integers(0, 20 * DAY),
    st.floats(-1, 1),
    st.none() | st.integers(0, 10**9),
)
def test_jitter_stays_within_its_bounds_and_nothing_waits_three_hours(
    priority: str, attempt: int, waited: int, chance: float, retry_after: int | None
) -> None:
    delay = retry_policy.delay_after_failure(priority, attempt, waited, chance, retry_after)
    plain = retry_policy.delay_after_failure(priority, attempt, waited, 0)
    part = 0.1 if priority == "P1" else 0.2
    assert plain * (1 - part) <= delay + 1
    assert delay <= time_limits.DELIVERY_ATTEMPT[priority] + 1
    if retry_after is None:
        assert delay <= plain * (1 + part) + 1


@pytest.mark.rule("F24")
@pytest.mark.parametrize(
    ("priority", "asked", "heeded"),
    [("P1", 3, 5), ("P1", 45, 45), ("P1", 3600, 60), ("P2", 3600, 3600), ("P3", 86400, 3600), ("P4", 10**9, 3600)],
)
def test_retry_after_is_a_lower_bound_within_reason(priority: str, asked: int, heeded: int) -> None:
    assert retry_policy.delay_after_failure(priority, 1, 0, 0, asked) == heeded * SECOND


@pytest.mark.rule("F24")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("٣", None),
        ("9" * 5000, 999_999_999),
        ("Wed, 25 Nov 2026 08:10:00 GMT", 600),
        ("Wed, 25 Nov 2026 07:00:00 GMT", 0),
        ("Wed, 25 Nov 2036 08:00:00 GMT", 315_619_200),
        ("Wed, 99 Nov 2026 08:00:00 GMT", None),
        ("Wed, 25 Nov 2026 08:10:00", 600),
        ("Wed, 25 Nov 2026 08:10:00 -0000", 600),
        ("Fri, 31 Dec 9999 23:59:59", 251_606_707_199),
    ],
)
def test_retry_after_in_seconds_as_a_date_and_as_nonsense(
    header: str | None, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC-11")  # as in Vanuatu
    time.tzset()
    eight_o_clock = 1_795_593_600 * SECOND  # 2026-11-25T08:00:00Z
    try:
        assert retry_policy.parse_retry_after(header, eight_o_clock) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("priority", DELAYS)
def test_three_refusals_are_within_a_minute(priority: str) -> None:
    assert sum(retry_policy.delay_after_refusal(priority, tries, 1) for tries in (1, 2)) < MINUTE


@pytest.mark.parametrize(
    ("priority", "fallback", "tell", "again"),
    [
        ("P1", 30 * SECOND, MINUTE, 15 * MINUTE),
        ("P2", 15 * MINUTE, 20 * MINUTE, 2 * HOUR),
        ("P3", 4 * HOUR, 8 * HOUR, DAY),
        ("P4", DAY, 2 * DAY, DAY),
    ],
)
def test_fallback_and_telling(priority: str, fallback: int, tell: int, again: int) -> None:
    assert not retry_policy.is_fallback_due(priority, fallback - 1)
    assert retry_policy.is_fallback_due(priority, fallback)
    assert (retry_policy.POLICIES[priority].notify_after, retry_policy.POLICIES[priority].notify_interval) == (
        tell,
        again,
    )
