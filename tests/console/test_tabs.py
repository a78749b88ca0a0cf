"""Several tabs of one browser: what one tab does takes nothing away from another."""

from __future__ import annotations

from tests.console.test_sessions import MINUTE, cookie
from tests.support.console import Console
from tests.support.staff import Person, pass_time


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
