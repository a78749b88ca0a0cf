"""A draft returns after a note, another language or the lock, and is deleted after Send and logout."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select, update

from reports.store.cases import drafts
from reports.store.schema import tables as t
from reports.store.staff import accounts
from tests.console.conftest import someone
from tests.console.test_list import SampleReport
from tests.support.console import Console
from tests.support.hotline_clients import rows
from tests.support.staff import Page, Person, close_form, joined, pass_time
from tokaut.local_stack.settings import StackPlan

WORDS, NOTE = "We have read it. Can you", "Ask the aunt first"


@pytest.fixture
def sample(console: Console, made: StackPlan) -> SampleReport:
    return SampleReport(console, made, None)


def areas(page: Page) -> tuple[str, str]:
    """Return the contents of the message and the note."""
    found = [re.search(rf'<textarea id="{one}"[^>]*>([^<]*)</textarea>', page.html) for one in ("words", "note")]
    return tuple(one[1] if one else "" for one in found)  # type: ignore[return-value]  # two of them


def written(one: Person, path: str) -> dict[str, str]:
    return {**one.get(path).marks, "draft_of": path.rpartition("/")[2], "words": WORDS, "note": NOTE}


def everything(sample: SampleReport) -> str:
    """Return all cells of all tables as text."""
    found: list[Any] = []
    with sample.database.read() as connection:
        for table in t.metadata.sorted_tables:
            found += [list(row) for row in connection.execute(select(table))]
    return repr(found)


def test_they_survive_whatever_else_is_done_on_the_page(sample: SampleReport, mere: Person) -> None:
    path = f"/reports/{sample.id}"
    noted = mere.post(f"{path}/note", written(mere, path))
    assert areas(mere.get(noted.leads_to.partition("#")[0])) == (WORDS, ""), "the note is saved, the message is there"
    for act, form in (("take", {}), ("pass", {"to": ""}), ("away", {"who": "x"}), ("draft", {})):
        mere.post(f"{path}/{act}", written(mere, path) | form)
        assert areas(mere.get(path)) == (WORDS, NOTE), act
    mere.post(f"{path}/draft", written(mere, path) | {"words": " ", "note": ""})
    assert areas(mere.get(path)) == ("", "")


def test_the_note_for_who_takes_it_is_kept_until_it_is_passed_on(sample: SampleReport, mere: Person) -> None:
    path = f"/reports/{sample.id}"

    def shown() -> str:
        found = re.search(r'<textarea id="pass-note"[^>]*>([^<]*)<', mere.get(path).html)
        return found[1] if found else ""

    mere.post(f"{path}/note", written(mere, path) | {"pass_note": "Call the aunt at six"})
    assert shown() == "Call the aunt at six"
    mere.post(f"{path}/pass", written(mere, path) | {"pass_note": "Call the aunt at six", "to": ""})
    assert shown() == "" and "Call the aunt at six" in mere.get(path).text


def test_they_survive_the_language_and_the_lock(sample: SampleReport, mere: Person) -> None:
    path = f"/reports/{sample.id}"
    there = mere.post("/language", written(mere, path) | {"language": "fr", "then": path})
    assert there.leads_to == path and areas(mere.get(path)) == (WORDS, NOTE)
    mere.post("/lock", written(mere, path) | {"words": "And more", "then": path})
    assert mere.get(path).leads_to.startswith("/locked")
    mere.post("/language", {**written(mere, "/locked"), "draft_of": sample.id, "words": "x", "language": "fr"})
    mere.post("/locked", {"password": mere.password, "then": path}, at="/locked")
    assert areas(mere.get(path)) == ("And more", NOTE), "and nobody writes into them at a locked desk"


def test_they_are_sealed_and_their_writer_s_alone(sample: SampleReport, console: Console, mere: Person) -> None:
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/draft", written(mere, path))
    assert len(rows(sample.database, t.draft)) == 2
    assert WORDS not in everything(sample) and NOTE not in everything(sample)
    nia = joined(console.flask, console.parts.database, "nia")
    nia.log_in()
    assert areas(nia.get(path)) == ("", "")
    other = joined(console.flask, console.parts.database, "oto", hotline="vu-police")
    other.log_in()
    form = {"token": other.get("/me").token, "draft_of": sample.id, "words": "x", "note": ""}
    assert other.post(f"{path}/draft", form).status == 404
    assert len(rows(sample.database, t.draft)) == 2


def test_what_is_sent_is_no_draft_any_more(sample: SampleReport, mere: Person) -> None:
    path = f"/reports/{sample.id}"
    refused = mere.post(f"{path}/message", written(mere, path) | {"words": "See http://x.example", "do": "send"})
    assert refused.status == 200 and areas(refused) == ("See http://x.example", NOTE)
    sent = mere.post(f"{path}/message", written(mere, path) | {"do": "send", "anyway": "1"})
    assert sent.status == 303 and areas(mere.get(path)) == ("", NOTE)


def test_an_autosave_that_arrives_after_send_brings_no_draft_back(sample: SampleReport, mere: Person) -> None:
    path = f"/reports/{sample.id}"
    for act, form, left in (
        ("message", {"do": "send", "anyway": "1"}, ("", NOTE)),
        ("note", {}, (WORDS, "")),
        ("close", close_form(), (WORDS, NOTE)),
    ):
        page = written(mere, path) | form
        for _ in range(2):  # the second press also carries the drafts
            assert mere.post(f"{path}/{act}", page).status == 303
        assert mere.post(f"{path}/draft", page | {"words": "Half"} if act == "message" else page).status == 204
        assert areas(mere.get(path)) == left, act
    assert "12345" not in re.findall(r'<textarea id="done"[^>]*>([^<]*)<', mere.get(path).html)
    assert {row.kind for row in rows(sample.database, t.draft)} == {"message", "note"}


def test_a_log_out_elsewhere_or_another_login_here_leaves_them(
    sample: SampleReport, console: Console, mere: Person
) -> None:
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/draft", written(mere, path))
    elsewhere = mere.another_browser()
    elsewhere.log_in()
    elsewhere.post("/logout", at="/me")
    assert areas(mere.get(path)) == (WORDS, NOTE), "this browser is still at work on them"
    mere.step = elsewhere.step
    for name in ("mere", "nia", "mere"):
        mere.post("/lock", at="/me")
        if name == "nia":
            other = joined(console.flask, console.parts.database, "nia")
            other.client = mere.client
            other.log_in()
        else:
            if mere.get("/").leads_to == "/":
                mere.post("/lock", at="/me")
            mere.log_in()
            assert areas(mere.get(path)) == (WORDS, NOTE), "whoever logs in on the locked page"
    mere.post("/logout", at="/me")
    assert rows(sample.database, t.draft) == [], "the last session is over"


def test_logout_time_and_an_ended_account_end_them(sample: SampleReport, console: Console, mere: Person) -> None:
    path = f"/reports/{sample.id}"
    mere.post(f"{path}/draft", written(mere, path))
    mere.post("/logout", {**written(mere, path)})
    assert rows(sample.database, t.draft) == []
    mere.log_in()
    mere.post(f"{path}/draft", written(mere, path))
    pass_time(sample.database, 10 * 3600 + 1)
    mere.log_in()
    assert areas(mere.get(path)) == ("", "")
    drafts.delete_old(sample.database)


@pytest.mark.parametrize("way", ["declined", "deleted"])
def test_a_message_that_can_never_be_sent_can_still_be_read(
    console: Console, mere: Person, report: str, way: str
) -> None:
    """A colleague declined the report, or its reporter deleted it, while somebody wrote: the words may help others."""
    path, ana = f"/reports/{report}", someone(console, "ana", "staff")
    page = mere.get(path)
    if way == "declined":
        ana.post(f"{path}/decline", {"reason": "Not for us", "sure": "1"}, at=path)
    else:
        with console.parts.database.write() as connection:
            connection.execute(update(t.mailbox).values(public_key=b""))
    form = {"words": "The bus goes at six <b>", "do": "send", "draft_of": report, **page.marks}
    refused = mere.post(f"{path}/message", form)
    assert refused.status == 400 and not rows(console.parts.database, t.answer)
    for shown in (refused, mere.get(path)):
        assert '<blockquote dir="auto">The bus goes at six &lt;b&gt;</blockquote>' in shown.html
        assert "Kept as a draft, not sent." in shown.text


@pytest.mark.parametrize("role", ["lead", "auditor"])
def test_another_role_keeps_the_drafts_of_those_who_still_read_reports(
    console: Console, sample: SampleReport, mere: Person, role: str
) -> None:
    """Two leads make mere a lead while she writes: her session ends, and her words must not."""
    path, database = f"/reports/{sample.id}", console.parts.database
    mere.post(f"{path}/draft", written(mere, path))
    account = accounts.find_by_name(database, "mere")
    assert account
    ana, ben = someone(console, "ana"), someone(console, "ben")
    for lead in (ana, ben) if role == "lead" else (ana,):
        lead.post(f"/people/{account.staff_id}/role", {"role": role}, at="/people")
    assert mere.get(path).leads_to == "/login"
    assert len(rows(database, t.draft)) == (2 if role == "lead" else 0)
    mere.log_in()
    assert role == "auditor" or areas(mere.get(path)) == (WORDS, NOTE)
