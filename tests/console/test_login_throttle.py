"""Guessing a password is slow for strangers, and cannot lock out its owner."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Request
from sqlalchemy import insert, select

from console.auth import credentials, login
from console.auth.login import NAME_LIMIT, client_address
from reports.store.schema.staff import staff, staff_try
from reports.store.staff import accounts
from reports.store.staff.login_throttle import LoginAttempt, count_attempts, record_failure
from tests.support.console import Console
from tests.support.staff import Person, joined, pass_time

MINUTE = 60


@pytest.fixture
def mere(console: Console) -> Person:
    return joined(console.flask, console.parts.database, "mere")


def stranger(console: Console, name: str, ip: str = "192.0.2.1") -> Person:
    one = Person(console.flask, console.parts.database, name, "not this pass phrase")
    one.ip, one.secret = ip, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    return one


@pytest.mark.rule("A-13")
@pytest.mark.rule("A-25")
@pytest.mark.rule("B-79")
def test_five_wrong_ones_lock_a_name_for_strangers_twice_as_long_each_time(console: Console, mere: Person) -> None:
    for minutes in (15, 30, 60):
        for n in range(6):
            assert stranger(console, "mere", f"192.0.2.{n}").log_in().status == 403
        elsewhere = mere.another_browser()
        assert elsewhere.log_in().status == 403, "locked: also for the right password"
        pass_time(console.parts.database, minutes * MINUTE - 40)
        assert mere.another_browser().log_in().status == 403
        pass_time(console.parts.database, 80)
    assert mere.another_browser().log_in().leads_to == "/"


@pytest.mark.rule("A-25")
def test_whom_it_belongs_to_gets_in_where_they_have_logged_in_before(console: Console, mere: Person) -> None:
    """From 30 addresses, over a week: the browser where this person has logged in has its own limit."""
    mere.log_in()
    mere.post("/logout", at="/me")
    for n in range(30):
        stranger(console, "mere", f"198.51.100.{n}").log_in(code="000000")
        pass_time(console.parts.database, 5 * 3600)
    for n in range(6):
        stranger(console, "mere", f"192.0.2.{n}").log_in(code="000000")
    assert mere.another_browser().log_in().status == 403
    assert mere.log_in().leads_to == "/"


@pytest.mark.rule("A-25")
def test_its_owner_is_told(console: Console, mere: Person) -> None:
    for _ in range(3):
        stranger(console, "mere").log_in()
    mere.log_in()
    page = mere.get("/")
    assert "Failed logins with your name since you last logged in: 3." in page.text
    mere.post("/seen", at="/")
    assert "a wrong password" not in mere.get("/").text


@pytest.mark.rule("A-25")
def test_a_browser_where_somebody_logged_in_once_is_no_way_around(console: Console, mere: Person) -> None:
    """A known browser has five attempts for its own name, and a stranger's limit for other names."""
    joined(console.flask, console.parts.database, "luk")
    mere.log_in()
    mere.post("/logout", at="/me")
    for _ in range(6):
        mere.log_in(password="not this pass phrase", code="000000")
    assert mere.log_in().status == 403
    for _ in range(6):
        mere.log_in(name="luk", code="000000")
    luk = Person(console.flask, console.parts.database, "luk")
    luk.secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert luk.log_in().status == 403


@pytest.mark.rule("A-13")
def test_a_browser_of_a_former_colleague_delays_nobody(
    console: Console, mere: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cookie outlives the account. Above its limit it causes no password check, and it never holds every place."""
    database = console.parts.database
    former = joined(console.flask, database, "former")
    account = accounts.find_by_name(database, "former")
    assert account
    accounts.deactivate(database, account, "staff:vu-pikinini/first")
    worked: list[int] = []
    check = credentials.is_correct
    monkeypatch.setattr("console.auth.credentials.is_correct", lambda *given: (worked.append(1), check(*given))[1])
    assert {former.log_in(code="000000").status for _ in range(9)} == {403}
    assert len(worked) == NAME_LIMIT.max_attempts
    nonce = former.client.get_cookie("__Host-tokaut-browser", "desk.example", "/").value.partition(".")[0]
    with credentials.KNOWN_BROWSERS.place(nonce), credentials.KNOWN_BROWSERS.place(nonce):
        assert former.log_in(code="000000").status == 503
        assert mere.log_in().leads_to == "/"


@pytest.mark.rule("A-13")
def test_an_address_that_tries_many_names_is_answered_without_work(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = []
    monkeypatch.setattr("console.auth.credentials.is_correct", lambda *_: bool(worked.append(1)))
    for n in range(30):
        assert stranger(console, f"name{n}").log_in().status == 403
    assert len(worked) == 20
    assert stranger(console, "another", "192.0.2.77").log_in().status == 403
    assert len(worked) == 21


def test_a_flood_of_strangers_holds_three_threads_and_no_turn_of_those_we_know(
    console: Console, mere: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While strangers' password checks hang, other strangers are refused at once, and staff can log in."""
    begun, end = threading.Semaphore(0), threading.Event()
    check = credentials.is_correct

    def is_right(password: str, kept: str | None, room: credentials.LoginSlots = credentials.KNOWN_BROWSERS) -> bool:
        if room is credentials.UNKNOWN_BROWSERS:
            begun.release()
            end.wait(60)
        return check(password, kept, room)

    mere.log_in()
    mere.post("/logout", at="/me")
    monkeypatch.setattr("console.auth.credentials.is_correct", is_right)
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(lambda n=n: stranger(console, "mere", f"192.0.2.{n}").log_in().status) for n in (1, 1, 2)]
        try:
            assert all(begun.acquire(timeout=20) for _ in held)
            assert {stranger(console, "mere", f"198.51.100.{n}").log_in().status for n in range(9)} == {503}
            assert mere.log_in().leads_to == "/"
            assert mere.get("/").status == 200
        finally:
            end.set()
        assert [one.result() for one in held] == [403] * 3
    assert stranger(console, "mere").log_in().status == 403


