"""Code and PIN: equal for a repeat, stored nowhere, and five wrong tries lock one code for a day."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import event, update

from reports.case_state import ReportState
from reports.crypto import RecordCipher
from reports.store import mailbox_access
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes.correspondence import MailboxView
from reports.store.mailboxes.pin_throttle import (
    DEFAULT_LIMIT,
    PinGuess,
    count_locked_codes,
    count_recent_failures,
    verify_pair,
)
from reports.store.schema import tables as t
from reports.store.submissions import save_mailbox
from tests.support import databases

VAULT = RecordCipher([b"k" * 32])
REPORT = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
SECRET = b"o" * 32
HOUR = 3600


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    save_mailbox(made, REPORT, mailbox_access.create_mailbox(VAULT, SECRET))
    yield made
    made.close()


def code() -> str:
    return mailbox_access.code_and_pin(VAULT, SECRET)[0]


def pin() -> str:
    return mailbox_access.code_and_pin(VAULT, SECRET)[1]


def wrong_pin() -> str:
    return f"{(int(pin()) + 1) % 10000:04d}"


def opens(database: Database, digits: str | None, secret: str | None, before: int = 0) -> str | None:
    return mailbox_access.find_report(database, VAULT, digits, secret, before).report_id


@pytest.mark.rule("A-30")
@pytest.mark.rule("S-07")
def test_they_are_derived_and_kept_nowhere(database: Database, tmp_path: Path) -> None:
    assert mailbox_access.code_and_pin(VAULT, SECRET) == (code(), pin())
    assert mailbox_access.code_and_pin(VAULT, b"another")[0] != code()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert code().encode() not in stored


def test_right_and_wrong(database: Database) -> None:
    assert opens(database, code(), pin()) == REPORT
    assert opens(database, code(), wrong_pin()) is None
    assert opens(database, "00000000", pin()) is None
    assert opens(database, None, pin()) is None
    assert opens(database, code(), None) is None


def test_without_an_answer_of_staff_no_slow_hash_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(mailbox_access, "slow_hash", lambda *given: made.append(given) or b"h" * 32)
    view = MailboxView(REPORT, ReportState.DELIVERED, None, b"sealed", ())
    assert mailbox_access.read_answers(VAULT, (code(), pin()), "demo", view) == ()
    assert not made


@pytest.mark.rule("X-02")
@pytest.mark.rule("X-07")
@pytest.mark.rule("B-58")
@pytest.mark.rule("S-35")
def test_five_wrong_pins_close_the_code_for_a_day(database: Database) -> None:
    for _ in range(5):
        assert opens(database, code(), wrong_pin()) is None
    assert opens(database, code(), pin()) is None
    database.offset = (24 * HOUR - 60) * 1_000_000
    assert opens(database, code(), pin()) is None
    database.offset = (24 * HOUR + 1) * 1_000_000
    assert opens(database, code(), pin()) == REPORT


@pytest.mark.rule("B-57")
def test_a_wrong_check_digit_is_no_try(database: Database) -> None:
    for _ in range(9):
        opens(database, None, pin())
    assert opens(database, code(), pin()) == REPORT


def test_a_right_pin_sets_the_tries_back(database: Database) -> None:
    for _ in range(3):
        for _ in range(4):
            opens(database, code(), wrong_pin())
        assert opens(database, code(), pin()) == REPORT


@pytest.mark.rule("S-35")
def test_a_wrong_code_costs_the_same_statements_as_a_wrong_pin(database: Database) -> None:
    def statements(digits: str | None) -> list[str]:
        seen: list[str] = []

        def see(_c: object, _cu: object, statement: str, *_: object) -> None:
            seen.append(statement.split(maxsplit=1)[0])

        event.listen(database.engine, "before_cursor_execute", see)
        opens(database, digits, wrong_pin())
        event.remove(database.engine, "before_cursor_execute", see)
        return seen

    wrong_pins = statements(code())
    assert wrong_pins == statements("00000000") == statements(None)
    for _ in range(4):
        opens(database, code(), wrong_pin())
    assert statements(code()) == wrong_pins, "locked"


def test_a_mailbox_that_was_closed_looks_like_a_wrong_code(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(t.mailbox).values(public_key=b"", sealed_key=b""))
    assert opens(database, code(), pin()) is None


def test_tries_of_long_ago_are_forgotten(database: Database) -> None:
    for _ in range(4):
        opens(database, code(), wrong_pin())
    database.offset = (24 * HOUR + 1) * 1_000_000
    assert opens(database, code(), wrong_pin()) is None
    assert opens(database, code(), pin()) == REPORT


def test_a_lock_ends_though_the_clock_was_set_back(database: Database) -> None:
    database.offset = 15 * 24 * HOUR * 1_000_000
    for _ in range(5):
        opens(database, code(), wrong_pin())
    assert count_locked_codes(database) == 1
    database.offset = 0
    assert opens(database, code(), pin()) == REPORT


# Limits for one number, and for all


@pytest.mark.rule("X-07")
def test_after_ten_wrong_pairs_a_number_is_never_told_that_one_is_right(database: Database) -> None:
    assert opens(database, code(), pin(), before=DEFAULT_LIMIT.per_number - 1) == REPORT
    assert opens(database, code(), pin(), before=DEFAULT_LIMIT.per_number) is None
    assert opens(database, code(), pin()) == REPORT, "from another phone"


@pytest.mark.rule("X-07")
def test_a_number_over_its_limit_locks_no_code_of_others(database: Database) -> None:
    for _ in range(6):
        opens(database, code(), wrong_pin(), before=DEFAULT_LIMIT.per_number)
    assert count_locked_codes(database) == 0
    assert opens(database, code(), pin()) == REPORT


@pytest.mark.rule("X-07")
def test_while_many_guess_each_number_has_fewer_tries_and_the_right_pair_opens(database: Database) -> None:
    for n in range(DEFAULT_LIMIT.in_total + 1):
        verify_pair(database, PinGuess(n, [b"wrong"]))
    assert count_recent_failures(database) == DEFAULT_LIMIT.in_total + 1
    assert opens(database, code(), pin()) == REPORT, "nobody is locked out by what others do"
    assert opens(database, code(), pin(), before=DEFAULT_LIMIT.per_number_under_attack - 1) == REPORT
    assert opens(database, code(), pin(), before=DEFAULT_LIMIT.per_number_under_attack) is None
    database.offset = (HOUR + 1) * 1_000_000
    assert count_recent_failures(database) == 0
    assert opens(database, code(), pin(), before=DEFAULT_LIMIT.per_number_under_attack) == REPORT


def test_what_cannot_be_a_code_is_not_counted(database: Database) -> None:
    for digits, secret in ((None, pin()), (code(), None)):
        assert not mailbox_access.find_report(database, VAULT, digits, secret).is_counted
    assert count_recent_failures(database) == 0
    assert mailbox_access.find_report(database, VAULT, code(), wrong_pin()).is_counted
    assert count_recent_failures(database) == 1


def test_after_a_rotation_old_codes_still_open(database: Database) -> None:
    rotated = RecordCipher([b"n" * 32, b"k" * 32])
    assert mailbox_access.find_report(database, rotated, code(), pin()).report_id == REPORT


@pytest.fixture(params=databases.KINDS)
def busy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind that 24 threads may use."""
    made = databases.migrated_database(request.param, request, tmp_path, threads=24)
    save_mailbox(made, REPORT, mailbox_access.create_mailbox(VAULT, SECRET))
    yield made
    made.close()


@pytest.mark.rule("B-58")
@pytest.mark.rule("S-35")
def test_guesses_at_the_same_time_each_cost_a_try(busy: Database) -> None:
    """At most five simultaneous guesses are checked; then the code is locked, for the right PIN too."""
    all_here = threading.Barrier(24)
    locks: list[bool] = []

    def guess(n: int) -> None:
        all_here.wait(timeout=30)
        with suppress(DatabaseUnavailable):  # an unavailable database reveals nothing
            tried = mailbox_access.find_report(busy, VAULT, code(), f"{(int(pin()) + n) % 10000:04d}")
            assert tried.report_id is None
            locks.append(tried.is_locked)

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(locks) <= 1
    if len(locks) >= DEFAULT_LIMIT.per_code:
        assert opens(busy, code(), pin()) is None
