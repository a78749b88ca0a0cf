"""Sessions: how they begin, lock and end, and what a stolen cookie allows."""

from __future__ import annotations

import re

import pytest

from console.auth import cookies
from tests.support.console import Console
from tests.support.staff import Person, joined, pass_time

MINUTE, HOUR = 60, 3600
SESSION = "__Host-tokaut"
CLEARED = '"cache", "storage"'


def cookie(person: Person, name: str = SESSION) -> str:
    found = person.client.get_cookie(name, domain="desk.example")
    return found.value if found else ""


def with_stolen_cookie(console: Console, token: str) -> Person:
    """Return another person with this cookie."""
    one = Person(console.flask, console.parts.database, "thief")
    one.client.set_cookie(SESSION, token, domain="desk.example", secure=True)
    return one


@pytest.mark.rule("A-14")
@pytest.mark.rule("A-15")
def test_every_cookie_is_for_this_host_alone_and_for_no_script(console: Console) -> None:
    mere = joined(console.flask, console.parts.database, "mere")
    pages = [mere.get("/login"), mere.log_in(), mere.post("/language", {"language": "fr"}, at="/me")]
    lines = [line for page in pages for line in page.headers.getlist("Set-Cookie")]
    assert {line.partition("=")[0] for line in lines} == {cookies.SESSION, cookies.BROWSER, cookies.LANGUAGE}
    for line in lines:
        attributes = {part.strip() for part in line.split(";")[1:]}
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= attributes
        assert not any(part.startswith("Domain") for part in attributes)


@pytest.mark.rule("A-31")
def test_the_id_is_random_new_at_each_login_and_kept_as_a_hash(console: Console, mere: Person) -> None:
    first = cookie(mere)
    assert len(first) == 43
    mere.post("/logout", at="/me")
    mere.log_in()
    assert cookie(mere) != first
    kept = (console.parts.settings.data / "tokaut.db").read_bytes()
    assert cookie(mere).encode() not in kept


@pytest.mark.rule("A-31")
def test_an_id_that_was_there_before_the_login_is_worth_nothing(console: Console) -> None:
    """Session fixation: a cookie that was planted before the login does not work after it."""
    mere = joined(console.flask, console.parts.database, "mere")
    planted = cookies.new_session()
    mere.client.set_cookie(SESSION, planted, domain="desk.example", secure=True)
    mere.log_in()
    assert cookie(mere) not in ("", planted)
    assert with_stolen_cookie(console, planted).get("/").leads_to == "/login"


def test_two_cookies_of_one_name_are_none(console: Console, mere: Person) -> None:
    token = cookie(mere)
    other = Person(console.flask, console.parts.database, "x")
    other.client = console.flask.test_client(use_cookies=False)
    assert other.get("/", Cookie=f"{SESSION}={token}").status == 200
    assert other.get("/", Cookie=f"{SESSION}=x; {SESSION}={token}").leads_to == "/login"


@pytest.mark.rule("A-33")
def test_a_stolen_cookie_is_worth_nothing_after_the_log_out(console: Console, mere: Person) -> None:
    stolen = cookie(mere)
    assert with_stolen_cookie(console, stolen).get("/").status == 200
    said = mere.post("/logout", at="/me")
    assert said.headers["Clear-Site-Data"] == CLEARED
    assert with_stolen_cookie(console, stolen).get("/").leads_to == "/login"


@pytest.mark.rule("A-32")
def test_after_fifteen_idle_minutes_only_the_password_opens_it(console: Console, mere: Person) -> None:
    before = cookie(mere)
    pass_time(console.parts.database, 14 * MINUTE)
    assert mere.get("/").status == 200
    pass_time(console.parts.database, 16 * MINUTE)
    assert mere.get("/").leads_to == "/locked"
    page = mere.get("/locked")
    assert "Urgent reports waiting: 0" in page.text
    assert "mere" not in page.html and "pikinini" not in page.html.lower(), "who works here stands on no locked page"
    assert mere.post("/locked", {"password": "not this pass phrase"}, at="/locked").status == 403
    assert mere.post("/locked", {"password": mere.password}, at="/locked").leads_to == "/"
    assert cookie(mere) != before and mere.get("/").status == 200
    assert with_stolen_cookie(console, before).get("/").leads_to == "/login"


@pytest.mark.rule("A-32")
def test_a_script_that_asks_for_news_keeps_no_desk_open(console: Console, mere: Person) -> None:
    for _ in range(16):
        pass_time(console.parts.database, MINUTE)
        mere.get("/rows")
    assert mere.get("/").leads_to == "/locked"


