"""A button pressed on a locked screen, or after the end of a session, does nothing, says so, and loses no text."""

from __future__ import annotations

import pytest

from reports.store.schema import tables as t
from tests.console.test_drafts import NOTE, WORDS, areas, written
from tests.support.console import Console
from tests.support.hotline_clients import rows
from tests.support.staff import Page, Person, joined, pass_time

MINUTE, HOUR = 60, 3600
NOT_SENT = "What you pressed last was not done"


def then(page: Page) -> str:
    """Return where a redirect to a login leads afterwards."""
    return page.leads_to.partition("?then=")[2].replace("%3F", "?").replace("%3D", "=").replace("%23", "#")


def test_a_message_sent_from_a_locked_screen_is_a_draft(console: Console, mere: Person, report: str) -> None:
    path = f"/reports/{report}"
    page = written(mere, path)
    pass_time(console.parts.database, 16 * MINUTE)
    late = mere.post(f"{path}/message", page | {"do": "send"})
    assert late.leads_to.startswith("/locked?then=") and then(late) == f"{path}?said=not_sent#said"
    assert NOT_SENT not in mere.get(late.leads_to).text
    back = mere.post("/locked", {"password": mere.password, "then": then(late)}, at="/locked").leads_to
    shown = mere.get(back.partition("#")[0])
    assert back == then(late) and NOT_SENT in shown.text and areas(shown) == (WORDS, NOTE)
    assert rows(console.parts.database, t.answer) == []


@pytest.mark.parametrize("first", ["", "another login"])
def test_so_it_is_after_ten_hours(console: Console, mere: Person, report: str, first: str) -> None:
    path = f"/reports/{report}"
    page = written(mere, path)
    pass_time(console.parts.database, 10 * HOUR + MINUTE)
    if first:  # which deletes the ended session: whose form this was is not known any more
        joined(console.flask, console.parts.database, "nia").log_in()
    late = mere.post(f"{path}/message", page | {"do": "send"})
    assert late.leads_to.startswith("/login?then=") and then(late) == f"{path}?said=not_sent#said"
    assert mere.log_in(then=then(late)).leads_to == then(late)
    shown = mere.get(f"{path}?said=not_sent")
    assert NOT_SENT in shown.text and areas(shown) == (("", "") if first else (WORDS, NOTE))


def test_nobody_else_is_led_there_and_nothing_is_kept_of_a_form_without_its_token(
    console: Console, mere: Person, report: str
) -> None:
    path = f"/reports/{report}"
    page = written(mere, path)
    pass_time(console.parts.database, 10 * HOUR + MINUTE)
    assert mere.post(f"{path}/message", page | {"token": "0" * 64}).status == 400
    assert rows(console.parts.database, t.draft) == []
    for name, role, hotline in (("oto", "staff", "vu-police"), ("aud", "auditor", "vu-pikinini")):
        other = joined(console.flask, console.parts.database, name, role, hotline)
        assert other.log_in(then=f"{path}?said=not_sent#said").leads_to == "/", name
        assert other.get(f"/locked?then={path}").leads_to == "/", "nor a tab that was locked before"
    assert [row for row in rows(console.parts.database, t.audit) if row.act == "not_given"] == []


def test_a_page_of_the_locked_screen_saves_no_draft(console: Console, mere: Person, report: str) -> None:
    path = f"/reports/{report}"
    form = written(mere, path)
    pass_time(console.parts.database, 16 * MINUTE)
    form |= {"token": mere.get("/locked").token}
    for act in ("draft", "message"):
        assert mere.post(f"{path}/{act}", form).status == 400
    assert mere.post("/language", form | {"language": "fr"}).status == 303
    assert rows(console.parts.database, t.draft) == []


@pytest.mark.parametrize(
    ("pressed", "back"),
    [
        ("/enter", "/enter?said=not_sent#said"),
        ("/shift/give", "/shift?said=not_sent#said"),
        ("/me/password", "/me?said=not_sent#said"),
        ("/people/invite", "/people?said=not_sent#said"),
        ("/lock", "/help"),
        ("/seen", "/help"),
    ],
)
def test_each_form_leads_back_to_its_page(console: Console, ana: Person, pressed: str, back: str) -> None:
    token = ana.get("/me").token
    pass_time(console.parts.database, 16 * MINUTE)
    assert then(ana.post(pressed, {"token": token, "then": "/help"})) == back


def test_the_list_s_tab_and_filter_and_the_report_come_back_after_the_lock(
    console: Console, mere: Person, report: str
) -> None:
    asked = "/?tab=mine&priority=P1"
    form = {"token": mere.get("/me").token, "then": asked}
    assert f'name="then" value="{asked.replace("&", "&amp;")}"' in mere.get(f"{asked}&said=left").html
    locked = mere.post("/lock", form).leads_to
    assert locked == "/locked?then=/%3Ftab%3Dmine%26priority%3DP1"
    page = mere.get(locked)
    assert page.html.count(f'name="then" value="{asked.replace("&", "&amp;")}"') == 2, "for the language, too"
    assert mere.post("/language", {"token": page.token, "language": "fr", "then": asked}).leads_to == asked
    assert mere.get(asked).leads_to == locked
    assert mere.post("/locked", {"password": mere.password, "then": asked}, at="/locked").leads_to == asked
    del report
