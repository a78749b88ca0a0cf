"""The console on PostgreSQL, with the rights of its own role and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from console.form_drafts import OWN_FORMS
from gateway.background.entry_codes import EntryMailboxes
from reports.crypto import RecordCipher, SealContext, new_mailbox_keys, seal_body
from reports.crypto.key_files import load_public_keys
from reports.store import pending_submissions, submissions
from reports.store.cases import case_view, drafts
from reports.store.engine.database import Database, PermissionDenied
from reports.store.privileges.rights import CLOCK, CONSOLE, WEB
from reports.store.privileges.row_security import write_as
from reports.store.schema import staff
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.staff import access_log, accounts, staff_sessions
from reports.store.staff.access_log import AccessFilter
from reports.store.staff.staff_sessions import StaffSession
from reports.store.submissions import MailboxRecord, SealedCopy, Submission
from runtime.settings import Mode
from runtime.time_units import HOUR
from tests.console.test_deliveries import fetch
from tests.console.test_entry import form_of
from tests.house.files import ROOT
from tests.support import hotline_clients
from tests.support.authenticator import SecurityKey
from tests.support.console import Console
from tests.support.postgres import Postgres
from tests.support.staff import HERE, Person, close_form, joined, pass_time
from tokaut.local_stack.settings import StackPlan

pytestmark = pytest.mark.slow


@pytest.fixture
def console(made: StackPlan, postgres: Postgres) -> Iterator[Console]:
    one = Console({**made.settings, "COUNTRIES": "vu", "DATABASE_URL": postgres.new_filled()[CONSOLE]})
    yield one
    one.close()


@pytest.mark.rule("A-36")
@pytest.mark.rule("A-42")
def test_all_that_people_do_with_accounts(console: Console) -> None:
    database = console.parts.database
    ana, ben = (joined(console.flask, database, name, "lead") for name in ("ana", "ben"))
    mere = joined(console.flask, database, "mere")
    other = joined(console.flask, database, "eti", "lead", "vu-police")
    for one in (ana, ben, mere, other):
        assert one.log_in().leads_to == "/"
    assert mere.another_browser().log_in(password="not this pass phrase").status == 403
    staff_id = ana.get("/people").html.partition("<h2>mere")[2].partition("/people/")[2][:36]
    assert other.post(f"/people/{staff_id}/end", at="/people").status == 404
    ana.post(f"/people/{staff_id}/recover", at="/people")
    link = ben.post(f"/people/{staff_id}/recover", at="/people").invitation
    again = Person(console.flask, database, "mere")
    assert again.join(link).status == 200
    assert again.log_in().leads_to == "/"
    assert ana.post(f"/people/{staff_id}/role", {"role": "auditor"}, at="/people").leads_to == "/people"
    assert again.get("/").leads_to == "/login"
    assert again.log_in().leads_to == "/"
    seen = again.get("/audit").text
    assert "ben confirmed the reset of the login of mere." in seen and "eti" not in seen
    assert "A login with the name of mere failed." in seen
    luk = {"name": "luk", "role": "lead"}
    assert "asked by ana" in (ana.post("/people/invite", luk, at="/people") and ben.get("/people")).text
    assert ben.post("/people/invite", luk, at="/people").invitation
    assert "ben confirmed that luk becomes a lead." in ana.get("/audit").text
    pass_time(database, 16 * 60)
    assert again.post("/locked", {"password": again.password}, at="/locked").leads_to == "/"
    assert again.post("/logout", at="/me").leads_to == "/login"


@pytest.mark.rule("A-42")
def test_passkeys_and_open_invitations(made: StackPlan, postgres: Postgres) -> None:
    settings = {**made.settings, "COUNTRIES": "vu", "DATABASE_URL": postgres.new_filled()[CONSOLE]}
    console = Console({**settings, "CONSOLE_URL": HERE})
    database, key = console.parts.database, SecurityKey(HERE, "desk.example")
    ana, ben = (joined(console.flask, database, name, "lead") for name in ("ana", "ben"))
    for one in (ana, ben):
        assert one.log_in().leads_to == "/"
    options = json.loads(ana.post("/me/passkeys/options", at="/me").html)
    added = ana.post("/me/passkeys", {"name": "key", "answer": key.create(options)}, at="/me")
    assert added.leads_to == "/me?said=passkey_added#passkeys"
    there = ana.another_browser()
    answer = key.sign(json.loads(there.post("/login/passkey/options", at="/login").html))
    assert there.post("/login/passkey", {"answer": answer}, at="/login").leads_to == "/"
    assert there.get("/").status == 200 and "Last logins" in there.get("/me").text
    assert ana.another_browser().post("/login/passkey", {"answer": answer}, at="/login").status == 403
    link = ana.post("/people/invite", {"name": "luk", "role": "staff"}, at="/people").invitation
    short = ben.get("/people").html.partition('name="invitation" value="')[2][:16]
    assert ben.post("/people/revoke", {"invitation": short}, at="/people").leads_to == "/people?said=revoked"
    assert Person(console.flask, database, "luk").open_invitation(link).status == 404
    removed = ana.post("/me/passkeys/remove", {"passkey": key.credential_id.hex()}, at="/me")
    assert removed.leads_to == "/me?said=passkey_removed#passkeys"
    lead = accounts.find_by_name(database, "ana")
    assert lead
    acts = [one.act for one in access_log.list_all_acts(database, lead, AccessFilter())]
    assert {"passkey_added", "passkey_removed", "invitation_revoked"} <= set(acts)
    console.close()


SAMPLE = ROOT / "docs" / "hotline-kit" / "samples" / "report-complete.json"


NARRATIVE = json.loads(SAMPLE.read_text())["data"]["narrative"]


def given(web: Database, keys: Path) -> str:
    """Store the kit's complete report for the helpline, with the police as fallback."""
    now = web.now()
    report_id = new_id(now)
    body = json.dumps({**json.loads(SAMPLE.read_text())["data"], "report_id": report_id}).encode()
    parts = []
    for hotline, role in (("vu-pikinini", "primary"), ("vu-police", "fallback")):
        public = load_public_keys(keys, [hotline])[hotline]
        box = seal_body(public, SealContext("demo", report_id, 1, hotline), b'{"category":"luring"}', body)
        parts.append(SealedCopy(hotline, role, "CATEGORY_FIRST", box.key_id, box.wrap, box.head, box.sealed))
    one = Submission(report_id, report_id.encode()[:32], 1, now, "VU", "demo", "P2", "complete", tuple(parts))
    public_key, sealed_key = new_mailbox_keys(b"secret")
    submissions.commit(web, one, MailboxRecord(report_id.encode()[-32:], public_key, sealed_key))
    return report_id