def test_one_address_does_not_hold_every_place(console: Console) -> None:
    with credentials.UNKNOWN_BROWSERS.place("192.0.2.1"), credentials.UNKNOWN_BROWSERS.place("192.0.2.1"):
        assert stranger(console, "mere", "192.0.2.1").log_in().status == 503
        assert stranger(console, "mere", "192.0.2.2").log_in().status == 403


@pytest.mark.rule("X-28")
def test_a_proxy_tells_whose_address_it_is_and_a_stranger_tells_nothing(console: Console) -> None:
    def seen(peer: str, told: str = "") -> str:
        around = {"REMOTE_ADDR": peer, **({"HTTP_X_FORWARDED_FOR": told} if told else {})}
        return client_address(Request(around))

    assert seen("127.0.0.1", "203.0.113.9, 192.0.2.5") == "192.0.2.5"
    assert seen("", "192.0.2.5") == "192.0.2.5"
    assert seen("198.51.100.7", "192.0.2.5") == "198.51.100.7"
    assert seen("2001:db8:1:2:3::9") == seen("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert seen("127.0.0.1", "::ffff:192.0.2.5") == seen("::ffff:192.0.2.5") == "192.0.2.5", (
        "IPv4 behind an IPv6 socket"
    )
    assert seen("::ffff:127.0.0.1", "192.0.2.5") == "192.0.2.5"
    assert seen("127.0.0.1", "no address") == "unknown"
    del console


def test_an_unknown_name_gets_the_same_answer_for_the_same_work(
    console: Console, mere: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []
    for module, name in (
        (login.credentials, "is_correct"),
        (login.credentials, "matching_step"),
        (login.login_throttle, "record_failure"),
    ):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, real=real, name=name: (work.append(name), real(*given))[1])

    def asked(name: str) -> tuple[int, str, list[str]]:
        work.clear()
        page = stranger(console, name).log_in(code="123456")
        return page.status, re.sub(r'value="[0-9a-f]+"', "", page.html), list(work)

    del mere
    assert asked("mere") == asked("nobody") == asked("") == asked("x" * 300)


def test_a_failure_is_written_to_the_disk_for_an_unknown_name_too(console: Console, mere: Person) -> None:
    """A commit that changes nothing does not wait for the disk: five tries told which names exist."""
    database = console.parts.database

    def rows() -> object:
        with database.read() as connection:
            return connection.execute(select(staff_try)).all(), connection.execute(select(staff.c.wrong)).all()

    del mere
    for name in ("mere", "nobody"):
        attempt = LoginAttempt(name.encode().ljust(32), NAME_LIMIT)
        assert count_attempts(database, attempt) == (True,)
        before = rows()
        record_failure(database, accounts.find_by_name(database, name), attempt)
        assert rows() != before, name


def test_guesses_at_the_same_moment_cost_one_each(console: Console, mere: Person) -> None:
    del mere
    let_in: list[bool] = []

    def try_it() -> None:
        let_in.extend(count_attempts(console.parts.database, LoginAttempt(b"k" * 32, NAME_LIMIT)))

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(let_in) == [False] * 3 + [True] * 5


def test_counts_of_two_roles_of_one_console_are_no_fault(console: Console) -> None:
    """A console that changes its role, as when operators are removed, finds its counts under both."""
    database, bucket = console.parts.database, b"b" * 32
    assert count_attempts(database, LoginAttempt(bucket, NAME_LIMIT)) == (True,)
    with database.write() as connection:
        row = {"bucket": bucket, "console_role": "tokaut_console_kenya", "tries": 4, "since": database.now()}
        connection.execute(insert(staff_try), row | {"locks": 0, "locked_until": 0})
    assert count_attempts(database, LoginAttempt(bucket, NAME_LIMIT)) == (True,)
    assert count_attempts(database, LoginAttempt(bucket, NAME_LIMIT)) == (False,), "the stricter count"