@pytest.mark.rule("A-32")
def test_after_ten_hours_it_is_over_however_busy_it_was(console: Console, mere: Person) -> None:
    for _ in range(59):
        pass_time(console.parts.database, 10 * MINUTE)
        assert mere.get("/").status == 200
    pass_time(console.parts.database, 11 * MINUTE)
    assert mere.get("/").leads_to == "/login"


def test_a_locked_page_is_no_place_to_guess(console: Console, mere: Person) -> None:
    pass_time(console.parts.database, 16 * MINUTE)
    for _ in range(5):
        assert mere.post("/locked", {"password": "not this pass phrase"}, at="/locked").status == 403
    assert mere.post("/locked", {"password": mere.password}, at="/locked").leads_to == "/login"
    assert mere.get("/").leads_to == "/login"


def test_hide_locks_at_once(mere: Person) -> None:
    assert mere.post("/lock", at="/me").leads_to == "/locked"
    assert mere.get("/").leads_to == "/locked"


def test_two_at_a_time(console: Console, mere: Person) -> None:
    second, third = mere.another_browser(), mere.another_browser()
    second.step = mere.step
    second.log_in()
    third.step = second.step
    third.log_in()
    assert [one.get("/").leads_to for one in (mere, second, third)] == ["/login", "", ""]


@pytest.mark.rule("A-33")
def test_one_s_own_sessions_one_by_one_and_everywhere(mere: Person) -> None:
    second = mere.another_browser()
    second.log_in()
    page = second.get("/me")
    assert page.text.count("since") == 2 and page.text.count("(here)") == 1
    found = re.search(r'name="session" value="([0-9a-f]+)"', page.html)
    assert found
    second.post("/me/end", {"session": found[1]}, at="/me")
    assert (mere.get("/").leads_to, second.get("/").status) == ("/login", 200)
    assert second.post("/me/end-all", at="/me").headers["Clear-Site-Data"] == CLEARED
    assert second.get("/").leads_to == "/login"


@pytest.mark.rule("A-33")
@pytest.mark.parametrize("what", ["end", "role"])
def test_who_leaves_or_changes_is_out_at_once(console: Console, mere: Person, what: str) -> None:
    lead = joined(console.flask, console.parts.database, "ana", "lead")
    lead.log_in()
    page = lead.get("/people")
    found = re.search(r"/people/([0-9a-f-]{36})/end", page.html)
    assert found
    done = lead.post(f"/people/{found[1]}/{what}", {"role": "auditor", "sure": "1"}, at="/people")
    assert done.leads_to == ("/people" if what == "role" else "/people?said=ended")
    assert mere.get("/").leads_to == "/login"
    assert (mere.log_in().leads_to == "/") is (what == "role")


@pytest.mark.rule("A-33")
def test_a_new_password_ends_whatever_the_old_one_began(mere: Person) -> None:
    elsewhere = mere.another_browser()
    elsewhere.log_in()
    new = {"password": "four other words entirely", "again": "four other words entirely"}
    assert elsewhere.post("/me/password", {**new, "again": "no"}, at="/me").status == 400
    page = elsewhere.post("/me/password", new, at="/me")
    assert (page.leads_to, page.headers["Clear-Site-Data"]) == ("/login", CLEARED)
    assert [one.get("/").leads_to for one in (mere, elsewhere)] == ["/login", "/login"]
    elsewhere.password = new["password"]
    assert elsewhere.log_in().leads_to == "/"


@pytest.mark.rule("A-34")
def test_what_is_sensitive_asks_again_who_it_is(console: Console) -> None:
    lead = joined(console.flask, console.parts.database, "ana", "lead")
    lead.log_in()
    before = cookie(lead)
    assert lead.get("/people").status == 200
    pass_time(console.parts.database, 6 * MINUTE)
    assert lead.get("/people").leads_to == "/check?then=/people"
    assert lead.post("/people/invite", {"name": "luk"}, at="/me").leads_to == "/check?then=/people"
    form = {"password": lead.password, "then": "/people"}
    assert lead.post("/check", {**form, "code": "000000"}, at="/check").status == 403
    assert lead.post("/check", {**form, "code": lead.code(), "password": "x"}, at="/check").status == 403
    assert lead.post("/check", {**form, "code": lead.code()}, at="/check").leads_to == "/people"
    assert cookie(lead) != before, "a new id at each re-check"
    assert lead.get("/people").status == 200


@pytest.mark.parametrize(
    "then",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "/nowhere",
        "javascript:x",
        "/reports/a\nX-More: b",
        "",
    ],
)
def test_nobody_is_led_elsewhere_by_it(console: Console, mere: Person, then: str) -> None:
    del console
    form = {"password": mere.password, "code": mere.code(), "then": then}
    assert mere.post("/check", form, at="/check").leads_to == "/"