@pytest.mark.rule("S-23")
@pytest.mark.rule("A-36")
def test_all_that_people_do_with_a_report(console: Console, made: StackPlan) -> None:
    database = console.parts.database
    web = Database(str(database.engine.url.set(username=WEB)), threads=1)
    report_id = given(web, made.folder.inside / "keys")
    web.close()
    ana = joined(console.flask, database, "ana", "lead")
    mere, eti = joined(console.flask, database, "mere"), joined(console.flask, database, "eti", "lead", "vu-police")
    for one in (ana, mere, eti):
        one.log_in()
    path = f"/reports/{report_id}"
    assert report_id in mere.get("/").html and report_id not in eti.get("/").html
    assert eti.get(path).status == eti.post(f"{path}/take", at="/me").status == 404
    assert NARRATIVE in mere.get(path).text
    for act, form in (
        ("take", {}),
        ("message", {"words": "Hello. We have read it.", "do": "send"}),
        ("note", {"words": "Called the aunt"}),
        ("pass", {"to": "ana"}),
        ("work", {}),
        ("board", {}),
        ("close", close_form()),
        ("work", {}),
        ("decline", {"reason": "Not for us", "sure": "1"}),
    ):
        if act == "board":
            board = ana.get("/board")
            assert board.status == 200 and "mere 1 1 0" in board.text
            continue
        full = {**form, **mere.get(path).marks}
        for _ in range(2):  # a second press
            page = mere.post(f"{path}/{act}", full)
            assert page.status == 303, (act, page.text)
    seen = ana.get(path).text
    assert [seen.count(one) for one in ("Called the aunt", "Hello. We have read it.", "Not for us")] == [1, 1, 1]
    log = ana.get(f"/audit?report={report_id[-6:]}&person=mere&act=taken")
    assert (
        "mere took the report." in log.text and "ana" not in log.html.partition("<tbody>")[2].partition("</tbody>")[0]
    )
    assert "No act fits this filter." in eti.get(f"/audit?report={report_id[-6:]}").text
    assert ana.get(f"{path}/export").status == 200
    joined(console.flask, database, "nia")
    people = {one.name: one for one in accounts.list_accounts(database, "vu-pikinini")}
    assert ana.post(f"{path}/away", {"who": people["mere"].staff_id}, at=path).status == 303
    assert mere.get(path).status == 404
    assert "ana hid the report from mere." in ana.get(f"/audit?report={report_id}&act=hidden").text
    shown = ana.get(path).text
    assert "Show this report to mere again" in shown and "Hide this report from nia" in shown
    assert ana.post(f"{path}/pass", {"to": "mere"}, at=path).status == 400
    assert ana.post(f"{path}/away", {"who": people["mere"].staff_id, "do": "back"}, at=path).status == 303
    assert mere.get(path).status == 200 and "Hide this report from mere" in ana.get(path).text
    assert ana.post(f"{path}/away", {"who": people["mere"].staff_id}, at=path).status == 303
    for name in ("nia", "ana"):  # as `tokaut staff end` does
        accounts.deactivate(database, people[name], "staff:_operator/oper")
    seen = mere.get(path)
    assert seen.status == 200, "nobody else could open it"
    assert "oper showed the report to a colleague again." in seen.text
    for name, expected in (("mere", True), ("eti", False)):
        reader = accounts.find_by_name(database, name)
        assert reader
        shown_by = {
            one.actor for one in access_log.list_all_acts(database, reader, AccessFilter()) if one.act == "shown_to"
        }
        assert ("staff:_operator/oper" in shown_by) is expected


