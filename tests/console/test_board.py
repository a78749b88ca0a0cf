"""The lead's board: waiting reports, who has which, and reports taken in time today. Own hotline only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from console.views import board as view
from reports.escalation import PRIORITIES, Priority
from reports.store import audit_log
from reports.store.cases import board
from reports.store.cases.board import Board, TakenToday, Waiting
from reports.store.cases.case_list import ListTab
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.staff import accounts
from runtime.time_units import MINUTE, SECOND
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE, OTHER, THIRD
from tests.support.console import Console
from tests.support.hotline_clients import first_delivery, store_report
from tests.support.staff import Person, close_form, pass_time
from tokaut.local_stack.settings import StackPlan

Store = Callable[..., str]
NONE_TODAY = dict.fromkeys(PRIORITIES, TakenToday())


@pytest.fixture
def store(made: StackPlan, database: Database) -> Store:
    def stored(priority: str = "P2", *hotlines: str) -> str:
        to = [(one, "primary") for one in (hotlines or (HOTLINE,))]
        return store_report(database, made.folder.inside / "keys", to, priority=priority)

    return stored


def board_of(database: Database, name: str = "ana") -> Board:
    account = accounts.find_by_name(database, name)
    assert account
    return board.load_board(database, account, database.now() - 60 * MINUTE)


def act(person: Person, report: str, what: str, **form: str) -> None:
    marks = person.get(f"/reports/{report}").marks
    assert person.post(f"/reports/{report}/{what}", {**marks, **form}).status == 303


def seconds_to_noon(database: Database) -> int:
    """Return in how many seconds it is noon on the hotline's clock, which is 11 hours ahead of UTC."""
    return (12 * 60 * 60 - (database.now() // SECOND + 11 * 60 * 60)) % (24 * 60 * 60)


def test_what_waits_is_counted_by_priority_with_the_oldest(database: Database, ana: Person, store: Store) -> None:
    first = database.now()
    store("P1")
    pass_time(database, 16 * 60)
    store("P1")
    store("P3")
    store("P2", OTHER)
    found = board_of(database).waiting
    assert found[Priority.P1].count == 2 and found[Priority.P1].overdue == 1
    assert found[Priority.P1].oldest_at is not None and abs(found[Priority.P1].oldest_at - first) < MINUTE
    assert found[Priority.P2] == Waiting(), "that is another hotline's"
    assert (found[Priority.P3].count, found[Priority.P3].overdue) == (1, 0)
    ana.log_in()
    page = ana.get("/board")
    assert "Overdue reports that nobody has taken: 1" in page.text and "P1 2 1 16 min" in page.text
    assert f'href="/?tab={ListTab.UNASSIGNED}&amp;priority=P1"' in page.html


def test_who_holds_what(database: Database, ana: Person, mere: Person, store: Store) -> None:
    urgent, usual, passed, queued = store("P1"), store("P3"), store("P2"), store("P2")
    for one in (urgent, usual, passed, queued):
        act(mere, one, "take")
    act(mere, passed, "pass", to="ana")
    act(mere, queued, "pass", to="")
    found = board_of(database)
    assert [(one.name, one.count, one.urgent, one.to_accept) for one in found.held] == [
        ("mere", 2, 1, 0),
        ("ana", 1, 1, 1),
    ]
    assert found.waiting[Priority.P2].count == 1, "back in the queue"
    act(ana, passed, "take")
    act(mere, urgent, "close", **close_form())
    assert {(one.name, one.count, one.to_accept) for one in board_of(database).held} == {("mere", 1, 0), ("ana", 1, 0)}


def test_what_was_taken_in_time_today(database: Database, ana: Person, mere: Person, store: Store) -> None:
    pass_time(database, seconds_to_noon(database))  # so that no new day begins
    for one in (ana, mere):
        one.log_in()
    taken, late, _, _ = store("P1"), store("P1"), store("P1"), store("P2")
    act(mere, taken, "take")
    pass_time(database, 16 * 60)
    for one in (ana, mere):
        one.log_in()
    act(mere, late, "take")
    store("P1")
    today = board_of(database).today
    assert today[Priority.P1] == TakenToday(in_time=1, late=2), "the newest has time left"
    assert today[Priority.P2] == TakenToday()
    assert "P1 1 of 3" in ana.get("/board").text and "33 %" in ana.get("/board").text


def test_the_day_begins_at_midnight_of_the_hotline(console: Console) -> None:
    with console.flask.test_request_context():
        now = int(datetime(2026, 11, 29, 13, 20, 30, tzinfo=UTC).timestamp()) * SECOND  # 00:20 the next day in Efate
        begun = datetime.fromtimestamp(view._day_start(HOTLINE, now) // SECOND, UTC)
        assert begun == datetime(2026, 11, 29, 13, tzinfo=UTC)
        earlier = view._day_start(HOTLINE, now - 21 * MINUTE)
        assert datetime.fromtimestamp(earlier // SECOND, UTC) == begun - timedelta(1)


@pytest.mark.rule("S-26")
def test_a_lead_who_is_kept_out_of_a_report_finds_it_in_no_count(
    console: Console, database: Database, ana: Person, mere: Person, store: Store
) -> None:
    ben, _ = someone(console, "ben"), someone(console, "cora")  # another lead must be able to open it
    waits, held = store("P1"), store("P1")
    act(mere, held, "take")
    who = next(one.staff_id for one in accounts.list_accounts(database, HOTLINE) if one.name == "ben")
    for one in (waits, held):
        act(ana, one, "away", who=who)
    found = board_of(database, "ben")
    assert found.held == () and found.waiting[Priority.P1] == Waiting() and found.today[Priority.P1] == TakenToday()
    assert "Nobody holds an open report." in ben.get("/board").text
    assert board_of(database).waiting[Priority.P1].count == 1


def test_another_hotline_s_work_on_the_same_report_counts_there(
    console: Console, database: Database, ana: Person, store: Store
) -> None:
    report = store("P1", HOTLINE, THIRD)
    eti = someone(console, "eti", "lead", THIRD)
    act(eti, report, "take")
    assert board_of(database).held == () and board_of(database).today[Priority.P1] == TakenToday()
    assert [one.name for one in board_of(database, "eti").held] == ["eti"]


def test_the_board_is_for_leads_and_its_renewal_is_no_activity(console: Console, ana: Person, mere: Person) -> None:
    assert mere.get("/board").status == mere.get("/board/now").status == 404
    part = ana.get("/board/now")
    assert "<html" not in part.html and "No report is overdue." in part.text
    pass_time(console.parts.database, 10 * 60)
    ana.get("/board/now")
    ana.get("/board?renewed=1")
    pass_time(console.parts.database, 6 * 60)
    assert ana.get("/board").leads_to.startswith("/locked")


def test_a_report_that_waits_again_was_not_taken(database: Database, ana: Person, mere: Person, store: Store) -> None:
    """It was closed by mistake, or became urgent after somebody had taken it."""
    closed, raised = store("P2"), store("P1")
    act(mere, closed, "close", **close_form())
    act(mere, raised, "take")
    assert board_of(database).today == {**NONE_TODAY, Priority.P1: TakenToday(1), Priority.P2: TakenToday(1)}
    act(mere, closed, "undo-close")
    with database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.report_id == raised).values(handling="none"))
        delivery_id = first_delivery(database, raised, HOTLINE).delivery_id
        audit_log.append(connection, "clock", "raised", delivery_id, database.now())
    assert board_of(database).today == NONE_TODAY
    pass_time(database, 16 * 60)
    assert board_of(database).today == {**NONE_TODAY, Priority.P1: TakenToday(0, 1)}
    ana.log_in()
    mere.log_in()
    act(mere, closed, "take")
    assert board_of(database).today[Priority.P2] == TakenToday(1)
