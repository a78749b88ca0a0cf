"""Guessing codes from one phone and from many: counted, limited, and without effect on others."""

from __future__ import annotations

import pytest

from reports.access_codes import check_digit
from reports.store.mailboxes.pin_throttle import DEFAULT_LIMIT
from tests.safeguarding.call_paths import TO_SENT, dial_path
from tests.safeguarding.outages import code_and_pin, empty, redis_unavailable
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("X-07"), pytest.mark.rule("S-35")]

REPORTER, GUESSER, ANOTHER = "+6785550141", "+6785550142", "+6785550143"
OPEN = "We have it and are still sending it."


def pairs(count: int, but: str) -> list[tuple[str, str]]:
    """Return pairs whose codes have a valid check digit and differ from `but`."""
    codes = (f"{n:07}" for n in range(1_000_000, 1_000_000 + count + 1))
    return [(one + check_digit(one), "0000") for one in codes if one + check_digit(one) != but][:count]


def guessed(app: App) -> int:
    [line] = [
        one
        for one in app.parts.metrics.page().decode().splitlines()
        if one.startswith("tokaut_access_code_failures_total")
    ]
    return int(float(line.split()[-1]))


@pytest.mark.parametrize("channel", ["simulator", "africastalking"])
def test_after_ten_wrong_pairs_a_number_gets_the_same_answer_for_the_right_one(app: App, channel: str) -> None:
    pair = code_and_pin(dial_path(app.ussd(REPORTER), *TO_SENT)[-1])
    before = guessed(app)
    wrong = {
        dial_path(app.ussd(GUESSER, channel), "My report", *one)[-1] for one in pairs(DEFAULT_LIMIT.per_number, pair[0])
    }
    assert len(wrong) == 1
    assert guessed(app) - before == DEFAULT_LIMIT.per_number
    assert dial_path(app.ussd(GUESSER, channel), "My report", *pair)[-1] == wrong.pop()
    assert dial_path(app.ussd(ANOTHER, channel), "My report", *pair)[-1].startswith(OPEN)


def test_a_reporter_who_mistypes_nine_times_still_gets_in(app: App) -> None:
    pair = code_and_pin(dial_path(app.ussd(REPORTER), *TO_SENT)[-1])
    for one in pairs(DEFAULT_LIMIT.per_number - 1, pair[0]):
        dial_path(app.ussd(REPORTER), "My report", *one)
    slipped = pair[0][:7] + str((int(pair[0][7]) + 1) % 10)
    for _ in range(3):  # a wrong check digit does not count as a guess
        dial_path(app.ussd(REPORTER), "My report", slipped, pair[1])
    assert dial_path(app.ussd(REPORTER), "My report", *pair)[-1].startswith(OPEN)


def test_without_redis_nobody_is_locked_out(app: App, redis_url: str) -> None:
    pair = code_and_pin(dial_path(app.ussd(REPORTER), *TO_SENT)[-1])
    for one in pairs(DEFAULT_LIMIT.per_number, pair[0]):
        dial_path(app.ussd(REPORTER), "My report", *one)
    phone = app.ussd(ANOTHER, "africastalking")
    phone.dial()
    with redis_unavailable(app):
        seen = [phone.type(reply).text for reply in ("My report", *pair)]
    assert seen[-1].startswith(OPEN)
    empty(redis_url)
    assert dial_path(app.ussd(REPORTER), "My report", *pair)[-1].startswith(OPEN)


def test_who_has_no_number_shares_no_limit(app: App) -> None:
    """A network that hides numbers shows many people as one: no one may lock out the others."""
    pair = code_and_pin(dial_path(app.ussd(REPORTER), *TO_SENT)[-1])
    for one in pairs(DEFAULT_LIMIT.per_number, pair[0]):
        dial_path(app.ussd("hidden"), "My report", *one)
    assert dial_path(app.ussd("hidden"), "My report", *pair)[-1].startswith(OPEN)
