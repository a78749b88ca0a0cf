"""Code and PIN: the same for a repeat, kept nowhere, and five wrong tries close one code for a day."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import event

from reports import mailbox
from reports.sealing import Vault
from reports.store.database import Away, Database
from reports.store.filing import open_mailbox
from tests.support import databases

VAULT = Vault([b"k" * 32])
REPORT = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
OTHER = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4f"
ORIGIN = b"o" * 32
HOUR = 3600


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.made(request.param, request, tmp_path)
    open_mailbox(made, REPORT, mailbox.drawer(VAULT, ORIGIN))
    yield made
    made.close()


def code() -> str:
    return mailbox.code_and_pin(VAULT, ORIGIN, 0)[0]


def pin() -> str:
    return mailbox.code_and_pin(VAULT, ORIGIN, 0)[1]


def wrong_pin() -> str:
    return f"{(int(pin()) + 1) % 10000:04d}"


def opens(database: Database, digits: str | None, secret: str | None) -> str | None:
    return mailbox.open_report(database, VAULT, digits, secret)


@pytest.mark.rule("A-30")
@pytest.mark.rule("S-07")
def test_they_are_derived_and_kept_nowhere(database: Database, tmp_path: Path) -> None:
    assert mailbox.code_and_pin(VAULT, ORIGIN, 0) == (code(), pin())
    assert mailbox.code_and_pin(VAULT, ORIGIN, 1)[0] != code()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert code().encode() not in stored


def test_right_and_wrong(database: Database) -> None:
    assert opens(database, code(), pin()) == REPORT
    assert opens(database, code(), wrong_pin()) is None
    assert opens(database, "00000000", pin()) is None
    assert opens(database, None, pin()) is None
    assert opens(database, code(), None) is None


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


def test_a_code_that_another_report_holds_is_drawn_again(database: Database) -> None:
    draw = mailbox.drawer(VAULT, ORIGIN)
    assert open_mailbox(database, REPORT, draw) == 0
    assert open_mailbox(database, OTHER, draw) == 1
    digits, secret = mailbox.code_and_pin(VAULT, ORIGIN, 1)
    assert opens(database, digits, secret) == OTHER


def test_after_a_rotation_old_codes_still_open(database: Database) -> None:
    rotated = Vault([b"n" * 32, b"k" * 32])
    assert mailbox.open_report(database, rotated, code(), pin()) == REPORT


class Compared(tuple[bytes, ...]):
    """What a PIN may be, and how often one was compared with it."""

    seen: ClassVar[list[object]] = []

    def __contains__(self, kept: object) -> bool:
        self.seen.append(kept)
        return super().__contains__(kept)


class Together(Vault):
    """Lets nobody look at a PIN before all have come."""

    def __init__(self, threads: int) -> None:
        super().__init__([b"k" * 32])
        self.all_here = threading.Barrier(threads)

    def macs(self, label: str, *parts: bytes | str) -> tuple[bytes, ...]:
        found = super().macs(label, *parts)
        if label != "pin":
            return found
        self.all_here.wait(timeout=30)
        return Compared(found)


@pytest.fixture(params=databases.KINDS)
def busy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind that 24 threads may use."""
    made = databases.made(request.param, request, tmp_path, threads=24)
    open_mailbox(made, REPORT, mailbox.drawer(VAULT, ORIGIN))
    yield made
    made.close()


@pytest.mark.rule("B-58")
@pytest.mark.rule("S-35")
def test_guesses_at_the_same_time_each_cost_a_try(busy: Database) -> None:
    together = Together(24)
    Compared.seen.clear()

    def guess(n: int) -> None:
        with suppress(Away):  # no answer is no hint
            assert mailbox.open_report(busy, together, code(), f"{(int(pin()) + n) % 10000:04d}") is None

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < len(Compared.seen) <= mailbox.TRIES
