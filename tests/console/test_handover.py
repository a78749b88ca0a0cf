"""Staff transfer a report to another hotline: they request it, the clock does it, each step is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from sqlalchemy import Table, select, text

from reports.store.cases import case_actions
from reports.store.cases.case_actions import CaseAction
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.escalation import fallbacks
from reports.store.operations import delivery_actions
from reports.store.privileges.rights import CLOCK, CONSOLE, OWNER, WEB
from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE, OTHER, THIRD
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.databases import KINDS
from tests.support.hotline_clients import store_report
from tests.support.postgres import Postgres
from tests.support.staff import Page, Person, joined
from tokaut.local_stack.settings import StackPlan

pytestmark = pytest.mark.slow

WHY = "We cannot drive out there"


@dataclass
class HandoverSetup:
    """On PostgreSQL each process has the rights of its own role. `report`: has another hotline in its route."""

    console: Console
    clock: Database
    all: Database
    report: str
    mere: Person

    def path(self, act: str = "") -> str:
        return f"/reports/{self.report}" + act

    def ask(self, to: str = THIRD, reason: str = WHY, who: Person | None = None) -> Page:
        return (who or self.mere).post(self.path("/hand-over"), {"to": to, "reason": reason, "sure": "1"}, at="/me")

    def page(self) -> str:
        return self.mere.get(self.path()).text

    def do(self) -> list[tuple[str, str] | None]:
        self.clock.offset = self.console.parts.database.offset  # the same time for both
        return [
            delivery_actions.execute_transfer(self.clock, one)
            for one in delivery_actions.list_requested_transfers(self.clock)
        ]

    def rows(self, table: Table) -> list[Mapping[str, object]]:
        with self.all.read() as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

    def given(self) -> dict[object, object]:
        return {row["hotline"]: row["handling"] for row in self.rows(t.delivery)}

    def acts(self) -> list[tuple[object, object]]:
        rows = sorted(self.rows(t.audit), key=lambda row: (row["at"], row["audit_id"]))
        return [(row["actor"], row["act"]) for row in rows if "hand" in str(row["act"])]


@pytest.fixture(params=KINDS)
def setup(request: pytest.FixtureRequest, made: StackPlan) -> Iterator[HandoverSetup]:
    settings, opened = {**made.settings, "COUNTRIES": "vu"}, []
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        addresses = postgres.new_filled()
        settings["DATABASE_URL"] = addresses[CONSOLE]
        of_all = addresses[OWNER].replace(f"{OWNER}@", "postgres@")
        opened = [Database(one, threads=2) for one in (addresses[CLOCK], addresses[WEB], of_all)]
    console = Console(settings)
    clock, web, of_all_ = opened or [console.parts.database] * 3
    hotlines = [(HOTLINE, "primary"), (OTHER, "also"), (THIRD, "fallback")]
    body = json.dumps(json.loads(SAMPLE.read_text())["data"]).encode()
    report = store_report(web, made.folder.inside / "keys", hotlines, body=body)
    mere = joined(console.flask, console.parts.database, "mere")
    mere.log_in()
    yield HandoverSetup(console, clock, of_all_, report, mere)
    console.close()
    for one in opened:
        one.close()


def test_they_ask_and_the_clock_does_it(setup: HandoverSetup) -> None:
    before = setup.page()
    assert "Transfer to another hotline (permanent)" in before and "Vanuatu Police" in before
    assert (
        "Women's Centre" not in before.partition("Transfer to another hotline")[2].partition("Why you transfer it")[0]
    )
    assert setup.ask().leads_to == setup.path("?said=asked#hand-over")
    waiting = setup.page()
    assert "mere asked at " in waiting and "until then the report is yours" in waiting
    assert "Transfer to another hotline (permanent)" not in waiting
    assert WHY in waiting
    assert setup.given() == {HOTLINE: "none", OTHER: "none"}
    ((delivery, priority),) = filter(None, setup.do())
    (made,) = [row for row in setup.rows(t.delivery) if row["hotline"] == THIRD]
    assert (made["delivery_id"], made["why"], made["state"], priority) == (delivery, "HANDED_ON", "due", "P2")
    assert setup.given() == {HOTLINE: "rejected", OTHER: "none", THIRD: "none"}
    after = setup.page()
    assert "This report was transferred to Vanuatu Police, not urgent. That hotline is responsible for it now." in after
    assert "Transfer to another hotline (permanent)" not in after
    staff = f"staff:{HOTLINE}/mere"
    assert setup.acts() == [(staff, "hand_over_asked"), (staff, "handed_on")]
    assert setup.do() == []


def test_a_reason_is_sealed_to_their_own_hotline(setup: HandoverSetup) -> None:
    setup.ask()
    (note,) = setup.rows(t.note)
    assert (note["recipient"], note["kind"], note["actor"]) == (HOTLINE, "reason", f"staff:{HOTLINE}/mere")
    assert WHY.encode() not in bytes(note["sealed"])  # type: ignore[call-overload]  # the table has bytes


@pytest.mark.rule("S-26")
@pytest.mark.parametrize(
    ("to", "reason", "told"),
    [
        (OTHER, WHY, "they have it already"),
        (HOTLINE, WHY, "they have it already"),
        ("vu-nobody", WHY, "the reporter was not shown them"),
        ("", WHY, "the reporter was not shown them"),
        (THIRD, " ", "Write why you transfer it"),
    ],
)
def test_what_cannot_be_is_told_at_once(setup: HandoverSetup, to: str, reason: str, told: str) -> None:
    page = setup.ask(to, reason)
    assert page.status == 400 and told in page.text
    assert setup.rows(t.handover) == setup.rows(t.note) == [] and setup.acts() == []


def test_asked_twice_it_is_asked_once(setup: HandoverSetup) -> None:
    setup.ask()
    page = setup.ask()
    assert page.status == 400 and "A transfer was requested already" in page.text
    assert len(setup.rows(t.note)) == 1
    assert len(list(filter(None, setup.do()))) == 1


def close(setup: HandoverSetup) -> None:
    case_actions.perform(
        setup.console.parts.database, CaseAction(HOTLINE, setup.report, "closed", f"staff:{HOTLINE}/ana")
    )


def others_have_it(setup: HandoverSetup) -> None:
    assert fallbacks.add_fallback(setup.clock, setup.report, THIRD, "NO_RECEIPT")


@pytest.mark.parametrize("meanwhile", [close, others_have_it])
def test_what_comes_in_between_is_told_and_changes_nothing(
    setup: HandoverSetup, meanwhile: Callable[[HandoverSetup], None]
) -> None:
    setup.ask()
    meanwhile(setup)
    stood = setup.given()
    assert setup.do() == [None]
    assert setup.given() == stood
    assert [row["outcome"] for row in setup.rows(t.handover)] == ["refused"]
    assert setup.acts()[-1] == ("clock", "hand_over_refused")
    if meanwhile is others_have_it:
        assert (
            "The report was not transferred to" in setup.page()
            and "No other hotline can get this report" in setup.page()
        )
    else:
        assert "closed" in setup.ask().text


def test_after_a_refusal_it_can_be_asked_again(setup: HandoverSetup) -> None:
    setup.ask()
    close(setup)
    setup.do()
    case_actions.perform(
        setup.console.parts.database, CaseAction(HOTLINE, setup.report, "in_progress", f"staff:{HOTLINE}/ana")
    )
    assert "The report was not transferred to" in setup.page()
    seen = setup.mere.get(setup.path()).marks
    assert "took this report" in setup.ask().text, "a form of the page before that must not act"
    asked = {**seen, "to": THIRD, "reason": WHY, "sure": "1"}
    assert setup.mere.post(setup.path("/hand-over"), asked).status == 303
    assert len(list(filter(None, setup.do()))) == 1


def test_another_hotlines_staff_neither_see_nor_ask(setup: HandoverSetup) -> None:
    stranger = joined(setup.console.flask, setup.console.parts.database, "eti", "lead", THIRD)
    stranger.log_in()
    assert setup.ask(OTHER, who=stranger).status == 404
    setup.ask()
    setup.do()
    page = stranger.get(setup.path())
    assert page.status == 200 and WHY not in page.text
    assert setup.ask(HOTLINE, who=stranger).status == 400


def test_two_clocks_do_it_once(setup: HandoverSetup) -> None:
    setup.ask()
    (one,) = delivery_actions.list_requested_transfers(setup.clock)
    assert [bool(delivery_actions.execute_transfer(setup.clock, one)) for _ in range(2)] == [True, False]
    assert [row["outcome"] for row in setup.rows(t.handover)] == ["done"]


@pytest.mark.rule("A-36")
@pytest.mark.parametrize("setup", KINDS[1:], indirect=True)
def test_the_database_lets_nobody_ask_in_anothers_name(setup: HandoverSetup) -> None:
    """The console's account has neither the clock's rights nor those of another hotline."""
    ask = "INSERT INTO handover (report_id, giver, taker, actor, asked_at) VALUES (:r, :g, :t, :a, 1)"
    own, others = f"staff:{HOTLINE}/eti", f"staff:{THIRD}/eti"
    for hotlines, giver, actor in (
        (HOTLINE, HOTLINE, others),
        (HOTLINE, HOTLINE, "clock"),
        (HOTLINE, THIRD, own),
        (THIRD, THIRD, others),
        (THIRD, HOTLINE, own),
        ("", HOTLINE, own),
    ):
        words = {"r": setup.report, "g": giver, "t": THIRD, "a": actor}
        with (
            pytest.raises(DatabaseUnavailable, match="InsufficientPrivilege"),
            setup.console.parts.database.write() as connection,
        ):
            connection.execute(text("SELECT set_config('tokaut.hotlines', :h, true)"), {"h": hotlines})
            connection.execute(text(ask), words)
    with (
        pytest.raises(DatabaseUnavailable, match="InsufficientPrivilege"),
        setup.console.parts.database.write() as connection,
    ):
        connection.execute(text("INSERT INTO delivery (delivery_id) VALUES ('made')"))
    assert setup.rows(t.handover) == []


@pytest.mark.rule("A-36")
@pytest.mark.parametrize("setup", KINDS[1:], indirect=True)
def test_a_route_is_seen_by_whom_it_was_given_to_alone(setup: HandoverSetup) -> None:
    seen = {}
    for hotlines in (HOTLINE, THIRD, ""):
        with setup.console.parts.database.write() as connection:
            connection.execute(text("SELECT set_config('tokaut.hotlines', :h, true)"), {"h": hotlines})
            connection.execute(text("SELECT set_config('tokaut.report', :r, true)"), {"r": setup.report})
            seen[hotlines] = len(connection.execute(select(t.route.c.hotline)).all())
    assert seen == {HOTLINE: 3, THIRD: 0, "": 0}
