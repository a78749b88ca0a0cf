"""By SQL too, a hotline reaches only its own rows: the console's role sees the rows of the hotlines that it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
import pytest

from reports.store import submissions
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.rights import CLOCK, CONSOLE, OWNER, WEB
from reports.store.schema.base import new_id
from reports.store.submissions import MailboxRecord, SealedCopy, Submission
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-36")]

A, B, C = "vu-pikinini", "vu-police", "vu-womens-centre"
SEEN: dict[str, LiteralString] = {
    "report": "SELECT report_id FROM report",
    "report_body": "SELECT report_id || recipient FROM report_body",
    "route": "SELECT report_id || hotline FROM route",
    "delivery": "SELECT delivery_id FROM delivery",
    "mailbox": "SELECT report_id FROM mailbox",
    "audit": "SELECT audit_id FROM audit",
}


@dataclass
class ConsoleConnection:
    """A pooled connection of the console, and the reports: `of_a` to A with C as fallback, `of_both` to A and B."""

    console: psycopg.Connection[Any]
    clock: psycopg.Connection[Any]
    of_a: str
    of_b: str
    of_both: str

    def sees(self, what: str, hotlines: str | None) -> list[Any]:
        """Return the visible rows, in a transaction of its own as in the console."""
        with self.console.transaction():
            if hotlines is not None:
                self.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotlines,))
            return [row[0] for row in self.console.execute(SEEN[what])]


@pytest.fixture(scope="module")
def console_role(postgres: Postgres) -> Iterator[ConsoleConnection]:
    addresses = postgres.new_tokaut()
    owner = Database(addresses[OWNER], threads=1)
    upgrade(owner, "live")
    owner.close()
    web = Database(addresses[WEB], threads=1)
    ids = [
        submit(web, n, recipients)
        for n, recipients in enumerate((((A, "primary"), (C, "fallback")), ((B, "primary"),), BOTH))
    ]
    web.close()
    with psycopg.connect(addresses[CONSOLE]) as console, psycopg.connect(addresses[CLOCK], autocommit=True) as clock:
        yield ConsoleConnection(console, clock, *ids)


BOTH = ((A, "primary"), (B, "also"))


def submit(web: Database, n: int, recipients: Sequence[tuple[str, str]]) -> str:
    parts = tuple(SealedCopy(name, role, "CATEGORY", "k" * 16, b"w", b"h", b"s") for name, role in recipients)
    now = web.now()
    report = Submission(new_id(now), bytes([n]) * 32, 1, now, "VU", "live", "P2", "complete", parts)
    submissions.commit(web, report, MailboxRecord(bytes([n]) * 32, b"public", b"sealed"))
    return report.report_id


@pytest.mark.product(parts=6)
@pytest.mark.parametrize("hotlines", [None, "", ",", "vu", "vu-pikinin", "*", "%"])
@pytest.mark.parametrize("what", SEEN)
def test_who_says_nothing_sees_nothing(console_role: ConsoleConnection, what: str, hotlines: str | None) -> None:
    assert console_role.sees(what, hotlines) == []


def test_a_hotline_sees_its_own_and_not_another_s(console_role: ConsoleConnection) -> None:
    assert set(console_role.sees("report", A)) == {console_role.of_a, console_role.of_both}
    assert set(console_role.sees("report", B)) == {console_role.of_b, console_role.of_both}
    assert set(console_role.sees("report_body", A)) == {console_role.of_a + A, console_role.of_both + A}
    assert set(console_role.sees("route", B)) == {console_role.of_b + B, console_role.of_both + B}
    assert set(console_role.sees("mailbox", B)) == {console_role.of_b, console_role.of_both}
    assert set(console_role.sees("report", f"{A},{B}")) == {console_role.of_a, console_role.of_b, console_role.of_both}


@pytest.mark.parametrize("what", ["report", "report_body", "route", "delivery", "mailbox", "audit"])
def test_a_fallback_that_was_not_asked_sees_nothing_though_it_has_a_wrap(
    console_role: ConsoleConnection, what: str
) -> None:
    with console_role.clock.transaction():
        held = console_role.clock.execute("SELECT count(*) FROM report_body WHERE recipient = %s", (C,)).fetchone()
    assert held == (1,)
    assert console_role.sees(what, C) == []


def test_two_of_its_staff_on_one_connection_never_meet(console_role: ConsoleConnection) -> None:
    for _ in range(3):
        assert console_role.of_b not in console_role.sees("report", A)
        assert console_role.sees("report", None) == [], "what was said goes with its transaction"
        assert console_role.of_a not in console_role.sees("report", B)


def test_what_people_did_is_seen_by_whose_it_is(console_role: ConsoleConnection) -> None:
    def acts(hotline: str) -> set[tuple[str, str]]:
        with console_role.console.transaction():
            console_role.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
            return set(console_role.console.execute("SELECT actor, object_id FROM audit"))

    assert note(console_role, A, f"staff:{A}/mere", console_role.of_both)
    assert (f"staff:{A}/mere", console_role.of_both) in acts(A)
    assert ("web", console_role.of_both) in acts(A) & acts(B)
    assert not [actor for actor, _ in acts(B) if actor.startswith(f"staff:{A}")]
    assert console_role.of_a not in {thing for _, thing in acts(B)}


@pytest.mark.parametrize("actor", [f"staff:{B}/x", "staff:", "clock", "web", f"staff:{A}x/y", ""])
def test_nobody_writes_in_another_s_name(console_role: ConsoleConnection, actor: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        note(console_role, A, actor, console_role.of_a)


def note(console_role: ConsoleConnection, hotline: str, actor: str, about: str) -> bool:
    row = "INSERT INTO audit (audit_id, at, actor, act, object_id) VALUES (%s, 1, %s, 'read', %s)"
    with console_role.console.transaction():
        console_role.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
        return console_role.console.execute(row, (new_id(1), actor, about)).rowcount == 1


CHANGES: list[tuple[LiteralString, int | None]] = [
    ("UPDATE delivery SET handling = 'accepted' WHERE hotline = 'vu-pikinini'", 2),
    ("UPDATE delivery SET handling = 'accepted'", 2),
    ("UPDATE delivery SET handling = 'accepted' WHERE hotline = 'vu-police'", 0),
    ("UPDATE delivery SET state = 'delivered'", None),
    ("UPDATE delivery SET hotline = 'vu-pikinini'", None),
    ("UPDATE report SET state = 'closed'", 2),  # computed from all deliveries of the report
    ("UPDATE report SET priority = 'P4'", None),
    ("INSERT INTO delivery (delivery_id) VALUES ('x')", None),
    ("SELECT sealed FROM answer", None),  # readable with code and PIN only
    ("UPDATE note SET kind = 'x'", None),
    ("UPDATE nudge SET sent_at = 1", None),
    ("DELETE FROM nudge", None),
    ("UPDATE audit SET actor = 'x'", None),
    ("DELETE FROM report_body", None),
    ("SELECT lookup FROM mailbox", None),
    ("SELECT * FROM pending", None),
    ("SELECT * FROM outgoing", None),
    ("SELECT * FROM inbound", None),
    (
        "INSERT INTO drill (drill_id, hotline, script, actor, asked_at, at, due_at) "
        "VALUES ('x', 'vu-pikinini', 'x', 'staff:vu-pikinini/x', 1, 1, 1)",
        None,  # only in training mode
    ),
    ("UPDATE drill SET report_id = 'x'", None),
    ("SELECT * FROM entry_code", None),  # can be opened only with web's store key
    ("UPDATE own_reply SET text = 'x'", None),  # the words of a signed reply never change
]


@pytest.mark.parametrize(("change", "rows"), CHANGES)
def test_what_a_hotline_may_change(console_role: ConsoleConnection, change: LiteralString, rows: int | None) -> None:
    with console_role.console.transaction(force_rollback=True):
        console_role.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (A,))
        if rows is None:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                console_role.console.execute(change)
        else:
            assert console_role.console.execute(change).rowcount == rows


@pytest.mark.parametrize(("hotline", "of", "may"), [(A, "of_a", True), (A, "of_b", False), (B, "of_a", False)])
def test_who_writes_to_a_reporter(console_role: ConsoleConnection, hotline: str, of: str, may: bool) -> None:
    """A hotline writes answers in its own name, about its own reports; the same rule holds for its notes."""
    row: LiteralString = (
        "INSERT INTO answer (answer_id, report_id, hotline, created_at, sealed) VALUES (%s, %s, %s, 1, '')"
    )
    note: LiteralString = (
        "INSERT INTO note (note_id, report_id, recipient, kind, actor, created_at, key_id, wrap, sealed) "
        "VALUES (%s, %s, %s, 'reason', 'x', 1, 'k', '', '')"
    )
    for one in (row, note):
        with console_role.console.transaction(force_rollback=True):
            console_role.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
            if may:
                assert console_role.console.execute(one, (new_id(1), getattr(console_role, of), hotline)).rowcount == 1
                continue
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                console_role.console.execute(one, (new_id(1), getattr(console_role, of), hotline))


def test_who_works_a_state_out_sees_to_whom_else_that_one_report_was_given(console_role: ConsoleConnection) -> None:
    """To compute the report's state, the console sees its other recipients, but changes none of their rows."""
    with console_role.console.transaction(force_rollback=True):
        console_role.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (A,))
        console_role.console.execute("SELECT set_config('tokaut.report', %s, true)", (console_role.of_both,))
        seen = console_role.console.execute(
            "SELECT hotline FROM delivery WHERE report_id = %s", (console_role.of_both,)
        )
        assert {row[0] for row in seen} == {A, B}
        assert (
            console_role.console.execute("SELECT 1 FROM delivery WHERE report_id = %s", (console_role.of_b,)).fetchall()
            == []
        )
        for_b = "UPDATE delivery SET handling = 'closed' WHERE hotline = 'vu-police'"
        assert console_role.console.execute(for_b).rowcount == 0
        seen = console_role.console.execute(
            "SELECT recipient FROM report_body WHERE report_id = %s", (console_role.of_both,)
        )
        assert {row[0] for row in seen} == {A}


def test_a_hotline_sees_the_notices_of_its_own_reports_alone(console_role: ConsoleConnection) -> None:
    """A row exists if the reporter was asked by SMS to dial in: the console shows it, the scheduler writes it."""
    for report_id in (console_role.of_a, console_role.of_b, console_role.of_both):
        console_role.clock.execute("INSERT INTO nudge (answer_id, report_id) VALUES (%s, %s)", (new_id(1), report_id))
    for hotline, own in (
        (A, {console_role.of_a, console_role.of_both}),
        (B, {console_role.of_b, console_role.of_both}),
        (C, set[str]()),
        ("", set()),
    ):
        with console_role.console.transaction():
            console_role.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
            assert {row[0] for row in console_role.console.execute("SELECT report_id FROM nudge")} == own


def test_the_clock_touches_no_audit_row_that_is_chained(console_role: ConsoleConnection) -> None:
    chain: LiteralString = "UPDATE audit SET seq = 1, prev_hash = '', hash = '' WHERE actor = 'web' AND object_id = %s"
    assert console_role.clock.execute(chain, (console_role.of_b,)).rowcount == 1
    assert console_role.clock.execute(chain, (console_role.of_b,)).rowcount == 0
