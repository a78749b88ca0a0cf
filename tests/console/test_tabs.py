"""Several tabs of one browser: what one tab does takes nothing away from another."""

from __future__ import annotations

import re

from tests.console.test_drafts import NOTE, WORDS, areas
from tests.console.test_sessions import MINUTE, cookie
from tests.support.console import Console
from tests.support.staff import Page, Person, pass_time


def test_a_repeated_check_of_the_login_leaves_the_other_tabs_valid(console: Console, ana: Person, report: str) -> None:
    """Otherwise the other tab is refused each draft and locks under the hands of the person who types in it."""
    path = f"/reports/{report}"
    before, page = cookie(ana), ana.get(path)
    form = {"token": page.token, "draft_of": report, "words": "Can we talk"}
    pass_time(console.parts.database, 6 * MINUTE)
    assert ana.get("/people").leads_to.startswith("/check")
    right = {"password": ana.password, "code": ana.code(), "then": "/people"}
    assert ana.post("/check", right, at="/check").leads_to == "/people" and cookie(ana) != before
    assert ana.post(f"{path}/draft", form).status == 204
    assert ana.post("/alive", {"token": page.token}).status == 204
    pass_time(console.parts.database, 16 * MINUTE)
    ana.post("/locked", {"password": ana.password, "then": path}, at="/locked")
    assert ana.post(f"{path}/draft", form).status == 204, "nor does the lock"
    ana.post("/logout", {"token": page.token})
    ana.log_in()
    assert ana.post(f"{path}/draft", form).status == 400, "a token belongs to one login"


def untouched(page: Page) -> dict[str, str]:
    """Return what each button of this page sends if nobody has typed there."""
    words, note = areas(page)
    shown = dict(re.findall(r'name="(shown\.\w+)" value="(\w+)"', page.html))
    return page.marks | shown | {"words": words, "note": note, "done": "", "pass_note": ""}


def test_a_form_of_an_older_tab_takes_no_newer_draft_away(mere: Person, report: str) -> None:
    path, of = f"/reports/{report}", {"draft_of": report}
    older = mere.get(path)
    mere.post(f"{path}/draft", of | {"token": older.token, "words": WORDS, "note": NOTE})
    for act in ("take", "work", "note"):
        mere.post(f"{path}/{act}", of | untouched(older))
        assert areas(mere.get(path)) == (WORDS, NOTE), act
    newer = mere.get(path)
    mere.post(f"{path}/draft", of | {"token": older.token, "words": "Longer by now"})
    mere.post(f"{path}/work", of | untouched(newer) | {"note": ""})
    assert areas(mere.get(path)) == ("Longer by now", ""), "only what was emptied on that page is deleted"
