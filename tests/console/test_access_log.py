"""The access log: each act is one line and one sentence. It can be filtered, divided into pages and downloaded."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from console.presenters.case_rows import reference
from reports.store import audit_log
from reports.store.cases import case_view
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.staff import access_log, accounts
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE, OTHER
from tests.support.console import Console
from tests.support.staff import Page, Person, close_form, pass_time, staff_acts

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def sentences(page: Page) -> list[str]:
    """Return the sentences of the log, newest first."""
    rows = re.findall(r'<td class="when">.*?</td><td[^>]*>(.*?)</td>', page.html)
    return [" ".join(row.split()) for row in rows]


def record(database: Database, actor: str, act: str, object_id: str, count: int = 1) -> None:
    with database.write() as connection:
        now = database.now()
        whole = f"staff:{HOTLINE}/{actor}"
        rows = [audit_log.entry_row(whole, act, object_id, now + number) for number in range(count)]
        if rows:
            connection.execute(insert(t.audit), rows)


def work_through(mere: Person, report: str) -> None:
    path = f"/reports/{report}"
    mere.get(path)
    for act, form in (
        ("take", {}),
        ("message", {"words": "We have your message.", "do": "send"}),
        ("note", {"words": "made up"}),
        ("work", {}),
        ("close", close_form()),
    ):
        assert mere.post(f"{path}/{act}", {**mere.get("/me").marks, "status": "", **form}).status == 303, act
        pass_time(mere.database, 3)


def test_each_act_is_one_line_and_one_sentence(console: Console, ana: Person, mere: Person, report: str) -> None:
    work_through(mere, report)
    page = ana.get(f"/audit?report={report[-6:]}")
    assert sentences(page) == [
        "mere closed the report. Outcome: helped.",
        "mere marked the report as in progress.",
        "mere saved a note.",
        "mere sent a message to the reporter.",
        "mere took the report.",
        "mere opened the report.",
    ]
    assert len(staff_acts(console.parts.database, HOTLINE)) > 6 + 4, "some acts have two entries"


def test_a_report_is_a_link_where_the_reader_may_open_it(
    console: Console, ana: Person, mere: Person, report: str
) -> None:
    mere.get(f"/reports/{report}")
    auditor = someone(console, "aud", "auditor")
    assert f'<a href="/reports/{report}">{reference(report)}</a>' in ana.get("/audit").html
    page = auditor.get("/audit")
    assert reference(report) in page.text and "/reports/" not in page.html


def test_it_is_filtered_by_person_act_and_day(console: Console, ana: Person, mere: Person, report: str) -> None:
    work_through(mere, report)
    assert {line.partition(" ")[0] for line in sentences(ana.get("/audit?person=ana"))} == {"ana"}
    assert sentences(ana.get("/audit?act=written")) == ["mere saved a note.", "mere sent a message to the reporter."]
    assert sentences(ana.get("/audit?act=closed&person=mere")) == ["mere closed the report. Outcome: helped."]
    today = datetime.now(ZoneInfo("Pacific/Efate")).date()
    assert "mere took the report." in sentences(ana.get(f"/audit?day={today}&report={report}"))
    assert "No act fits this filter." in ana.get(f"/audit?day={today - timedelta(1)}").text
    assert "This is not a day." in ana.get("/audit?day=99999-99-99").text
    assert "This is not a day." not in ana.get(f"/audit?day={today}").text
    assert "No act fits this filter." in ana.get("/audit?report=%25").text, "no wildcard"


@pytest.mark.parametrize("typed", [reference, str, str.upper, lambda report: report[-6:]])
def test_a_report_is_found_by_its_reference_as_the_pages_show_it(
    ana: Person, mere: Person, report: str, typed: Callable[[str], str]
) -> None:
    mere.get(f"/reports/{report}")
    assert sentences(ana.get(f"/audit?report={quote(typed(report))}")) == ["mere opened the report."]


def test_other_hotlines_and_their_acts_on_the_same_report_are_not_in_it(
    console: Console, ana: Person, report: str
) -> None:
    eti = someone(console, "eti", "staff", OTHER)
    eti.get(f"/reports/{report}")
    assert "eti" not in ana.get("/audit").text
    assert "No act fits this filter." in ana.get(f"/audit?report={report}").text


@pytest.mark.parametrize("more", [0, 1, 49, 50, 51, 137])
def test_pages_together_are_the_whole_log_without_a_repeat(
    database: Database, ana: Person, report: str, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "PAGE_SIZE", 50)
    record(database, "mere", "noted", report, more)
    for _ in range(20):  # two entries each, and one line
        record(database, "sam", "accepted", report)
        record(database, "sam", "holds", report)
        pass_time(database, 5)
    address, seen, pages = f"/audit?report={report}", [], 0
    while address and pages < 9:
        page = ana.get(address)
        seen += sentences(page)
        pages += 1
        found = re.search(r'<a href="([^"]*)">Older</a>', page.html)
        address = found[1].replace("&amp;", "&") if found else ""
    assert seen == ["sam took the report."] * 20 + ["mere saved a note."] * more
    assert pages == -(-len(seen) // 50)


def test_the_reset_of_an_account_names_the_person(console: Console, ana: Person, mere: Person) -> None:
    staff_id = ana.get("/people").html.partition("<h2>mere")[2].partition("/people/")[2][:36]
    ana.post(f"/people/{staff_id}/role", {"role": "auditor"}, at="/people")
    assert "ana gave mere the role auditor." in sentences(ana.get("/audit"))


def test_an_act_without_a_sentence_is_shown_and_marked_as_english(database: Database, ana: Person, report: str) -> None:
    record(database, "mere", "act_of_tomorrow", report)
    page = ana.get("/audit", Accept_Language="fr")
    assert '<td lang="en">mere: act of tomorrow</td>' in page.html
    assert '<td lang="fr">' not in page.html and "ana s'est connecté." in page.text.replace("&#39;", "'")


def test_each_print_is_a_sentence_and_is_found_with_what_was_opened(ana: Person, mere: Person, report: str) -> None:
    for form in ({}, {"number": "1"}):
        mere.post(f"/reports/{report}/print", form, at=f"/reports/{report}")
    found = sentences(ana.get("/audit?act=opened", Accept_Language="fr"))
    assert "mere a imprimé ce signalement avec le numéro." in [unescape(one) for one in found]
    assert "mere a imprimé ce signalement sans le numéro." in [unescape(one) for one in found]


@pytest.mark.rule("S-26")
def test_who_is_kept_out_of_a_report_does_not_read_that_somebody_looked_for_it(
    database: Database, ana: Person, mere: Person, report: str
) -> None:
    reference = report[-6:]
    mere.post("/reference", {"reference": reference}, at="/")
    fresh = ana.post("/audit/export", at="/audit").html
    assert f'"{reference}"' in fresh
    account = next(one for one in accounts.list_accounts(database, HOTLINE) if one.name == "ana")
    case_view.set_access(database, account, report, account.staff_id, away=True)
    kept_out = ana.post("/audit/export", at="/audit").html
    assert reference not in kept_out
    assert "looked for" not in ana.get("/audit").text


@pytest.mark.rule("A-34")
def test_it_is_downloaded_after_a_repeated_check_and_the_download_is_logged(
    console: Console, ana: Person, mere: Person, report: str
) -> None:
    work_through(mere, report)
    database = console.parts.database
    pass_time(database, 6 * 60)
    assert ana.post("/audit/export", at="/audit").leads_to == "/check?then=/audit"
    ana.post("/check", {"then": "/audit", "password": ana.password, "code": ana.code()}, at="/check")
    given = ana.post("/audit/export", {"person": "mere", "report": report}, at="/audit")
    assert given.headers["Content-Disposition"] == 'attachment; filename="access-log.csv"'
    rows = list(csv.DictReader(io.StringIO(given.html.removeprefix(BOM))))
    assert {row["who"] for row in rows} == {"mere"} and {row["report"] for row in rows} == {report}
    assert rows[0]["sentence"] == "mere closed the report. Outcome: helped." and rows[0]["act"] == "closed:helped"
    assert "ana downloaded the access log." in sentences(ana.get("/audit"))
