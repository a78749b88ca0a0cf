"""Codes and PINs: typed in many ways, and guessed."""

from __future__ import annotations

import re

import pytest

from reports.access_codes import parse_code
from tests.bad_inputs.row import TO_SENT, Row

pytestmark = pytest.mark.slow

WRONG = (
    "Code or PIN is not right. If it is locked, try tomorrow. In danger? Call police 111. Pikinini Helpline: call 163."
)
GUESSES = "SELECT sum(tries) FROM code_try WHERE bucket < 65536"
HOUR = 3_600_000_000  # microseconds

Drawn = tuple[str, str, str]  # code, PIN, report


def drawn(row: Row) -> Drawn:
    """Send a report, and return code, PIN and report id."""
    before = row.stored_data.report_ids()
    sent = row.call(phone=row.new_phone()).walk(*TO_SENT)
    found = re.search(r"Code (\d{4}) (\d{4})\nPIN (\d{4})", sent)
    assert found
    [report_id] = row.stored_data.report_ids() - before
    row.is_silent(found[1] + found[2])
    return found[1] + found[2], found[3], report_id


def opened(row: Row, code: str, pin: str, channel: str = "africastalking") -> str:
    """Open My report from any other phone, and return the screen."""
    return row.call(channel, phone=row.new_phone()).walk("My report", code, pin)


def is_open(screen: str) -> bool:
    return screen.startswith(("Pikinini Helpline has it.", "We have it and are still sending it."))


@pytest.mark.rule("B-56")
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_a_right_code_however_it_is_written(row: Row, channel: str) -> None:
    code, pin, _ = drawn(row)
    wide = code.translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    arabic = code.translate({ord("0") + n: 0x0660 + n for n in range(10)})
    spaced, dashed = f"{code[:4]} {code[4:]}", f"{code[:4]}-{code[4:]}"
    for written in (
        code,
        spaced,
        dashed,
        f" {code} ",
        wide,
        arabic,
        f"{code[:4]}\u2013{code[4:]}",
        " ".join(code),
        f"Code {code}.",
    ):
        assert is_open(opened(row, written, pin, channel)), written
    assert is_open(opened(row, code, f" {pin} ", channel))


@pytest.mark.rule("B-56")
def test_a_right_code_by_sms(row: Row) -> None:
    code, pin, _ = drawn(row)
    texts = row.texts()
    texts.walk("hi", "code", f"{code[:4]} {code[4:]}", pin)
    assert is_open(texts.until_replied(4)[-1])


@pytest.mark.rule("B-57")
def test_a_code_that_cannot_be_one_is_answered_like_a_wrong_pin_and_is_no_try(row: Row) -> None:
    code, pin, _ = drawn(row)
    wrong_pin = f"{(int(pin) + 1) % 10_000:04}"
    answer = opened(row, code, wrong_pin)
    assert answer.startswith(WRONG)
    [(tries,)] = row.stored_data.rows(GUESSES)
    swaps = {code[:n] + code[n + 1] + code[n] + code[n + 2 :] for n in range(7)} - {code}
    slips = {code[:n] + str((int(code[n]) + 3) % 10) + code[n + 1 :] for n in range(8)}
    others = {code[:7], code + "0", "", "lukaotem", "123456789"}
    assert all(parse_code(one) is None for one in swaps | slips | others)
    for one in sorted(swaps | slips | others - {""}):
        assert opened(row, one, pin) == answer, one
    assert row.stored_data.rows(GUESSES) == [(tries,)]
    assert is_open(opened(row, code, pin))
    assert row.stored_data.rows(GUESSES) == [(tries - 1,)]


@pytest.mark.rule("B-57")
def test_a_code_that_nobody_has(row: Row) -> None:
    code, pin, _ = drawn(row)
    taken = {row[0] for row in row.stored_data.rows("SELECT lookup FROM mailbox")}
    other = next(one for n in range(7_130_000, 10**7) if (one := parse_code(f"{n}0")) and one != code)
    answer = opened(row, other, pin)
    assert answer.startswith(WRONG)
    assert {row[0] for row in row.stored_data.rows("SELECT lookup FROM mailbox")} == taken


@pytest.mark.rule("B-58")
def test_five_wrong_pins_lock_a_code_for_a_day_and_no_other(row: Row) -> None:
    code, pin, _ = drawn(row)
    other, others_pin, _ = drawn(row)
    answers = [opened(row, code, f"{(int(pin) + n) % 10_000:04}") for n in (1, 2, 3, 4, 5)]
    assert set(answers) == {answers[0]}
    locked = opened(row, code, pin)
    assert locked == answers[0]
    assert locked.startswith(WRONG)
    assert is_open(opened(row, other, others_pin))
    later = "UPDATE code_try SET locked_until = locked_until - ?, since = since - ? WHERE locked_until > 0"
    row.stored_data.rows(later, 24 * HOUR - HOUR // 60, 24 * HOUR - HOUR // 60)  # 23 h 59 min later
    assert opened(row, code, pin) == locked
    row.stored_data.rows(later, HOUR // 60, HOUR // 60)
    assert is_open(opened(row, code, pin))


@pytest.mark.rule("B-58")
def test_guessing_goes_on_to_lock_after_a_day(row: Row) -> None:
    code, pin, _ = drawn(row)
    for _ in range(2):
        for n in range(1, 6):
            assert opened(row, code, f"{(int(pin) + n) % 10_000:04}").startswith(WRONG)
        assert opened(row, code, pin).startswith(WRONG), "locked"
        row.stored_data.rows("UPDATE code_try SET locked_until = 1 WHERE locked_until > 0")
    assert opened(row, code, f"{(int(pin) + 9) % 10_000:04}").startswith(WRONG)
    assert is_open(opened(row, code, pin))
