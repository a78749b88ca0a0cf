"""The list: its tabs and counts, the contents of a row, references, and who has a report open."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from console.presenters import case_rows
from console.presenters.case_rows import parse_reference, reference
from reports.crypto.key_files import create_key_pair, load_public_keys
from reports.json_bodies import json_bytes
from reports.store.cases import case_list, presence
from reports.store.cases.case_list import CaseFilter, ListTab, TabCounts
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.staff import accounts
from reports.store.staff.accounts import Account
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.databases import KINDS, migrated_database
from tests.support.hotline_clients import rows, store_report
from tests.support.logged_in import logged_in
from tests.support.many_reports import A_SECOND, insert_many_reports
from tests.support.staff import Page, Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

MERE = Account("id-of-mere", "mere", HOTLINE, "staff", "", b"", 0, 0, 0, None)
HEAD = {"category": "luring", "danger": "now", "about": "my_child", "age_band": "10-12", "place": {"name": "Shefa"}}
HEAD |= {"contact": {"how": "none", "safe_hours": None}}


def filed(console: Console, made: StackPlan, head: dict[str, Any] | None = None, hotline: str = HOTLINE) -> str:
    keys = made.folder.inside / "keys"
    to = [(hotline, "primary")]
    sealed = json_bytes(head or HEAD)
    return store_report(console.parts.database, keys, to, priority="P1", body=SAMPLE.read_bytes(), head=sealed)


def colleague(console: Console, name: str, hotline: str = HOTLINE) -> Person:
    one = joined(console.flask, console.parts.database, name, "staff", hotline)
    one.log_in()
    return one


def row_of(page: Page, report_id: str) -> str:
    found = re.search(rf'<li[^>]*id="row-{report_id}".*?</li>', page.html, re.DOTALL)
    assert found, page.text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", found[0])).split())


# Tabs


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_report_is_under_its_tabs_and_counted_there(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = migrated_database(kind, request, tmp_path)
    request.addfinalizer(database.close)
    create_key_pair(tmp_path / "keys", HOTLINE)
    insert_many_reports(database, [HOTLINE], load_public_keys(tmp_path / "keys", [HOTLINE]), 10)
    d, now = t.delivery.c, database.now()
    with database.write() as connection:
        connection.execute(delete(t.delivery).where(d.type == "updated"))
    with database.read() as connection:
        ids = list(connection.execute(select(d.report_id).order_by(d.created_at)).scalars())
    new, mine, answered, theirs, phone, to_me, anybody, closed, again, gone = ids

    def held(report_id: str, handling: str, **values: object) -> None:
        with database.write() as connection:
            connection.execute(update(t.delivery).where(d.report_id == report_id).values(handling=handling))
            row = {"report_id": report_id, "hotline": HOTLINE, "read_at": now}
            connection.execute(insert(t.holding), row | values)

    held(mine, "accepted", holder="mere")
    held(answered, "in_progress", holder="mere")
    held(theirs, "accepted", holder="sam")
    held(phone, "accepted")
    held(to_me, "accepted", holder="mere", handed_by="sam")
    held(anybody, "accepted", holder="", handed_by="sam")
    held(closed, "closed", holder="mere")
    held(again, "closed", holder="mere")
    held(gone, "rejected")
    _wrote(database, answered, "answer", now)
    _wrote(database, theirs, "note", now)
    _wrote(database, mine, "answer", now)
    for report_id, at in ((mine, now + A_SECOND), (again, now + A_SECOND), (answered, now - A_SECOND)):
        _added(database, report_id, at)
    expected = {
        ListTab.OPEN: {new, mine, answered, theirs, phone, to_me, anybody, again},
        ListTab.UNASSIGNED: {new, to_me, anybody, again},
        ListTab.MINE: {mine, answered, to_me},
        ListTab.OTHERS: {theirs, phone},
        ListTab.WAITING: {answered},
        ListTab.CLOSED: {closed, again, gone},
    }
    for tab, found in expected.items():
        listed, more = case_list.list_cases(database, MERE, CaseFilter(tab))
        assert ({row.report_id for row in listed}, more) == (found, False), tab
    counts = case_list.count_tabs(database, MERE)
    assert counts == TabCounts(*(len(expected[tab]) for tab in ListTab))
    with database.write() as connection:  # S-26: a person who was kept away finds no trace of it, also in the counts
        connection.execute(insert(t.kept_away), [{"report_id": one, "staff_id": MERE.staff_id} for one in ids[:9]])
    assert case_list.count_tabs(database, MERE) == TabCounts(0, 0, 0, 0, 0, 1)


def _wrote(database: Database, report_id: str, kind: str, at: int) -> None:
    row = {"note_id": new_id(at), "report_id": report_id, "recipient": HOTLINE, "kind": kind, "actor": "", "key_id": ""}
    with database.write() as connection:
        connection.execute(insert(t.note), row | {"created_at": at, "wrap": b"", "sealed": b""})


def _added(database: Database, report_id: str, at: int) -> None:
    d = t.delivery
    with database.write() as connection:
        given_row = connection.execute(select(d).where(d.c.report_id == report_id)).one()._asdict()
        later = {"delivery_id": new_id(at), "type": "message", "revision": 1, "created_at": at, "handling": "none"}
        connection.execute(insert(d), given_row | later)


def test_counts_stop_where_nobody_reads_them(
    console: Console, made: StackPlan, mere: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        filed(console, made)
    assert "All open 3 Unassigned 3 Mine 0 Others 0 Waiting for reporter 0 Closed 0" in mere.get("/").text
    for module in (case_list, case_rows):
        monkeypatch.setattr(module, "MAX_COUNTED", 2)
    assert "All open 1+ Unassigned 1+ Mine 0" in mere.get("/rows").text
    assert "<title>(1+) Reports" in mere.get("/").html


def test_the_tab_stays_through_filter_and_pages_and_says_when_it_is_empty(
    console: Console, made: StackPlan, mere: Person
) -> None:
    one = filed(console, made)
    mere.post(f"/reports/{one}/take", mere.get(f"/reports/{one}").marks)
    page = mere.get("/?tab=mine&priority=P1")
    assert one in page.html and '<input type="hidden" name="tab" value="mine">' in page.html
    assert 'id="tab-mine" aria-current="page"' in page.html
    assert 'data-live="/rows?tab=mine&amp;priority=P1"' in page.html
    assert "No report is under this tab. Open reports: 1." in mere.get("/?tab=others").text
    assert "No report is under this tab. No report is open." not in mere.get("/?tab=closed").text


# Rows


def test_a_row_ranks_a_case_at_a_glance(console: Console, made: StackPlan, mere: Person) -> None:
    one = filed(console, made)
    pass_time(console.parts.database, 125)
    row = row_of(mere.get("/"), one)
    for said in (
        "P1 Asked for photos or money (grooming, blackmail) IN DANGER NOW",
        "Take within 12 min",
        "Not taken yet",
        reference(one),
        "Reporter's child, age 10–12 · Shefa · Received",
        "(2 min ago)",
        "no contact, message only",
        "Nobody has opened it",
    ):
        assert said in row, said
    older = filed(console, made, {"category": "luring"})  # stored by an earlier version
    row = row_of(mere.get("/"), older)
    assert "Asked for photos or money (grooming, blackmail) Take" in row and "age" not in row and "Danger" not in row


def test_bold_is_what_nobody_opened_and_wrote_more_only_what_somebody_did(
    console: Console, made: StackPlan, mere: Person
) -> None:
    one, database = filed(console, made), console.parts.database
    _added(database, one, database.now())
    page = mere.get("/")
    assert "p1 unread" in page.html and "the reporter wrote more" not in page.text
    mere.get(f"/reports/{one}")
    assert "unread" not in mere.get("/rows").html and "the reporter wrote more" not in mere.get("/").text
    _added_again(database, one)
    page = mere.get("/")
    assert "the reporter wrote more" in row_of(page, one) and "Nobody has opened it" not in page.text


def _added_again(database: Database, report_id: str) -> None:
    d = t.delivery
    with database.write() as connection:
        connection.execute(update(d).where(d.c.type == "message").values(created_at=database.now()))


# References


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("DF0 675", "df0675"),
        (" df0675 ", "df0675"),
        ("DFO-675", "df0675"),
        ("#df0.675", "df0675"),
        ("0l2 3I4", "012314"),
        ("01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a", "01a211f9fa887a028b445f0e9d8c7b6a"),
        ("df067", ""),
        ("Shefa", ""),
        ("%", ""),
        ("", ""),
    ],
)
def test_a_reference_as_it_is_typed(typed: str, digits: str) -> None:
    assert parse_reference(typed) == digits


def test_a_reference_can_be_said_and_leads_to_its_report(console: Console, made: StackPlan, mere: Person) -> None:
    one = filed(console, made)
    page = mere.get(f"/reports/{one}")
    assert f"<title>{reference(one)} · Tokaut</title>" in page.html and f"Reference {reference(one)}" in page.text
    for typed in (reference(one), one, one[-6:].upper()):
        found = mere.post("/reference", {"reference": typed}, at="/")
        assert (found.status, found.leads_to) == (303, f"/reports/{one}"), typed
        assert "reference" not in found.leads_to, "and what was typed stands in no address"


@pytest.mark.rule("S-23")
@pytest.mark.rule("S-26")
def test_each_use_is_in_the_audit_and_none_tells_what_is_not_theirs(
    console: Console, made: StackPlan, mere: Person
) -> None:
    database = console.parts.database
    kept, elsewhere = filed(console, made), filed(console, made, hotline=OTHER)
    me = next(row.staff_id for row in rows(database, t.staff) if row.name == "mere")
    with database.write() as connection:
        connection.execute(insert(t.kept_away), {"report_id": kept, "staff_id": me})

    def answer(typed: str) -> tuple[int, str]:
        page = mere.post("/reference", {"reference": typed}, at="/")
        return page.status, page.text.replace(reference(typed), "…")

    nowhere = "000000" if "000000" not in (kept[-6:], elsewhere[-6:]) else "000001"
    assert answer(kept[-6:]) == answer(elsewhere[-6:]) == answer(nowhere)
    status, text = answer(nowhere)
    assert status == 404 and "Your hotline has no report with the reference … that you may open." in text
    status, text = answer("<b>Shefa</b>")
    assert status == 400 and "This is not a reference." in text and "Shefa" not in text
    asked = [row.object_id for row in rows(database, t.audit) if row.act == "looked_for"]
    assert sorted(asked) == sorted([kept[-6:], elsewhere[-6:], nowhere, nowhere, me])


def test_two_reports_with_one_reference_are_both_listed(console: Console, made: StackPlan, mere: Person) -> None:
    database = console.parts.database
    one, other = filed(console, made), filed(console, made)
    twin = other[:-6] + one[-6:]
    with database.write() as connection:
        for table in (t.report, t.report_body, t.delivery, t.mailbox):
            connection.execute(update(table).where(table.c.report_id == other).values(report_id=twin))
    page = mere.post("/reference", {"reference": one[-6:]}, at="/")
    assert page.status == 200 and f"Several reports have the reference {reference(one)}." in page.text
    assert {one, twin} == set(re.findall(r'id="row-([^"]+)"', page.html))


# People who have a report open


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_who_has_a_report_open_is_known_for_less_than_two_minutes(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = migrated_database(kind, request, tmp_path)
    request.addfinalizer(database.close)
    create_key_pair(tmp_path / "keys", HOTLINE)
    insert_many_reports(database, [HOTLINE], load_public_keys(tmp_path / "keys", [HOTLINE]), 2)
    with database.read() as connection:
        one, other = list(connection.execute(select(t.report.c.report_id)).scalars())
    for name in ("mere", "sam", "nia"):
        logged_in(database, name)
    logged_in(database, "eti", hotline=OTHER)
    mere, sam, nia, eti = (accounts.find_by_name(database, name) for name in ("mere", "sam", "nia", "eti"))
    assert mere and sam and nia and eti
    for who, report_id in ((mere, one), (sam, one), (sam, other), (nia, other)):
        presence.record(database, who, report_id)
    assert presence.list_viewers(database, mere) == {one: ("sam",), other: ("nia", "sam")}
    assert presence.list_viewers(database, sam, one) == {one: ("mere",)}
    assert presence.list_viewers(database, eti) == {}
    database.offset += presence.RENEWED_AFTER
    presence.record(database, sam, one)
    database.offset += presence.LIFETIME - presence.RENEWED_AFTER
    assert presence.list_viewers(database, mere) == {one: ("sam",)}
    presence.record(database, sam, other)
    stored = {(row.staff_id, row.report_id) for row in rows(database, t.presence) if row.staff_id == sam.staff_id}
    assert stored == {(sam.staff_id, one), (sam.staff_id, other)}
    database.offset += presence.LIFETIME
    presence.record(database, sam, other)
    stored = {row.report_id for row in rows(database, t.presence) if row.staff_id == sam.staff_id}
    assert stored == {other}, "a person's old rows go with their next one"
    database.offset += presence.LIFETIME - presence.RENEWED_AFTER
    presence.record(database, mere, one)
    presence.delete_old(database)
    assert {(row.staff_id, row.report_id) for row in rows(database, t.presence)} == {
        (mere.staff_id, one),
        (sam.staff_id, other),
    }
    database.offset += presence.RENEWED_AFTER
    presence.delete_old(database)
    assert [row.staff_id for row in rows(database, t.presence)] == [mere.staff_id], "sam's browser was closed"


def test_a_colleague_at_a_report_is_shown_in_the_list_and_on_its_page(
    console: Console, made: StackPlan, mere: Person
) -> None:
    one, sam = filed(console, made), colleague(console, "sam")
    path, said = f"/reports/{one}", "sam is looking at this"
    assert said not in mere.get(path).text and "mere is looking" not in mere.get("/").text
    sam.get(path)
    asks = re.search(r'data-live="([^"]+)"', mere.get(path).html)
    assert asks
    for at in ("/", "/rows", path, asks[1].replace("&amp;", "&")):
        assert said in mere.get(at).text, at
    pass_time(console.parts.database, 41)
    assert said not in mere.get("/").text
    sam.get(f"{path}/news?since=1&hidden=1")
    assert said not in mere.get("/").text, "nobody looks at a tab in the background"
    sam.get(f"{path}/news?since=1")
    assert said in mere.get("/").text
    sam.post("/logout", at="/me")
    assert said not in mere.get("/").text


# Keys


def test_the_keys_can_be_switched_off_for_one_browser(console: Console, mere: Person) -> None:
    page = mere.get("/")
    assert 'id="keys"' in page.html and "data-keys-off" not in page.html
    assert mere.post("/keys", {"off": "1", "then": "/help"}, at="/").leads_to == "/help"
    assert "data-keys-off" in mere.get("/").html and "The keys are switched off in this browser." in mere.get("/").text
    assert mere.post("/keys", {"off": "", "then": "https://example.org"}, at="/").leads_to == "/"
    assert "data-keys-off" not in mere.get("/").html
