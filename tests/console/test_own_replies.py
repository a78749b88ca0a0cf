"""Ready-made replies of one hotline: written by a lead, signed by another, used by all, withdrawn by any lead."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.staff import accounts, own_replies
from reports.store.staff.accounts import Account
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_safe_hours import NO, told
from tests.support.console import Console
from tests.support.databases import KINDS, migrated_database
from tests.support.staff import Page, Person, pass_time
from tokaut.local_stack.settings import StackPlan

EN, BI = "We read this each morning.", "Mifala i ridim hemia evri moning."


def write(lead: Person, **texts: str) -> Page:
    return lead.post("/replies", {f"text-{tag}": text for tag, text in texts.items()}, at="/replies")


def the_id(console: Console) -> str:
    with console.parts.database.read() as connection:
        return str(connection.execute(select(t.own_reply.c.reply_id)).scalars().first())


def sign(lead: Person, reply_id: str) -> Page:
    return lead.post(f"/replies/{reply_id}/sign", at="/replies")


def offered(person: Person, path: str) -> list[str]:
    return re.findall(r'value="own-[^"]*" data-ready="([^"]*)"', person.get(path).html)


@pytest.mark.rule("S-25")
def test_all_staff_see_it_once_a_second_lead_has_signed(
    console: Console, made: StackPlan, ana: Person, ben: Person, mere: Person
) -> None:
    path = told(console, made, NO, language="bi")
    assert write(ana, en=EN, bi=BI).leads_to == "/replies?said=reply_written#said"
    reply_id = the_id(console)
    assert offered(mere, path) == [] and "Another lead has to sign it." in ana.get("/replies").text
    assert "cannot be signed" in sign(ana, reply_id).text and offered(mere, path) == []
    assert sign(ben, reply_id).leads_to == "/replies?said=reply_signed#said"
    assert offered(mere, path) == [BI], "in the reporter's language"
    assert offered(mere, told(console, made, NO, language="fr")) == [EN], "it has no French"
    page = mere.post(f"{path}/message", {"words": "Halo.", "ready": f"own-{reply_id}"}, at=path)
    assert f"Halo.\n{BI}</textarea>" in page.html
    acts = [row.act for row in rows(console.parts.database) if row.object_id == reply_id]
    assert acts == ["reply_written", "reply_signed"]


def rows(database: Database) -> list[object]:
    with database.read() as connection:
        return list(connection.execute(select(t.audit).order_by(t.audit.c.at)))


def test_any_lead_withdraws_it_and_it_stays_known_who_signed(
    console: Console, made: StackPlan, ana: Person, ben: Person, mere: Person
) -> None:
    write(ana, en=EN)
    reply_id = the_id(console)
    sign(ben, reply_id)
    assert ana.post(f"/replies/{reply_id}/withdraw", at="/replies").leads_to == "/replies?said=reply_withdrawn#said"
    assert offered(mere, told(console, made, NO)) == [] and EN not in ana.get("/replies").text
    assert "withdrawn already" in ben.post(f"/replies/{reply_id}/withdraw", at="/replies").text
    assert "cannot be signed" in sign(ben, reply_id).text
    with console.parts.database.read() as connection:
        kept = connection.execute(select(t.own_reply)).one()
    assert (kept.text, kept.signed_by is None, kept.withdrawn_by is None) == (EN, False, False)


@pytest.mark.rule("S-25")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 121, "one screen has room for 120"),
        ("Call 555 0101", "555 0101 is not one"),
        ("See www.example.org", "a link"),
        ("Send us a photo of it", "asks for pictures"),
        ("The police read this.", "The first line says police"),
        ("We will come to you.", "promises something"),
    ],
)
def test_what_a_message_may_not_say_no_reply_says_and_nothing_is_confirmed(
    console: Console, ana: Person, text: str, why: str
) -> None:
    page = write(ana, en=EN, bi=text)
    assert page.status == 400 and why in page.text and f">{EN}</textarea>" in page.html, "what was written stays"
    assert rows_of_replies(console) == []


def rows_of_replies(console: Console) -> list[object]:
    with console.parts.database.read() as connection:
        return list(connection.execute(select(t.own_reply)))


def test_an_empty_form_and_one_too_many(console: Console, ana: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "at least one language" in write(ana, en=" ").text
    monkeypatch.setattr(own_replies, "MAX_REPLIES", 1)
    assert write(ana, en=EN).status == 303
    assert "Withdraw one first" in write(ana, en=EN).text and len(rows_of_replies(console)) == 1


def test_a_button_that_is_pressed_twice_acts_once(console: Console, ana: Person, ben: Person) -> None:
    form = {**ana.get("/replies").marks, "text-en": EN}
    for _ in range(2):
        assert ana.post("/replies", form).leads_to == "/replies?said=reply_written#said"
    assert len(rows_of_replies(console)) == 1
    assert ana.post("/replies", {**form, "text-en": BI}).status == 303, "other words are another reply"
    assert len(rows_of_replies(console)) == 2
    marks = ben.get("/replies").marks
    for act in ("sign", "withdraw"):
        for _ in range(2):
            page = ben.post(f"/replies/{the_id(console)}/{act}", marks)
            assert page.status == 303, f"the second press says as the first does that the reply is done with: {act}"
    acts = [row.act for row in rows(console.parts.database) if row.act.startswith("reply_")]
    assert acts == ["reply_written", "reply_written", "reply_signed", "reply_withdrawn"]


def test_a_form_for_which_there_was_no_room_may_be_sent_again(
    console: Console, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {**ana.get("/replies").marks, "text-en": EN}
    monkeypatch.setattr(own_replies, "MAX_REPLIES", 0)
    assert ana.post("/replies", form).status == 400
    monkeypatch.undo()
    assert ana.post("/replies", form).status == 303 and len(rows_of_replies(console)) == 1


def test_what_a_lead_asked_for_ends_with_their_role(console: Console, ana: Person, ben: Person) -> None:
    write(ana, en=EN)
    database = console.parts.database
    found = accounts.find_by_name(database, "ana")
    assert found
    accounts.set_role(database, found, accounts.StaffRole.STAFF, "staff:vu-pikinini/ben")
    assert "write it again" in ben.get("/replies").text
    assert "cannot be signed" in sign(ben, the_id(console)).text


def test_a_signature_needs_the_password_again(console: Console, ana: Person, ben: Person) -> None:
    write(ana, en=EN)
    pass_time(console.parts.database, 600)
    assert sign(ben, the_id(console)).leads_to.startswith("/check")
    assert own_replies.list_signed(console.parts.database, HOTLINE) == ()


@pytest.mark.rule("S-23")
def test_another_hotline_sees_and_signs_nothing(console: Console, ana: Person) -> None:
    write(ana, en=EN)
    other = someone(console, "ora", hotline=OTHER)
    assert EN not in other.get("/replies").text
    assert "cannot be signed" in sign(other, the_id(console)).text
    assert other.post(f"/replies/{the_id(console)}/withdraw", at="/replies").status == 400
    assert [one.texts for one in own_replies.list_replies(console.parts.database, HOTLINE)] == [{"en": EN}]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: object) -> Iterator[Database]:
    database = migrated_database(request.param, request, tmp_path)  # type: ignore[arg-type]
    yield database
    database.close()


def lead_of(database: Database, name: str, hotline: str = HOTLINE) -> Account:
    row = {
        **dict.fromkeys(("totp_step", "wrong", "created_at"), 0),
        "staff_id": f"id-{name}",
        "name": name,
        "hotline": hotline,
        "role": "lead",
        "password": "",
        "totp": b"",
    }
    with database.write() as connection:
        connection.execute(t.staff.insert().values(row))
    found = accounts.find_by_name(database, name)
    assert found
    return found


def test_in_both_databases_with_the_console_s_rights(store: Database) -> None:
    ana, ben, ora = lead_of(store, "ana"), lead_of(store, "ben"), lead_of(store, "ora", OTHER)
    reply_id = own_replies.write(store, ana, {"en": EN, "bi": BI}, b"w" * 32)
    own_replies.write(store, ana, {"en": EN, "bi": BI}, b"w" * 32)
    assert not own_replies.sign(store, ana, reply_id) and not own_replies.sign(store, ora, reply_id)
    assert own_replies.sign(store, ben, reply_id, b"s" * 32) and own_replies.sign(store, ben, reply_id, b"s" * 32)
    assert not own_replies.sign(store, ben, reply_id)
    [reply] = own_replies.list_signed(store, HOTLINE)
    assert (reply.texts, reply.written_by, reply.signed_by) == ({"en": EN, "bi": BI}, "id-ana", "id-ben")
    assert own_replies.list_replies(store, OTHER) == () and not own_replies.withdraw(store, ora, reply_id)
    assert own_replies.withdraw(store, ana, reply_id) and own_replies.list_replies(store, HOTLINE) == ()


def test_a_reply_that_is_being_written_survives_the_lock_and_is_gone_once_it_is_saved(
    console: Console, ana: Person, ben: Person
) -> None:
    page = ana.get("/replies")
    form = {"token": page.token, "once": page.marks["once"], "draft_of": "replies", "text-en": EN, "text-bi": ""}
    assert ana.post("/replies/draft", form).status == 204
    assert EN in ana.get("/replies").html and EN not in ben.get("/replies").html
    pass_time(console.parts.database, 16 * 60)
    assert ana.post("/replies", form | {"text-bi": BI}).leads_to.startswith("/locked")
    page = ana.get(
        ana.post("/locked", {"password": ana.password, "then": "/replies?said=not_sent"}, at="/locked").leads_to
    )
    assert "Nothing was sent." in page.text and EN in page.html and BI in page.html
    again = {"token": page.token, "once": page.marks["once"], "draft_of": "replies", "text-en": EN, "text-bi": BI}
    assert "Saved." in ana.get(ana.post("/replies", again).leads_to.partition("#")[0]).text
    ana.post("/replies/draft", again)
    assert f">{EN}</textarea>" not in ana.get("/replies").html, "what an old page saves late is no draft"
