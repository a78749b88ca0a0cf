"""What a browser learns about urgent unopened reports, also while locked: counts and no words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from reports.store.operations import spool_status
from reports.store.operations.spool_status import SpoolStatus
from reports.store.schema import tables as t
from runtime.time_units import SECOND
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.staff import Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

COUNTS = ("urgent", "unopened", "newest", "follow_ups", "follow_ups_newest", "for_you")


def urgent(console: Console, made: StackPlan, priority: str = "P1") -> str:
    keys = made.folder.inside / "keys"
    head = b'{"category":"luring"}'
    to = [(HOTLINE, "primary"), (OTHER, "also")]
    return store_report(console.parts.database, keys, to, priority=priority, body=SAMPLE.read_bytes(), head=head)


def heard(one: Person, at: str = "/waiting") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(one.get(at).html)
    return found


@pytest.mark.rule("S-24")
def test_it_says_how_many_and_nothing_else(console: Console, made: StackPlan, mere: Person) -> None:
    assert heard(mere) | {"at": "", "now": 0} == dict.fromkeys(COUNTS, 0) | {"at": "", "now": 0}
    urgent(console, made, "P3")
    assert heard(mere)["urgent"] == 0
    first = urgent(console, made)
    was = heard(mere)
    assert (was["urgent"], was["unopened"]) == (1, 1) and set(was) == {*COUNTS, "at", "now"}
    urgent(console, made, "P2")
    now = heard(mere)
    assert (now["urgent"], now["unopened"]) == (2, 2) and now["newest"] > was["newest"]
    mere.get(f"/reports/{first}")
    assert (heard(mere)["urgent"], heard(mere)["unopened"]) == (2, 1), "opened, and taken by nobody"
    mere.post(f"/reports/{first}/take", mere.get(f"/reports/{first}").marks)
    assert (heard(mere)["urgent"], heard(mere)["unopened"]) == (1, 1)


def test_what_its_reporter_adds_to_an_untaken_one_is_new_again(console: Console, made: StackPlan, mere: Person) -> None:
    report_id = urgent(console, made)
    mere.get(f"/reports/{report_id}")
    assert heard(mere)["unopened"] == 0
    with console.parts.database.write() as connection:
        d = t.delivery
        row = connection.execute(d.select().where(d.c.report_id == report_id, d.c.hotline == HOTLINE)).one()._asdict()
        later = {"delivery_id": "later", "type": "updated", "revision": 2, "created_at": console.parts.database.now()}
        connection.execute(d.insert(), row | later)
    assert heard(mere)["unopened"] == 1


def test_the_locked_page_hears_it_too_and_does_not_open_by_it(console: Console, made: StackPlan, mere: Person) -> None:
    mere.post("/lock", at="/me")
    page = mere.get("/locked")
    assert "Urgent reports waiting: 0 (at " in page.text
    assert '<noscript><meta http-equiv="refresh" content="60; url=/locked' in page.html
    urgent(console, made)
    assert (
        heard(mere, "/locked/waiting")["urgent"] == 1 and "Urgent reports waiting: 1 (at " in mere.get("/locked").text
    )
    assert mere.get("/waiting").leads_to == "/locked" and mere.get("/").leads_to == "/locked"
    mere.post("/locked", {"password": mere.password}, at="/locked")
    assert mere.get("/locked/waiting").leads_to == "/", "an open desk asks elsewhere"
    assert console.flask.test_client().get("/locked/waiting").status_code == 303


def test_what_a_colleague_passes_on_is_counted_for_its_receiver_also_at_a_locked_desk(
    console: Console, made: StackPlan, people: tuple[Person, Person]
) -> None:
    mere, nia = people
    path = f"/reports/{urgent(console, made, 'P4')}"
    mere.post(f"{path}/pass", {"to": "nia"}, at=path)
    assert (heard(nia)["for_you"], heard(mere)["for_you"]) == (1, 0)
    assert 'id="for-you"' in mere.get("/help").html, "the badge is on each page, for its script to show it"
    nia.post("/lock", at="/me")
    assert heard(nia, "/locked/waiting")["for_you"] == 1
    assert "Reports that a colleague passed to you: 1" in nia.get("/locked").text, "also without a script"
    mere.post(f"{path}/pass", {"to": ""}, at=path)
    assert heard(nia, "/locked/waiting")["for_you"] == 0
    assert "passed to you" not in nia.get("/locked").text


def test_nobody_is_there_only_because_a_page_loads_itself_again(console: Console, mere: Person) -> None:
    """Otherwise a console without scripts would never lock."""
    for _ in range(4):
        pass_time(console.parts.database, 240)
        for path in ("/?renewed=1", "/waiting", "/rows"):
            if mere.get(path).leads_to:
                assert mere.get(path).leads_to.startswith("/locked")
    assert mere.get("/").leads_to == "/locked"


def test_it_is_switched_on_for_one_browser(console: Console, mere: Person) -> None:
    assert "No sound for urgent reports" in mere.get("/").text and 'data-ways=""' in mere.get("/").html
    saved = mere.post("/alarm", {"sound": "1", "notice": "1"}, at="/me")
    assert (
        saved.leads_to == "/me?said=alarm#alarm-switch" and "Saved for this browser." in mere.get("/me?said=alarm").text
    )
    page = mere.get("/")
    assert 'data-ways="sound.notice"' in page.html and "No sound for urgent reports" not in page.text
    assert 'data-notice="Tokaut: please look"' in mere.get("/").html
    other = mere.another_browser()
    other.log_in()
    assert 'data-ways=""' in other.get("/").html
    mere.post("/alarm", {}, at="/me")
    assert 'data-ways=""' in mere.get("/").html


def test_a_filter_that_finds_nothing_says_so(console: Console, made: StackPlan, mere: Person) -> None:
    assert "No report is open." in mere.get("/").text
    for priority in ("P1", "P2"):
        urgent(console, made, priority)
    for path in ("/?priority=P4", "/?tab=closed&place=zzz"):
        page = mere.get(path)
        assert "No report fits this filter. Open reports: 2. Show all open reports" in page.text, path
    assert "No report is under this tab. Open reports: 2. Show all open reports" in mere.get("/?tab=mine").text


def test_what_is_overdue_comes_first_and_says_so(console: Console, made: StackPlan, mere: Person) -> None:
    taken, late = urgent(console, made), urgent(console, made)
    mere.post(f"/reports/{taken}/take", mere.get(f"/reports/{taken}").marks)
    pass_time(console.parts.database, 14 * 60)
    fresh = urgent(console, made, "P1")
    mere.get("/")
    pass_time(console.parts.database, 7 * 60)
    page = mere.get("/")
    at = {name: page.html.index(f"row-{one}") for name, one in (("taken", taken), ("late", late), ("fresh", fresh))}
    assert at["late"] < at["fresh"] < at["taken"]
    row = page.html[at["late"] - 80 : at["fresh"]]
    assert "overdue" in row and "OVERDUE by 6 min" in row and "Nobody has opened it" in row
    assert "OVERDUE by 6 min: nobody has taken it" in mere.get(f"/reports/{late}").text
    left = mere.get(f"/reports/{fresh}")
    assert "Take within 8 min" in left.text or "Take within 7 min" in left.text
    assert 'data-due="' in left.html, "and a script runs it"
    with console.parts.database.write() as connection:
        connection.execute(update(t.report).values(state="accepted"))
    assert "OVERDUE" not in mere.get(f"/reports/{late}").text, "another hotline has it"


def test_an_operator_reads_first_what_needs_somebody(console: Console, made: StackPlan) -> None:
    database = console.parts.database
    oto = joined(console.flask, database, "oto", "operator", "_operator")
    oto.log_in()
    quiet = oto.get("/operator")
    assert "Things that need you: 1" in quiet.text and "No backup was ever made." in quiet.text
    report_id = urgent(console, made)
    with database.write() as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.report_id == report_id).values(state="parked"))
    for path in ("/operator", "/operator/now"):
        page = oto.get(path)
        assert "Things that need you: 2" in page.text
        assert "P1: deliveries that need manual action: 2." in page.text
        assert page.html.count('class="needs"') == 2 and page.text.count("needs you") == 2, "words, not colour alone"
    spool_status.save_status(database, SpoolStatus("a/web", 0, 0, 0))
    with database.write() as connection:
        connection.execute(update(t.host).values(seen_at=t.host.c.seen_at - 55 * SECOND))
    assert "a/web: not seen for 5" in oto.get("/operator/now").text
    assert 'content="30; url=/operator?renewed=1"' in oto.get("/operator").html
    assert 'data-live="/operator/now" data-every="10"' in oto.get("/operator").html
