"""Requests of strangers and hoaxers, and their answers."""

from __future__ import annotations

import itertools
import re
import threading
from typing import Any

import pytest
from sqlalchemy import event

from reports.store.mailboxes.pin_throttle import BUCKETS
from reports.store.schema import tables as t
from tests.support.app import App
from tests.support.handsets import JsonUssd

pytestmark = pytest.mark.slow

TO_SEND = ("Report", "No", "Bullying, threats", "Me", "13-15", "Shefa", "No")
HOSTILE = (
    "{{7*7}}",
    "${7*7}",
    "{0.__class__.__mro__}",
    "{emergency}",
    "%s%s%s%n %(asctime)s",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "'; DROP TABLE report; --",
    '" OR ""="',
    "1); DELETE FROM report_body WHERE (1=1",
    "\r\nSet-Cookie: lukaotem=1\r\n\r\nHTTP/1.1 200 OK",
    "=cmd|' /C calc'!A0",
    "../../../../etc/passwd",
    "\x1b[2J\x1b]0;lukaotem\x07",
    "\u202elukaotem\u2066",
    "a\u0000b",
    "\ud800 alone",
    "javascript:alert(1)",
)


def walk(phone: Any, *replies: str) -> str:
    screen = phone.dial().text
    for reply in replies:
        screen = phone.type(reply).text
    return screen


@pytest.mark.rule("A-02")
@pytest.mark.rule("A-03")
@pytest.mark.rule("A-06")
@pytest.mark.parametrize("channel", ["africastalking", "ussd", "simulator"])
def test_hostile_words_are_words(app: App, channel: str) -> None:
    """They arrive as typed, appear on no screen, and change no header."""
    typed = [words for words in HOSTILE if channel != "africastalking" or "\ud800" not in words]  # invalid in a form
    for n, words in enumerate(typed):
        phone = app.ussd(f"+67855501{n:02}", channel)
        assert walk(phone, *TO_SEND, "Send").startswith("Sent to ")
        shown = [phone.type(words).text, phone.type("Skip").text, phone.dial().text]
        assert not any(words.strip() in screen for screen in shown)
    app.submit_due_within(121)
    heard = [kept.data["narrative"] for kept in app.bodies() if kept.hotline == "vu-pikinini"]
    assert set(filter(None, heard)) == {words.replace("\0", "\ufffd") for words in typed}
    assert app.count(t.report) == len(typed)


@pytest.mark.rule("A-02")
@pytest.mark.rule("A-03")
def test_hostile_words_in_the_other_fields(app: App) -> None:
    form = {"sessionId": "ATUid_1", "phoneNumber": "+6785550101", "serviceCode": "*111*163#", "text": ""}
    path = f"/hooks/africastalking/{app.plan.secrets.africastalking}/ussd"
    usual = set(app.http.send("POST", path).headers.keys())
    for where in ("sessionId", "phoneNumber", "serviceCode", "networkCode"):
        for words in HOSTILE:
            if "\ud800" not in words:
                answer = app.http.post(path, {**form, where: words})
                assert (answer.status_code, set(answer.headers.keys())) == (200, usual)
                assert answer.text.startswith("CON In danger? Call police 111.")


@pytest.mark.rule("X-04")
@pytest.mark.rule("A-12")
def test_64_callers_with_one_session_id_never_see_one_another(app: App) -> None:
    """Some operators' session ids are unique only together with the number. Four threads call at the same time."""
    phones = [app.ussd(f"+67855502{n:02}", "ussd") for n in range(64)]
    screens: dict[int, list[str]] = {}

    def call(mine: range) -> None:
        for n in mine:
            phone = phones[n]
            phone.http = type(app.http)(app.flask.test_client())
            phone.dial()
            assert isinstance(phone, JsonUssd)
            phone.session, phone.turn = "one-and-the-same", 0
            screens[n] = [phone.type("").text, *(phone.type(reply).text for reply in (*TO_SEND, "Send"))]
            screens[n].append(phone.type(f"marker{n:02}of{n:02}").text)

    hands = [threading.Thread(target=call, args=(range(first, 64, 4),)) for first in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    codes = {n: _code(screens[n]) for n in screens}
    assert len(set(codes.values())) == 64
    for n, other in itertools.permutations(screens, 2):
        told = "\n".join(screens[n])
        assert f"marker{other:02}" not in told and codes[other] not in told
    app.submit_due_within(121)
    words = [
        kept.data["narrative"] for kept in app.bodies() if kept.hotline == "vu-pikinini" and kept.data["narrative"]
    ]
    assert sorted(words) == [f"marker{n:02}of{n:02}" for n in range(64)]


def _code(screens: list[str]) -> str:
    [code] = {found[0] for screen in screens for found in re.finditer(r"\d{4} \d{4}\nPIN \d{4}", screen)}
    return code


@pytest.mark.rule("A-11")
@pytest.mark.parametrize("table", ["report_body", "route", "delivery", "audit", "mailbox"])
def test_a_report_is_whole_or_absent(app: App, table: str) -> None:
    """If any INSERT of Send fails, no row is stored and Sent is not shown; the next Send stores the report."""

    def refuse(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(f"INSERT INTO {table} "):
            raise RuntimeError(table)

    engine = app.database.engine
    event.listen(engine, "before_cursor_execute", refuse)
    phone = app.ussd("+6785550101")
    screen = walk(phone, *TO_SEND, "Send")
    event.remove(engine, "before_cursor_execute", refuse)
    written = {name: app.count(t.metadata.tables[name]) for name in ("report", "report_body", "delivery", "mailbox")}
    assert set(written.values()) == {0}
    assert not screen.startswith("Sent")
    assert phone.type("Send").text.startswith("Sent to ")
    assert app.count(t.report) == 1


@pytest.mark.rule("A-13")
@pytest.mark.rule("X-07")
@pytest.mark.rule("S-35")
def test_guessing_a_pin_ends_after_five_and_danger_is_still_served(app: App) -> None:
    phone = app.ussd("+6785550101")
    sent = walk(phone, *TO_SEND, "Send")
    code, pin = "".join(re.findall(r"Code (\d{4}) (\d{4})", sent)[0]), re.findall(r"PIN (\d{4})", sent)[0]
    thief = app.ussd("+6785550666")
    guesses = [f"{(int(pin) + 1 + n) % 10_000:04}" for n in range(50)]
    wrong = {walk(thief, "My report", code, guess) for guess in guesses}
    assert len(wrong) == 1 and "police 111" in wrong.pop()
    assert [row.tries for row in app.rows(t.code_try) if row.bucket < BUCKETS] == [5]
    assert walk(thief, "My report", code, pin) == walk(thief, "My report", code, guesses[0]), "a locked code opened"
    assert walk(thief, "Report", "Now").startswith("Call police 111 now.")


@pytest.mark.rule("X-07")
def test_guessing_blindly_finds_nothing_and_costs_the_same_each_time(app: App) -> None:
    """100 pairs against 10 reports: a guess is right with a chance of about 10^-9. Each runs as many SQL statements."""
    for n in range(10):
        walk(app.ussd(f"+67855503{n:02}"), *TO_SEND, "Send")
    thief, seen, statements = app.ussd("+6785550666"), set(), []
    event.listen(app.database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    counts = set()
    for n in range(100):
        thief.dial()
        thief.type("My report")
        thief.type(f"{n * 49_999 % 100_000_000:08}")
        statements.clear()
        seen.add(thief.type(f"{n % 10_000:04}").text)
        counts.add(len(statements))
    assert len(seen) == 1
    assert len(counts) == 1
