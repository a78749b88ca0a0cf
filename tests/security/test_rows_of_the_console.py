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
class Desk:
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
def desk(postgres: Postgres) -> Iterator[Desk]:
    addresses = postgres.new_tokaut()
    owner = Database(addresses[OWNER], threads=1)
    upgrade(owner, "live")
    owner.close()
    web = Database(addresses[WEB], threads=1)
    ids = [file(web, n, legs) for n, legs in enumerate((((A, "primary"), (C, "fallback")), ((B, "primary"),), BOTH))]
    web.close()
    with psycopg.connect(addresses[CONSOLE]) as console, psycopg.connect(addresses[CLOCK], autocommit=True) as clock:
        yield Desk(console, clock, *ids)


BOTH = ((A, "primary"), (B, "also"))


def file(web: Database, n: int, recipients: Sequence[tuple[str, str]]) -> str:
    parts = tuple(SealedCopy(name, role, "CATEGORY", "k" * 16, b"w", b"h", b"s") for name, role in recipients)
    now = web.now()
    report = Submission(new_id(now), bytes([n]) * 32, 1, now, "VU", "live", "P2", "complete", parts)
    submissions.commit(web, report, MailboxRecord(bytes([n]) * 32, b"public", b"sealed"))
    return report.report_id


@pytest.mark.product(parts=6)
@pytest.mark.parametrize("hotlines", [None, "", ",", "vu", "vu-pikinin", "*", "%"])
@pytest.mark.parametrize("what", SEEN)
def test_who_says_nothing_sees_nothing(desk: Desk, what: str, hotlines: str | None) -> None:
    assert desk.sees(what, hotlines) == []


def test_a_hotline_sees_its_own_and_not_another_s(desk: Desk) -> None:
    assert set(desk.sees("report", A)) == {desk.of_a, desk.of_both}
    assert set(desk.sees("report", B)) == {desk.of_b, desk.of_both}
    assert set(desk.sees("report_body", A)) == {desk.of_a + A, desk.of_both + A}
    assert set(desk.sees("route", B)) == {desk.of_b + B, desk.of_both + B}
    assert set(desk.sees("mailbox", B)) == {desk.of_b, desk.of_both}
    assert set(desk.sees("report", f"{A},{B}")) == {desk.of_a, desk.of_b, desk.of_both}


@pytest.mark.parametrize("what", ["report", "report_body", "route", "delivery", "mailbox", "audit"])
def test_a_fallback_that_was_not_asked_sees_nothing_though_it_has_a_wrap(desk: Desk, what: str) -> None:
    with desk.clock.transaction():
        held = desk.clock.execute("SELECT count(*) FROM report_body WHERE recipient = %s", (C,)).fetchone()
    assert held == (1,)
    assert desk.sees(what, C) == []


def test_two_of_its_staff_on_one_connection_never_meet(desk: Desk) -> None:
    for _ in range(3):
        assert desk.of_b not in desk.sees("report", A)
        assert desk.sees("report", None) == [], "what was said goes with its transaction"
        assert desk.of_a not in desk.sees("report", B)


def test_what_people_did_is_seen_by_whose_it_is(desk: Desk) -> None:
    def acts(hotline: str) -> set[tuple[str, str]]:
        with desk.console.transaction():
            desk.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
            return set(desk.console.execute("SELECT actor, object_id FROM audit"))

    assert note(desk, A, f"staff:{A}/mere", desk.of_both)
    assert (f"staff:{A}/mere", desk.of_both) in acts(A)
    assert ("web", desk.of_both) in acts(A) & acts(B)
    assert not [actor for actor, _ in acts(B) if actor.startswith(f"staff:{A}")]
    assert desk.of_a not in {thing for _, thing in acts(B)}


