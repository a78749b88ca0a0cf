"""Reports that staff enter: the same as from a phone, for one hotline, with a code that is shown once."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jsonschema
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.background.entry_codes import EntryMailboxes
from reports import access_codes
from reports.crypto import RecordCipher, SealContext, SealedBody, open_body, seal_answer
from reports.crypto.key_files import load_private_keys
from reports.store import mailbox_access, pending_submissions
from reports.store.engine.database import Database
from reports.store.mailboxes import entry_codes
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.submissions import MailboxRecord
from runtime.time_units import HOUR
from tests.console.running_console import HOTLINE, OTHER
from tests.house.files import ROOT
from tests.support.console import Console
from tests.support.hotline_clients import rows
from tests.support.staff import Page, Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

WORDS, NUMBER = "The uncle comes each night. <b>Help</b>", "+6785550101"
ANSWERS = {"danger": "soon", "how": "call", "category": "harm", "about": "child_i_know", "age_band": "6-9"}
ANSWERS |= {"place": "VU-SEE", "words": WORDS, "contact": "call_08_16", "number": "555 0101", "given_by": "carer"}
ANSWERS |= {"storing": "yes", "referral": "no", "taker": "next", "do": "save", "more.harm.harm_near": "unsure"}
STORE_KEY = RecordCipher([b"k" * 32])


def form_of(one: Person, **answers: str) -> dict[str, str]:
    html = one.get("/enter").html
    hidden = dict(re.findall(r'<input type="hidden" name="(token|once|begun|draft_of)" value="([^"]*)"', html))
    return {**hidden, **ANSWERS, **answers}


def submit(database: Database) -> None:
    """Submit due rows, as the scheduler does each second."""
    for origin_key in pending_submissions.list_due(database):
        pending_submissions.submit_due(database, origin_key)


def web_makes_mailboxes(database: Database) -> None:
    EntryMailboxes(database, STORE_KEY, "demo", lambda _: None).make()


def opened(database: Database, keys: Path) -> dict[str, Any]:
    """Return the only report as its hotline opens it."""
    (row,) = rows(database, t.report_body)
    private = load_private_keys(keys, (HOTLINE,)).of(HOTLINE, row.key_id)
    body = SealedBody(row.key_id, row.wrap, row.head, row.sealed)
    found: dict[str, Any] = json.loads(open_body(private, SealContext("demo", row.report_id, 1, HOTLINE), body))
    return found


def digits(page: Page) -> tuple[str, str]:
    code, pin = re.findall(r'<dd class="digits">([\d ]+)</dd>', page.html)
    return code, pin


@pytest.fixture
def keys(made: StackPlan) -> Path:
    return made.folder.inside / "keys"


def test_it_is_the_same_report_as_from_a_phone(database: Database, mere: Person, keys: Path) -> None:
    web_makes_mailboxes(database)
    assert mere.post("/enter", form_of(mere)).status == 200
    submit(database)
    report = opened(database, keys)
    schema = json.loads((ROOT / "docs" / "contracts" / "cop-report-1.0.schema.json").read_text())
    jsonschema.validate(report, schema, format_checker=jsonschema.FormatChecker())
    assert (report["channel"], report["danger"], report["category"], report["about"]) == (
        "staff",
        "soon",
        "harm",
        "child_i_know",
    )
    assert (report["narrative"], report["child"]["age_band"], report["place"]["code"]) == (WORDS, "6-9", "VU-SEE")
    assert report["extras"] == {"harm_near": "unsure"}
    assert report["contact"]["msisdn"] == NUMBER and report["contact"]["safe_hours"]["from"] == "08:00"
    assert report["triage"]["priority"] == "P2" and "HARM" in report["triage"]["reasons"]
    assert report["entry"] == {
        "how": "call",
        "entered_by": "mere",
        "consent": {"given_by": "carer", "storing": "yes", "referral": "no", "contact": "yes"},
    }
    assert [(one["hotline"], one["role"]) for one in report["routing"]["to"]] == [(HOTLINE, "primary")]
    (delivery,) = rows(database, t.delivery)
    assert (delivery.hotline, delivery.type, delivery.handling, delivery.priority) == (HOTLINE, "created", "none", "P2")
    page = mere.get(f"/reports/{report['report_id']}")
    assert (
        "Told to staff, by telephone or in person" in page.text
        and "by telephone" in page.text
        and "a parent or carer" in page.text
    )
    assert "<b>Help" not in page.html


@pytest.mark.rule("S-23")
def test_only_its_own_hotline_sees_it(console: Console, database: Database, mere: Person) -> None:
    mere.post("/enter", form_of(mere))
    submit(database)
    (report,) = rows(database, t.report)
    other = joined(console.flask, database, "oto", hotline=OTHER)
    other.log_in()
    assert other.get(f"/reports/{report.report_id}").status == 404 and report.report_id not in other.get("/").html
    assert report.report_id in mere.get("/").html


def test_sent_twice_it_is_one_report_with_one_code(database: Database, mere: Person) -> None:
    web_makes_mailboxes(database)
    form = form_of(mere)
    first, again = mere.post("/enter", form), mere.post("/enter", form)
    submit(database)
    late = mere.post("/enter", form)
    submit(database)
    assert digits(first) == digits(again) == digits(late)
    assert len(rows(database, t.report)) == len(rows(database, t.delivery)) == 1
    assert [one.act for one in rows(database, t.audit)].count("entered") == 1
    mere.post("/enter", form_of(mere))
    submit(database)
    assert len(rows(database, t.report)) == 2, "another page is another report"


@pytest.mark.rule("S-07")
def test_the_code_is_shown_again_only_for_a_first_answer_that_was_lost(database: Database, mere: Person) -> None:
    web_makes_mailboxes(database)
    form = form_of(mere)
    first = mere.post("/enter", form)
    pass_time(database, 110)
    assert digits(mere.post("/enter", form)) == digits(first)
    pass_time(database, 15)
    for page in (mere.post("/enter", form), mere.post("/enter", form)):
        assert page.status == 200 and "nobody can show them again" in page.text, "another person may sit there by now"
        assert 'class="digits"' not in page.html and not any(one in page.text for one in digits(first))
    submit(database)
    assert len(rows(database, t.report)) == 1


@pytest.mark.rule("S-07")
def test_two_presses_at_the_same_moment_show_one_code(database: Database, mere: Person) -> None:
    web_makes_mailboxes(database)
    form, at, shown = form_of(mere), threading.Barrier(3), []
    cookie = mere.client.get_cookie("__Host-tokaut", domain="desk.example")
    assert cookie

    def press() -> None:
        one = mere.another_browser()
        one.client.set_cookie("__Host-tokaut", cookie.value, domain="desk.example", secure=True)
        at.wait(60)
        shown.append(digits(one.post("/enter", form)))

    presses = [threading.Thread(target=press) for _ in range(3)]
    for one in presses:
        one.start()
    for one in presses:
        one.join()
    submit(database)
    assert len(shown) == 3 and len(set(shown)) == len(rows(database, t.report)) == 1


@pytest.mark.rule("S-07")
def test_the_code_opens_my_report_and_is_nowhere_else(
    database: Database, mere: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    web_makes_mailboxes(database)
    shown = mere.post("/enter", form_of(mere))
    code, pin = digits(shown)
    submit(database)
    (report,) = rows(database, t.report)
    assert rows(database, t.mailbox) == [], "not before web has made it"
    web_makes_mailboxes(database)
    web_makes_mailboxes(database)
    parsed = access_codes.parse_code(code)
    found = mailbox_access.find_report(database, STORE_KEY, parsed, pin)
    assert found.report_id == report.report_id
    assert rows(database, t.entry_code) == rows(database, t.pending) == []
    everything = repr([rows(database, table) for table in t.metadata.sorted_tables]) + caplog.text
    assert parsed is not None and parsed not in everything and code not in everything
    for path in ("/", "/enter", f"/reports/{report.report_id}", "/me"):
        assert code not in mere.get(path).text


def test_without_web_s_key_the_report_is_saved_and_no_code_is_promised(database: Database, mere: Person) -> None:
    form = form_of(mere)
    page = mere.post("/enter", form)
    web_makes_mailboxes(database)
    again = mere.post("/enter", form)
    submit(database)
    for one in (page, again, mere.post("/enter", form)):
        assert "No code can be given now" in one.text and 'class="digits"' not in one.html
    assert len(rows(database, t.report)) == 1 and rows(database, t.entry_code) == []


@pytest.mark.parametrize(("taker", "handling", "holder"), [("me", "accepted", "mere"), ("next", "none", None)])
def test_an_urgent_one_is_acknowledged_only_by_somebody_who_says_so(
    database: Database, mere: Person, taker: str, handling: str, holder: str | None
) -> None:
    page = mere.post("/enter", form_of(mere, danger="now", taker=taker))
    submit(database)
    (delivery,), held = rows(database, t.delivery), rows(database, t.holding)
    assert (delivery.priority, delivery.handling) == ("P1", handling)
    assert [one.holder for one in held] == ([holder] if holder else [])
    assert [one.follow_up_at - one.changed_at for one in held] == ([4 * HOUR] if holder else []), "as for any other"
    assert ("You have taken this report." in page.text) is (taker == "me")
    acts = [(one.actor, one.act) for one in rows(database, t.audit) if one.act in ("entered", "accepted")]
    expected = [(f"staff:{HOTLINE}/mere", "entered")]
    assert acts == expected + ([(f"staff:{HOTLINE}/mere", "accepted")] if taker == "me" else [])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"danger": ""}, "Choose whether a child is in danger."),
        ({"category": "anything"}, "Choose what happened."),
        ({"how": ""}, "Choose how the report came."),
        ({"number": ""}, "Enter a telephone number of Vanuatu"),
        ({"number": "12"}, "Enter a telephone number of Vanuatu"),
        ({"storing": "no"}, "Choose whether the person agreed that you store this."),
        ({"referral": ""}, "Choose whether the person agreed that you refer them"),
        ({"given_by": ""}, "Choose who gave the consent."),
        ({"taker": ""}, "Choose who takes the report."),
        ({"category": "missing", "about": "other"}, "choose whose child it is"),
        ({"about": "sighting"}, "The reporter has seen a missing child"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_lost(
    database: Database, mere: Person, wrong: dict[str, str], sentence: str
) -> None:
    page = mere.post("/enter", form_of(mere, **wrong))
    submit(database)
    assert page.status == 400 and sentence in page.text
    assert "The uncle comes each night." in page.text
    assert rows(database, t.report) == rows(database, t.pending) == []


@pytest.mark.rule("S-13")
def test_a_number_without_leave_to_use_it_is_stored_nowhere(database: Database, mere: Person, keys: Path) -> None:
    mere.post("/enter", form_of(mere, contact="none"))
    submit(database)
    report = opened(database, keys)
    assert report["contact"] == {"allowed": False, "how": "none", "safe_hours": None}
    assert "5550101" not in json.dumps(report)


def test_an_office_that_is_left_out_is_named_to_colleagues(database: Database, mere: Person, keys: Path) -> None:
    mere.post("/enter", form_of(mere, **{"avoid.vu-police": "1"}))
    submit(database)
    report = opened(database, keys)
    assert report["routing"]["avoid"] == ["vu-police"] and "AVOID_USED" in report["triage"]["flags"]


def test_a_missing_child_of_six_is_urgent(database: Database, mere: Person) -> None:
    mere.post("/enter", form_of(mere, category="missing", danger="unsure"))
    submit(database)
    assert [one.priority for one in rows(database, t.report)] == ["P1"]


def test_a_draft_is_sealed_its_writer_s_alone_and_gone_after_saving(
    console: Console, database: Database, mere: Person
) -> None:
    form = form_of(mere, words="Half a sentence", contact="none")
    assert mere.post("/enter/draft", form).status == 204
    page = mere.get("/enter")
    assert "Half a sentence" in page.text and 'value="harm" checked' in page.html and "555 0101" not in page.html
    assert "Half a sentence" not in repr(rows(database, t.draft))
    nia = joined(console.flask, database, "nia")
    nia.log_in()
    assert "Half a sentence" not in nia.get("/enter").text
    mere.post("/lock", {**form, "words": "A whole sentence", "then": "/enter"})
    mere.post("/locked", {"password": mere.password, "then": "/enter"}, at="/locked")
    assert "A whole sentence" in mere.get("/enter").text
    mere.post("/enter", form_of(mere))
    assert rows(database, t.draft) == [] and WORDS not in mere.get("/enter").html
    form = form_of(mere)
    mere.post("/enter", form)
    assert mere.post("/enter/draft", form | {"words": "Half a sentence"}).status == 204
    assert rows(database, t.draft) == [], "an autosave that arrives after Send brings nothing back"
    mere.post("/enter", form_of(mere, do="draft"))
    mere.post("/enter", form_of(mere, do="discard"))
    assert rows(database, t.draft) == []


def test_no_entry_changes_a_report_that_exists(database: Database, report: str) -> None:
    """Only an attacker with the console's account could write this row."""
    with database.read() as connection:
        origin_key = connection.execute(select(t.report.c.origin_key)).scalar_one()
    tables = t.report, t.report_body, t.delivery, t.route, t.holding
    before = repr([rows(database, table) for table in tables])
    row = {"origin_key": origin_key, "recipient": HOTLINE, "report_id": report, "revision": 1, "kind": "staff"}
    row |= {"created_at": 1, "due_at": 1, "country": "VU", "mode": "demo", "priority": "P1", "completeness": "complete"}
    row |= {"role": "primary", "rank": 0, "why": "X", "key_id": "x", "wrap": b"", "head": b"", "sealed": b"forged"}
    row |= {"taker": f"staff:{HOTLINE}/mere", "code": b"forged"}
    with database.write() as connection:
        connection.execute(t.pending.insert().values(row))
    submit(database)
    assert rows(database, t.pending) == rows(database, t.entry_code) == []
    assert before == repr(
        [rows(database, table) for table in (t.report, t.report_body, t.delivery, t.route, t.holding)]
    )