@pytest.mark.rule("X-10")
def test_a_report_that_staff_enter(console: Console) -> None:
    """The console writes it, the scheduler stores it, web makes the mailbox: each with the rights of its own role."""
    database = console.parts.database
    web, clock = (Database(str(database.engine.url.set(username=role)), threads=1) for role in (WEB, CLOCK))
    mailboxes = EntryMailboxes(web, RecordCipher([b"k" * 32]), Mode.DEMO, lambda _: None)
    mere, oto = joined(console.flask, database, "mere"), joined(console.flask, database, "oto", hotline="vu-police")
    for one in (mere, oto):
        one.log_in()
    mailboxes.make()
    form = form_of(mere)
    assert mere.post("/enter/draft", form).status == 204 and "The uncle comes" in mere.get("/enter").text
    for _ in range(2):
        assert 'class="digits"' in mere.post("/enter", form | {"taker": "me"}).html
    for origin_key in pending_submissions.list_due(clock):
        pending_submissions.submit_due(clock, origin_key)
    mailboxes.make()
    report_id = mere.get("/").html.partition('id="row-')[2][:36]
    assert "Taken by: mere" in mere.get(f"/reports/{report_id}").text
    assert "never got a code" not in mere.get(f"/reports/{report_id}").text
    assert report_id not in oto.get("/").html and oto.get(f"/reports/{report_id}").status == 404
    holder = next(one for one in accounts.list_accounts(database, "vu-pikinini") if one.name == "mere")
    assert case_view.put_back_reports(database, holder, "staff:_operator/oper") == 1, "as `tokaut staff end` does"
    assert case_view.put_back_reports(database, holder, "staff:_operator/oper") == 0
    for one in (web, clock):
        one.close()


def test_drafts_that_belong_to_no_report(console: Console) -> None:
    """A form carries its draft: if the draft could not be saved, the form could not be sent either."""
    ana = joined(console.flask, console.parts.database, "ana", "lead")
    ana.log_in()
    for form in OWN_FORMS:
        assert ana.post("/shift/draft", {"draft_of": form, "note": "Call at nine"}, at="/shift").status == 204, form
    account = accounts.find_by_name(console.parts.database, "ana")
    assert account
    kept = drafts.list_drafts(console.parts.database, account, account.staff_id)
    assert {row.kind for row in kept} == set(OWN_FORMS.values())
    reply = {"draft_of": "replies", "text-en": "Thank you. We have read it."}
    assert ana.post("/replies/draft", reply, at="/replies").status == 204
    assert reply["text-en"] in ana.get("/replies").html
    assert ana.post("/replies", reply, at="/replies").leads_to.startswith("/replies")


@pytest.mark.parametrize(
    "forged",
    [
        {"recipient": "vu-police"},
        {"kind": "update"},
        {"revision": 2},
        {"role": "fallback"},
        {"taker": "staff:vu-police/oto"},
    ],
)
def test_the_console_writes_no_other_row_of_pending(console: Console, forged: dict[str, Any]) -> None:
    row = pending_entry()
    database = console.parts.database
    with write_as(database, "vu-pikinini") as connection:
        connection.execute(t.pending.insert().values(row))
    with pytest.raises(PermissionDenied), write_as(database, "vu-pikinini") as connection:
        connection.execute(t.pending.insert().values({**row, "origin_key": b"p" * 32, **forged}))