@pytest.mark.parametrize("actor", [f"staff:{B}/x", "staff:", "clock", "web", f"staff:{A}x/y", ""])
def test_nobody_writes_in_another_s_name(desk: Desk, actor: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        note(desk, A, actor, desk.of_a)


def note(desk: Desk, hotline: str, actor: str, about: str) -> bool:
    row = "INSERT INTO audit (audit_id, at, actor, act, object_id) VALUES (%s, 1, %s, 'read', %s)"
    with desk.console.transaction():
        desk.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
        return desk.console.execute(row, (new_id(1), actor, about)).rowcount == 1


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
def test_what_a_hotline_may_change(desk: Desk, change: LiteralString, rows: int | None) -> None:
    with desk.console.transaction(force_rollback=True):
        desk.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (A,))
        if rows is None:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                desk.console.execute(change)
        else:
            assert desk.console.execute(change).rowcount == rows


@pytest.mark.parametrize(("hotline", "of", "may"), [(A, "of_a", True), (A, "of_b", False), (B, "of_a", False)])
def test_who_writes_to_a_reporter(desk: Desk, hotline: str, of: str, may: bool) -> None:
    """A hotline writes answers in its own name, about its own reports; the same rule holds for its notes."""
    row: LiteralString = (
        "INSERT INTO answer (answer_id, report_id, hotline, created_at, sealed) VALUES (%s, %s, %s, 1, '')"
    )
    note: LiteralString = (
        "INSERT INTO note (note_id, report_id, recipient, kind, actor, created_at, key_id, wrap, sealed) "
        "VALUES (%s, %s, %s, 'reason', 'x', 1, 'k', '', '')"
    )
    for one in (row, note):
        with desk.console.transaction(force_rollback=True):
            desk.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
            if may:
                assert desk.console.execute(one, (new_id(1), getattr(desk, of), hotline)).rowcount == 1
                continue
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                desk.console.execute(one, (new_id(1), getattr(desk, of), hotline))


def test_who_works_a_state_out_sees_to_whom_else_that_one_report_was_given(desk: Desk) -> None:
    """To compute the report's state, the console sees its other recipients, but changes none of their rows."""
    with desk.console.transaction(force_rollback=True):
        desk.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (A,))
        desk.console.execute("SELECT set_config('tokaut.report', %s, true)", (desk.of_both,))
        seen = desk.console.execute("SELECT hotline FROM delivery WHERE report_id = %s", (desk.of_both,))
        assert {row[0] for row in seen} == {A, B}
        assert desk.console.execute("SELECT 1 FROM delivery WHERE report_id = %s", (desk.of_b,)).fetchall() == []
        for_b = "UPDATE delivery SET handling = 'closed' WHERE hotline = 'vu-police'"
        assert desk.console.execute(for_b).rowcount == 0
        seen = desk.console.execute("SELECT recipient FROM report_body WHERE report_id = %s", (desk.of_both,))
        assert {row[0] for row in seen} == {A}


def test_a_hotline_sees_the_notices_of_its_own_reports_alone(desk: Desk) -> None:
    """A row exists if the reporter was asked by SMS to dial in: the console shows it, the scheduler writes it."""
    for report_id in (desk.of_a, desk.of_b, desk.of_both):
        desk.clock.execute("INSERT INTO nudge (answer_id, report_id) VALUES (%s, %s)", (new_id(1), report_id))
    for hotline, own in ((A, {desk.of_a, desk.of_both}), (B, {desk.of_b, desk.of_both}), (C, set[str]()), ("", set())):
        with desk.console.transaction():
            desk.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotline,))
            assert {row[0] for row in desk.console.execute("SELECT report_id FROM nudge")} == own


def test_the_clock_touches_no_audit_row_that_is_chained(desk: Desk) -> None:
    chain: LiteralString = "UPDATE audit SET seq = 1, prev_hash = '', hash = '' WHERE actor = 'web' AND object_id = %s"
    assert desk.clock.execute(chain, (desk.of_b,)).rowcount == 1
    assert desk.clock.execute(chain, (desk.of_b,)).rowcount == 0
