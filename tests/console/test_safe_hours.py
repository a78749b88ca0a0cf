"""At night, with a phone that is safe by day: the number is hidden, and one sentence names the next step."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from sqlalchemy import select, update

from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE
from tests.console.test_on_postgresql import SAMPLE
from tests.reports.schema_check import CLOSED_SCHEMA
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.local_clock import move_to_local_time
from tests.support.staff import Page, Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

NUMBER = "+6785550101"
DAY = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
CALL = {"allowed": True, "how": "call", "safe_hours": DAY, "msisdn": NUMBER}
NO = {"allowed": False, "how": "none", "safe_hours": None}


def told(console: Console, made: StackPlan, contact: dict[str, Any], *, code: bool = True, **more: Any) -> str:
    """Store a report with this contact, and return its page's path."""
    data = json.loads(SAMPLE.read_bytes())["data"]
    body = json.dumps(data | {"contact": contact} | more).encode()
    head = json.dumps({"category": "luring", "contact": {n: contact[n] for n in ("how", "safe_hours")}}).encode()
    keys = made.folder.inside / "keys"
    priority = more.get("triage", {}).get("priority", "P2")
    report_id = store_report(
        console.parts.database, keys, [(HOTLINE, "primary")], code=code, body=body, head=head, priority=priority
    )
    return f"/reports/{report_id}"


def at(console: Console, clock: str, role: str = "staff") -> Person:
    mere = joined(console.flask, console.parts.database, "mere", role)
    move_to_local_time(console.parts.database, clock)
    mere.log_in()
    return mere


def pressed(one: Person, path: str, page: Page, act: str) -> Page:
    return one.post(f"{path}/{act}", page.marks)


def acts_of(console: Console, path: str) -> list[str]:
    with console.parts.database.read() as connection:
        return list(connection.execute(select(t.audit.c.act).where(t.audit.c.object_id == path[9:])).scalars())


@pytest.mark.rule("S-03")
def test_outside_the_safe_hours_the_number_is_behind_a_step_that_is_logged(console: Console, made: StackPlan) -> None:
    mere = at(console, "05:12")
    path = told(console, made, CALL)
    page = mere.get(path)
    sentence = "Do NOT call now: it is 05:12 there (Pacific/Efate). Call from 08:00, in 2 h 48 min."
    assert sentence in page.text and "Hidden until 08:00" in page.text
    assert NUMBER not in page.html, "not in what the browser has, nor on paper"
    assert "do NOT call now; from 08:00 (Pacific/Efate), in 2 h 48 min" in mere.get("/").text
    assert NUMBER not in mere.get("/").html
    shown = pressed(mere, path, page, "number")
    assert shown.status == 200 and NUMBER in shown.text and sentence in shown.text
    assert acts_of(console, path).count("number_shown") == 1
    assert NUMBER not in mere.get(path).html, "and hidden again on the next page"


@pytest.mark.rule("S-03")
def test_outside_the_safe_hours_an_export_has_no_number_without_the_same_step(
    console: Console, made: StackPlan
) -> None:
    lead = at(console, "05:12", "lead")
    path = told(console, made, CALL)
    page = lead.get(path)
    exported = lead.get(f"{path}/export")
    contact = {**CALL, "msisdn_withheld": True}
    del contact["msisdn"]
    assert NUMBER not in exported.html and json.loads(exported.html)["report"]["contact"] == contact
    CLOSED_SCHEMA.validate(json.loads(exported.html)["report"])
    assert json.loads(exported.html)["number_withheld"] is True
    assert "number_shown" not in acts_of(console, path)
    assert "Download with the number" in page.text
    whole = pressed(lead, path, page, "export")
    assert json.loads(whole.html)["report"]["contact"] == CALL
    acts = acts_of(console, path)
    assert (acts.count("number_shown"), acts.count("exported:json")) == (1, 2)
    pass_time(console.parts.database, 360)
    assert pressed(lead, path, page, "export").leads_to == f"/check?then={path}"


@pytest.mark.rule("S-03")
def test_within_the_safe_hours_an_export_has_the_number(console: Console, made: StackPlan) -> None:
    lead = at(console, "10:00", "lead")
    path = told(console, made, CALL)
    assert json.loads(lead.get(f"{path}/export").html)["report"]["contact"] == CALL
    assert "Download with the number" not in lead.get(path).text


@pytest.mark.rule("S-03")
def test_within_the_safe_hours_it_stands_there_with_their_end(console: Console, made: StackPlan) -> None:
    mere = at(console, "10:00")
    page = mere.get(told(console, made, CALL))
    assert NUMBER in page.text and "You can call now, until 16:00. It is 10:00 there (Pacific/Efate)." in page.text
    assert "Show the number" not in page.text and "call allowed now, until 16:00 (Pacific/Efate)" in mere.get("/").text


@pytest.mark.parametrize(("code", "deleted"), [(True, False), (False, False), (True, True)])
def test_the_page_never_contradicts_itself_about_messages(
    console: Console, made: StackPlan, mere: Person, code: bool, deleted: bool
) -> None:
    path = told(console, made, NO, code=code)
    if deleted:
        with console.parts.database.write() as connection:
            connection.execute(update(t.mailbox).where(t.mailbox.c.report_id == path[9:]).values(public_key=b""))
    page = mere.get(path)
    can = code and not deleted
    assert ("You can only leave a message" in page.text) == can == (f"{path}/message" in page.html)
    assert ("There is no safe way to reach the reporter" in page.text) == (not can)
    assert ("You cannot leave a message" in page.text) == (not can)
    assert ("no contact, message only" in mere.get("/").text) == can
    assert ("no safe way to reach the reporter" in mere.get("/").text) == (not can)
    if not can:
        assert "Decide on what you have" in page.text


def test_hours_that_nobody_can_read_allow_nothing(console: Console, made: StackPlan, mere: Person) -> None:
    for hours in ("x", {"from": "8", "to": "9", "tz": "UTC"}, {"from": "08:00", "to": "16:00", "tz": "Nowhere/Land"}):
        page = mere.get(told(console, made, {**CALL, "safe_hours": hours}))
        assert page.status == 200 and NUMBER not in page.html and "You can only leave a message" in page.text


@pytest.mark.parametrize(("priority", "danger"), [("P1", "now"), ("P1", "soon"), ("P3", "no")])
def test_whoever_is_in_danger_now_whom_to_call_stands_there(
    console: Console, made: StackPlan, mere: Person, priority: str, danger: str
) -> None:
    shown = priority == "P1"
    triage = {"priority": priority, "flags": [], "reasons": []}
    page = mere.get(told(console, made, NO, triage=triage, danger=danger))
    assert ("Danger now: whom to call" in page.text) == shown
    if shown:
        box = re.search(r'<section class="emergency".*?</section>', page.html, re.DOTALL)
        assert box
        for said in (
            "police",
            ": 111",
            "NOT verified: nobody has confirmed this number",
            "DEMO",
            "call nobody outside",
        ):
            assert said in box[0], said
        assert "DRILL" not in page.text, "one word for a report that nobody wrote: that of the bar and of the list"