def test_the_console_only_takes_the_holder_from_a_row_of_pending(console: Console) -> None:
    database = console.parts.database
    joined(console.flask, database, "mere")
    holder = accounts.find_by_name(database, "mere")
    assert holder
    with write_as(database, "vu-pikinini") as connection:
        connection.execute(t.pending.insert().values(pending_entry() | {"taker": "staff:vu-pikinini/mere"}))
    for hotline, values in (("vu-pikinini", {"taker": "staff:vu-pikinini/ben"}), ("vu-pikinini", {"priority": "P4"})):
        with pytest.raises(PermissionDenied), write_as(database, hotline) as connection:
            connection.execute(t.pending.update().values(values))
    with write_as(database, "vu-police") as connection:
        assert connection.execute(t.pending.update().values(taker=None)).rowcount == 0
    case_view.put_back_reports(database, holder, "staff:_operator/oper")
    clock = Database(str(database.engine.url.set(username=CLOCK)), threads=1)
    assert [row.taker for row in hotline_clients.rows(clock, t.pending)] == [None]
    clock.close()


def pending_entry() -> dict[str, Any]:
    """Return a row of `pending` for a report that staff of the helpline entered."""
    row: dict[str, Any] = {
        "origin_key": b"o" * 32,
        "recipient": "vu-pikinini",
        "report_id": new_id(1),
        "revision": 1,
        "kind": "staff",
    }
    row |= {"created_at": 1, "due_at": 1, "country": "VU", "mode": "demo", "priority": "P1", "completeness": "complete"}
    row |= {"role": "primary", "rank": 0, "why": "X", "key_id": "x", "wrap": b"", "head": b"", "sealed": b""}
    return row


@pytest.mark.rule("X-14")
def test_a_hotline_fetches_its_deliveries_again(made: StackPlan, postgres: Postgres) -> None:
    """Each hotline gets its own rows only, and the role may write the audit."""
    urls = postgres.new_filled()
    console = Console({**made.settings, "COUNTRIES": "vu", "DATABASE_URL": urls[CONSOLE]})
    clock = Database(urls[CLOCK])
    web = Database(urls[WEB])
    report = hotline_clients.store_report(
        web, made.folder.inside / "keys", [("vu-pikinini", "primary"), ("vu-police", "also")]
    )
    with clock.write() as connection:
        values = {"state": "delivered", "delivered_at": clock.now(), "last_class": "delivered"}
        mine = t.delivery.c.hotline == "vu-pikinini"
        connection.execute(update(t.delivery).where(mine).values(values))
        connection.execute(update(t.delivery).where(~mine).values(last_class="busy", attempt=1))
    for hotline, copies, events in (("vu-pikinini", [report], []), ("vu-police", [], [report])):
        hotline_client = hotline_clients.in_process_hotline(hotline, made.secrets.hotlines[hotline], console.http)
        found = fetch(hotline_client, f"/hotlines/{hotline}/deliveries").json()["deliveries"]
        assert [one["report_id"] for one in found if one["copy"]] == copies
        failing = fetch(hotline_client, f"/hotlines/{hotline}/failures").json()["events"]
        assert [one["data"]["report_id"] for one in failing] == events
    acts = [row for row in hotline_clients.rows(clock, t.audit) if row.act == "fetched_again"]
    assert [row.actor for row in acts] == ["staff:vu-pikinini/call_back"]
    for one in (clock, web, console):
        one.close()


@pytest.mark.rule("A-33")
def test_a_login_waits_for_a_new_password_that_is_being_stored(console: Console) -> None:
    """In PostgreSQL the two run at once: the session may begin neither before nor after the others end."""
    database = console.parts.database
    joined(console.flask, database, "mere")
    account = accounts.find_by_name(database, "mere")
    assert account
    now = database.now()
    session = StaffSession(b"s" * 32, account.staff_id, "Firefox, Linux", now, now, now, now + HOUR)
    with ThreadPoolExecutor(1) as pool:
        with write_as(database, account.hotline) as connection:
            connection.execute(
                update(staff.staff).where(staff.staff.c.staff_id == account.staff_id).values(password="another hash")
            )
            started = pool.submit(staff_sessions.start, database, account, session)
            with pytest.raises(TimeoutError):
                started.result(timeout=1)
        assert started.result(timeout=20) is False
    assert staff_sessions.list_sessions(database, account.staff_id) == ()
