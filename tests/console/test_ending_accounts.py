"""Ending an account asks first, needs a second person for a lead, and can be undone for a day."""

from __future__ import annotations

import pytest

from reports.store.schema import tables as t
from reports.store.staff import accounts
from reports.store.staff.accounts import Account
from tests.console.conftest import someone
from tests.support.console import Console
from tests.support.hotline_clients import rows
from tests.support.staff import Page, Person, pass_time

A_DAY = 24 * 3600


def account(console: Console, name: str) -> Account:
    found = accounts.find_by_name(console.parts.database, name)
    assert found
    return found


def ended(console: Console, by: Person, name: str) -> Page:
    return by.post(f"/people/{account(console, name).staff_id}/end", {"sure": "1"}, at="/people")


def test_it_asks_first_and_says_what_it_does(console: Console, ana: Person) -> None:
    mere = someone(console, "mere", "staff")
    path = f"/people/{account(console, 'mere').staff_id}/end"
    assert ana.post(path, at="/people").leads_to == path, "one press ends nothing"
    page = ana.get(path)
    for said in (
        "End the account of mere?",
        "logged out everywhere",
        "undo this for 24 hours",
        "No other account can get this name",
    ):
        assert said in page.text, said
    assert mere.get("/").status == 200
    told = ana.get(ended(console, ana, "mere").leads_to)
    assert "The account has ended." in told.text and "Undo: give the account back" in told.text
    assert mere.get("/").leads_to == "/login" and mere.log_in().status == 403


@pytest.mark.parametrize("act", ["end", "role"])
def test_the_reports_that_they_hold_wait_for_somebody_again(
    console: Console, ana: Person, report: str, act: str
) -> None:
    mere, path = someone(console, "mere", "staff"), f"/reports/{report}"
    mere.post(f"{path}/take", mere.get(path).marks)
    assert (
        "Reports that they hold go back into the queue"
        in ana.get(f"/people/{account(console, 'mere').staff_id}/end").text
    )
    assert f"row-{report}" not in ana.get("/?tab=unassigned").html
    form = {"sure": "1"} if act == "end" else {"role": "auditor"}
    assert ana.post(f"/people/{account(console, 'mere').staff_id}/{act}", form, at="/people").status == 303
    assert f"row-{report}" in ana.get("/?tab=unassigned").html
    assert [(row.holder, row.handed_by) for row in rows(console.parts.database, t.holding)] == [("", "ana")]
    assert "ana put the report back into the queue." in ana.get(f"/audit?report={report}").text


def test_another_role_that_reads_keeps_the_reports(console: Console, ana: Person, ben: Person, report: str) -> None:
    mere, path = someone(console, "mere", "staff"), f"/reports/{report}"
    mere.post(f"{path}/take", mere.get(path).marks)
    for lead in (ana, ben):
        lead.post(f"/people/{account(console, 'mere').staff_id}/role", {"role": "lead"}, at="/people")
    assert account(console, "mere").role == "lead"
    assert [row.holder for row in rows(console.parts.database, t.holding) if row.holder] == ["mere"]


def test_it_can_be_undone_for_a_day_and_not_longer(console: Console, ana: Person) -> None:
    mere = someone(console, "mere", "staff")
    undo = f"/people/{account(console, 'mere').staff_id}/undo"
    ended(console, ana, "mere")
    assert ana.get(ana.post(undo, at="/people").leads_to).text.count("The account is back.") == 1
    assert mere.log_in().leads_to == "/"
    ended(console, ana, "mere")
    pass_time(console.parts.database, A_DAY + 60)
    ana.log_in()
    assert "Undo" not in ana.get("/people").text
    late = ana.post(undo, at="/people")
    assert late.status == 400 and "not after that" in late.text and mere.log_in().status == 403
    taken = ana.post("/people/invite", {"name": "mere", "role": "staff"}, at="/people")
    assert taken.status == 400 and "Choose another one" in taken.text, "a name stands in the audit for one person"


def test_a_lead_needs_another_one_or_themselves(console: Console, ana: Person) -> None:
    ben, eve = someone(console, "ben"), someone(console, "eve")
    asked = ended(console, ana, "ben")
    assert "Another lead has to approve it" in asked.text and account(console, "ben").ended_at is None
    assert "You have asked for this already" in ended(console, ana, "ben").text
    assert "the account is to end" in eve.get("/people").text
    assert ended(console, eve, "ben").status == 303 and account(console, "ben").ended_at
    assert ben.get("/").leads_to == "/login"
    ended(console, ana, "eve")
    assert ended(console, eve, "eve").status == 303, "who leaves may say so themselves"


def test_nor_is_a_lead_lowered_by_one_other_and_ended_then(console: Console, ana: Person) -> None:
    ben, path = someone(console, "ben"), f"/people/{account(console, 'ben').staff_id}/role"
    asked = ana.post(path, {"role": "staff"}, at="/people")
    assert "Another lead has to approve it" in asked.text and account(console, "ben").role == "lead"
    assert "You cannot do this to your own account" in ben.post(path, {"role": "auditor"}, at="/people").text
    assert ben.post(path, {"role": "staff"}, at="/people").status == 303 and account(console, "ben").role == "staff"


def test_what_was_asked_ends_after_a_day(console: Console, ana: Person) -> None:
    eve = someone(console, "eve")
    someone(console, "ben")
    ended(console, ana, "ben")
    pass_time(console.parts.database, A_DAY + 60)
    eve.log_in()
    assert "the account is to end" not in eve.get("/people").text
    assert "Another lead has to approve it" in ended(console, eve, "ben").text


@pytest.mark.parametrize("act", ["end", "role"])
def test_nothing_is_passed_to_somebody_who_has_left_meanwhile_and_the_page_says_why(
    console: Console, ana: Person, mere: Person, report: str, act: str
) -> None:
    someone(console, "nia", "staff")
    path = f"/reports/{report}"
    marks = mere.get(path).marks
    form = {"sure": "1", "role": "auditor"}
    ana.post(f"/people/{account(console, 'nia').staff_id}/{act}", form, at="/people")
    page = mere.post(f"{path}/pass", {**marks, "to": "nia", "pass_note": "The aunt rings at six"})
    assert page.status == 400 and "nia cannot get this report: their account has ended" in page.text
    assert "The aunt rings at six" in page.text, "the note is still there"
    assert [row.holder for row in rows(console.parts.database, t.holding) if row.holder] == []