OLD_KEY, TAKEN_BACK = RecordCipher([b"a" * 32]), RecordCipher([b"b" * 32, b"a" * 32])


def start_web(database: Database, cipher: RecordCipher) -> list[str]:
    """Start web, let it run for three rounds, and return what it counted."""
    counted: list[str] = []
    web = EntryMailboxes(database, cipher, "demo", counted.append)
    for _ in range(3):
        web.make()
    return counted


def hold_code(database: Database, report_id: str, pair: str = "12345678 1234") -> None:
    """Seal a code to the newest key of web and hold it, as console and scheduler do."""
    key = entry_codes.newest_key(database, HOTLINE)
    assert key is not None
    sealed = seal_answer(key, "demo", report_id, entry_codes.CODE_LABEL, pair)
    with database.write() as connection:
        entry_codes.hold(connection, report_id, sealed, database.now())


@pytest.mark.parametrize("ahead", [0, HOUR], ids=["", "the clock was fast"])
def test_a_code_opens_after_a_store_key_was_taken_back(database: Database, ahead: int) -> None:
    start_web(database, OLD_KEY)
    with patch.object(database, "now", lambda: time.time_ns() // 1000 + ahead):
        start_web(database, TAKEN_BACK)
    start_web(database, OLD_KEY)
    hold_code(database, new_id(database.now()))
    assert start_web(database, OLD_KEY) == ["entry_mailboxes_made"]


@pytest.mark.parametrize("unreadable", [49, 50, 51, 120])
def test_codes_that_do_not_open_hide_no_other(database: Database, unreadable: int) -> None:
    start_web(database, TAKEN_BACK)
    for _ in range(unreadable):
        hold_code(database, new_id(database.now()))
    start_web(database, OLD_KEY)
    good = new_id(database.now())
    hold_code(database, good)
    counted = start_web(database, OLD_KEY)
    assert counted.count("entry_codes_unreadable") == unreadable and "entry_mailboxes_made" in counted
    assert [row.report_id for row in rows(database, t.mailbox)] == [good]
    assert start_web(database, TAKEN_BACK) == ["entry_mailboxes_made"] * unreadable, "the key came back"


def test_a_code_that_cannot_be_stored_hides_no_other(database: Database) -> None:
    start_web(database, STORE_KEY)
    bad, good = new_id(database.now()), new_id(database.now())
    for report_id in (bad, good):
        hold_code(database, report_id)
    save = entry_codes.save_mailbox

    def fail_once(where: Database, report_id: str, mailbox: MailboxRecord) -> None:
        assert report_id != bad
        save(where, report_id, mailbox)

    with patch.object(entry_codes, "save_mailbox", fail_once), capture_logs() as logs:
        assert start_web(database, STORE_KEY) == ["entry_mailboxes_made"]
    assert {entry["report_id"] for entry in logs if entry["event"] == "job_failed"} == {bad}
