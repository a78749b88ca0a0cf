"""When somebody has to look at an acknowledged report again, and who is notified when that is due."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from console.presenters.follow_up import chosen_time, suggested_times, time_problem
from reports.crypto.key_files import create_key_pair
from reports.follow_up import DEFAULT_FOLLOW_UPS, MAX_FOLLOW_UP, grace
from reports.store.cases import case_actions, closing, follow_ups
from reports.store.cases.case_actions import CaseAction, SealedNote, TransitionNotAllowed
from reports.store.cases.case_status import CaseChange
from reports.store.schema import tables as t
from reports.store.schema.staff import StaffRole
from reports.store.staff.accounts import Account
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from tests.console.running_console import HOTLINE
from tests.console.test_closing import act, handling, held
from tests.console.test_closing import people as people  # noqa: PLC0414  # a fixture
from tests.console.test_list import SampleReport
from tests.support.console import Console
from tests.support.databases import KINDS, migrated_database
from tests.support.hotline_clients import rows, store_report
from tests.support.logged_in import logged_in
from tests.support.staff import Page, Person, close_form, pass_time
from tokaut.local_stack.settings import StackPlan

EFATE = ZoneInfo("Pacific/Efate")
NOW = int(datetime(2026, 11, 29, 3, 10, tzinfo=EFATE).timestamp()) * SECOND


@pytest.fixture
def sample(console: Console, made: StackPlan, people: tuple[Person, Person]) -> SampleReport:
    return SampleReport(console, made, None)


def later(sample: SampleReport, seconds: int, *people: Person) -> None:
    """Let time pass; people whose page has locked unlock it."""
    pass_time(sample.database, seconds)
    for one in people:
        one.post("/locked", {"password": one.password}, at="/locked")


def shown_date(page: Page) -> dict[str, str]:
    """Return the hidden field of both forms for a date."""
    first, second = re.findall(r'name="shown_date" value="(\d+)"', page.html)
    assert first == second
    return {"shown_date": first}


def due(one: Person) -> int:
    return int(json.loads(one.get("/waiting").html)["follow_ups"])


def local(at: int) -> str:
    return f"{datetime.fromtimestamp(at / SECOND, EFATE):%d %H:%M}"


def test_suggestions_are_moved_into_the_safe_hours() -> None:
    safe = {"from": "16:00", "to": "18:00", "tz": "Pacific/Efate"}
    contact = {"allowed": True, "how": "call", "msisdn": "+6785550101", "safe_hours": safe}
    found = [(local(one.at), one.is_moved) for one in suggested_times(NOW, EFATE, contact)]
    assert found == [("29 16:00", True), ("29 16:00", True), ("06 16:00", True)]
    for nothing in (None, {"allowed": False, "how": "none", "safe_hours": None}):
        found = [(local(one.at), one.is_moved) for one in suggested_times(NOW, EFATE, nothing)]
        assert found == [("29 07:10", False), ("29 09:00", False), ("06 03:10", False)]


@pytest.mark.parametrize(
    ("hours", "label", "morning"),
    [
        (0, "Today 09:00", "29 09:00"),
        (2, "Today 09:00", "29 09:00"),
        (3, "Tomorrow 09:00", "30 09:00"),
        (20, "Tomorrow 09:00", "30 09:00"),
        (21, "Today 09:00", "30 09:00"),
    ],
)
def test_at_night_the_next_morning_is_that_of_the_same_day(hours: int, label: str, morning: str) -> None:
    one = suggested_times(NOW + hours * HOUR, EFATE, None)[1]
    assert (one.label, local(one.at)) == (label, morning)


def test_a_button_says_its_date_and_hours_count_from_the_press(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, _ = people
    act(mere, sample, "take")
    page = mere.get(f"/reports/{sample.id}")
    buttons = re.findall(
        r'name="at" value="(\w+)">(?:In 4 hours|To\w+ 09:00|In a week)( <span[^>]*>→ [^<]*</span>)?<', page.html
    )
    assert [value == "from_now" for value, _ in buttons] == [True, False, False]
    for value, shown in buttons[1:]:
        assert f"→ {datetime.fromtimestamp(int(value) / SECOND, EFATE):%Y-%m-%d %H:%M}" in shown
    form = {"at": "from_now", **page.marks, **shown_date(page)}
    later(sample, 3 * 3600, mere)
    mere.post(f"/reports/{sample.id}/follow-up", form)
    assert abs(held(sample).follow_up_at - sample.database.now() - 4 * HOUR) < MINUTE


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Choose a date and a time."),
        ({"at": "x"}, "Choose a date and a time."),
        ({"at": "9" * 40}, "Choose a date and a time."),
        ({"date": "2026-11-30"}, "Choose a date and a time."),
        ({"date": "2026-02-30", "time": "09:00"}, "Choose a date and a time."),
        ({"date": "9999-12-31", "time": "23:59"}, "more than a year"),
        ({"date": "2026-11-29", "time": "03:10"}, "This time is over."),
        ({"at": str(NOW - 1)}, "This time is over."),
        ({"at": str(NOW + MAX_FOLLOW_UP + 1)}, "more than a year"),
        ({"date": "2026-11-29", "time": "03:11"}, ""),
        ({"at": str(NOW + 1)}, ""),
    ],
)
def test_which_times_are_taken(form: dict[str, str], said: str) -> None:
    problem = time_problem(chosen_time(form, NOW, EFATE), NOW)
    assert problem.startswith(said) if said != "more than a year" else said in problem
    assert bool(problem) == bool(said)


def test_whoever_takes_a_report_has_a_date_at_once(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere, sam = people
    act(mere, sample, "take")
    assert abs(held(sample).follow_up_at - sample.database.now() - DEFAULT_FOLLOW_UPS["P2"]) < MINUTE
    page = mere.get(f"/reports/{sample.id}")
    assert "Look again at:" in page.text and "the usual time for this priority" in page.text
    assert "Look again in 23 h 5" in sam.get("/").text
    first = held(sample).follow_up_at
    later(sample, 3600, mere, sam)
    act(sam, sample, "take")
    assert held(sample).follow_up_at == first, "who takes it over takes over its date"
    act(sam, sample, "close", close_form())
    assert due(sam) == 0
    act(sam, sample, "undo-close")
    assert held(sample).follow_up_at == first, "an undone closing goes on as it was"


def test_a_date_is_set_moved_done_and_removed_with_one_press(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, sam = people
    refused = act(mere, sample, "follow-up", {"at": str(sample.database.now() + HOUR)})
    assert refused.status == 400 and handling(sample) == "none", "nobody has it: the escalation runs"
    act(mere, sample, "take")
    at = sample.database.now() + HOUR
    assert act(sam, sample, "follow-up", {"at": str(at)}).leads_to.endswith("?said=follow_up_set#said")
    assert (held(sample).follow_up_at, held(sample).follow_up_by) == (at, "sam")
    assert "set by sam" in mere.get(f"/reports/{sample.id}").text
    late = act(mere, sample, "follow-up", {"date": "2020-01-01", "time": "09:00"})
    assert late.status == 400 and "This time is over." in late.text and held(sample).follow_up_at == at
    day = datetime.fromtimestamp(sample.database.now() / SECOND + 200_000, EFATE).date()
    act(mere, sample, "follow-up", {"date": day.isoformat(), "time": "09:30"})
    assert local(held(sample).follow_up_at).endswith("09:30")
    for do, acted in (("removed", "follow_up_removed"), ("done", "follow_up_done")):
        act(mere, sample, "follow-up", {"do": do})
        assert held(sample).follow_up_at is None
        assert acted in {row.act for row in rows(sample.database, t.audit)}
        assert "No follow-up date is set." in mere.get(f"/reports/{sample.id}").text
        assert "no follow-up date" in mere.get("/").text
        act(mere, sample, "follow-up", {"at": str(at)})


@pytest.mark.parametrize("form", [{"do": "removed"}, {"date": "2026-12-24", "time": "09:00"}])
def test_a_date_that_a_colleague_changed_meanwhile_is_not_lost(
    sample: SampleReport, people: tuple[Person, Person], form: dict[str, str]
) -> None:
    mere, sam = people
    act(mere, sample, "take")
    path = f"/reports/{sample.id}"
    page = sam.get(path)
    at = sample.database.now() + HOUR
    act(mere, sample, "follow-up", {"at": str(at), **shown_date(mere.get(path))})
    refused = sam.post(f"{path}/follow-up", {**form, **page.marks, **shown_date(page)})
    assert refused.status == 400 and "A colleague changed the follow-up date meanwhile." in refused.text
    assert held(sample).follow_up_at == at and shown_date(refused) == {"shown_date": str(at)}


def test_a_due_follow_up_is_its_holder_s_and_then_everybody_s(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, sam = people
    act(mere, sample, "take")
    act(mere, sample, "follow-up", {"at": str(sample.database.now() + 5 * MINUTE)})
    assert (due(mere), due(sam)) == (0, 0) and "Follow-ups that are due" not in mere.get("/").text
    pass_time(sample.database, 6 * 60)
    assert (due(mere), due(sam)) == (1, 0)
    top = mere.get("/").html
    assert 0 < top.index(f'id="due-{sample.id}"') < top.index('<ul class="reports">')
    assert "Follow-up due since" in mere.get(f"/reports/{sample.id}").text
    assert sample.id not in str(json.loads(mere.get("/waiting").html))
    act(mere, sample, "pass", {"to": ""})
    assert (due(mere), due(sam)) == (1, 1), "nobody holds it"
    act(mere, sample, "take")
    assert due(sam) == 0
    later(sample, grace("P2") // SECOND, mere, sam)
    assert (due(mere), due(sam)) == (1, 1) and follow_ups.count_overdue(sample.database) == {"P2": 1}
    mere.post("/lock", at="/me")
    assert json.loads(mere.get("/locked/waiting").html)["follow_ups"] == 1
    act(sam, sample, "follow-up", {"do": "done"})
    assert due(sam) == 0 and follow_ups.count_overdue(sample.database) == {}


def test_who_is_kept_out_of_a_report_hears_nothing_of_its_date(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    mere, sam = people
    act(mere, sample, "take")
    act(mere, sample, "pass", {"to": ""})
    pass_time(sample.database, 25 * 3600)
    for one in people:
        one.log_in()
    assert due(sam) == 1
    staff_id = next(row.staff_id for row in rows(sample.database, t.staff) if row.name == "sam")
    with sample.database.write() as connection:
        connection.execute(t.kept_away.insert().values(report_id=sample.id, staff_id=staff_id))
    assert due(sam) == 0 and sample.id not in sam.get("/").html


def test_a_report_taken_by_the_hotline_s_own_system_is_marked(
    sample: SampleReport, people: tuple[Person, Person]
) -> None:
    case_actions.perform(sample.database, CaseAction(HOTLINE, sample.id, "accepted", f"staff:{HOTLINE}/call_back"))
    assert "no follow-up date" in people[0].get("/").text


def test_opening_a_closed_report_again_sets_a_date(sample: SampleReport, people: tuple[Person, Person]) -> None:
    mere = people[0]
    act(mere, sample, "take")
    later(sample, 3600, mere)
    act(mere, sample, "close", close_form())
    act(mere, sample, "work")
    assert abs(held(sample).follow_up_at - sample.database.now() - DAY) < MINUTE


@pytest.mark.parametrize("kind", KINDS)
def test_both_databases(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Check the statements, and the rights of console and scheduler in PostgreSQL."""
    database = migrated_database(kind, request, tmp_path)
    create_key_pair(tmp_path / "keys", HOTLINE)
    report_id = store_report(database, tmp_path / "keys", [(HOTLINE, "primary")])
    mere, sam = (
        Account(f"{name:0<36}", name, HOTLINE, StaffRole.STAFF, "", b"", 0, 0, 0, None) for name in ("mere", "sam")
    )
    with pytest.raises(TransitionNotAllowed):
        follow_ups.set_date(database, mere, report_id, database.now() + HOUR, None, act="follow_up_set")
    logged_in(database, "mere")
    change = CaseChange("holds", {"holder": "mere"})
    case_actions.perform(database, CaseAction(HOTLINE, report_id, "accepted", mere.actor, column_changes=change))
    follow_ups.set_date(database, mere, report_id, database.now() - 2 * HOUR, None, act="follow_up_set")
    [found] = follow_ups.list_due(database, mere, 5)
    assert (found.report_id, found.priority, found.holder) == (report_id, "P2", "mere")
    assert follow_ups.count_due(database, mere).count == follow_ups.count_due(database, sam).count == 1
    assert follow_ups.count_overdue(database) == {"P2": 1}
    status = f"accepted.{rows(database, t.holding)[0].changed_at}"
    why = SealedNote("n" * 36, report_id, HOTLINE, "hoax", "k", b"w", b"s")
    closing.mark_as_hoax(database, mere, report_id, why, None, status=status)
    closing.withdraw_hoax(database, mere, report_id, None, status=status)
    assert rows(database, t.holding)[0].hoax_by is None and len(rows(database, t.note)) == 1
    end = CaseChange("closed:helped", {"outcome": "helped"})
    case_actions.perform(database, CaseAction(HOTLINE, report_id, "closed", mere.actor, column_changes=end))
    assert closing.undo_until(database, sam, report_id) == 0 < closing.undo_until(database, mere, report_id)
    with pytest.raises(closing.CannotUndo):
        closing.undo_close(database, sam, report_id, None)
    closing.undo_close(database, mere, report_id, None)
    assert follow_ups.count_due(database, mere).count == 1, "the clock goes on"
    database.close()
