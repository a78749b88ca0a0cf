"""A login without a cookie explains the reason; an expired page has another message."""

from __future__ import annotations

from tests.support.console import Console
from tests.support.staff import Person


def test_a_browser_that_sends_no_cookie_is_told_so(console: Console) -> None:
    mere = Person(console.flask, console.parts.database, "mere")
    form = {"name": "mere", "password": "x", "code": "1", "token": mere.get("/login").token}
    without = Person(console.flask, console.parts.database, "mere").post("/login", form)
    assert without.status == 400 and "This browser sent no cookie." in without.text and "https" in without.text
    assert "has expired" not in without.text
    old = mere.post("/login", {**form, "token": "0" * 64})
    assert old.status == 400 and "has expired" in old.text and "no cookie" not in old.text
