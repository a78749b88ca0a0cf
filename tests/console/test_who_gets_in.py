"""Attacks on access: a copied link, a shared computer at night, an old browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import func, select

from console.auth import cookies, credentials
from console.auth.access_control import IDLE_TIMEOUT
from console.auth.invitations import InvitedAccount, invite
from reports.store.schema import staff as s
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts, staff_sessions
from tests.support.console import Console
from tests.support.staff import PASSWORD, Person, joined, pass_time

IDLE_SECONDS = 16 * 60


def lead(console: Console, name: str) -> Person:
    one = joined(console.flask, console.parts.database, name, "lead")
    one.log_in()
    return one


def id_of(console: Console, name: str) -> str:
    with console.parts.database.read() as connection:
        return str(connection.execute(select(s.staff.c.staff_id).where(s.staff.c.name == name)).scalar_one())


@pytest.mark.rule("A-33")
@pytest.mark.parametrize(("what", "form"), [("end", {}), ("role", {"role": "staff"})])
def test_who_leaves_takes_no_invitation_along(console: Console, what: str, form: dict[str, str]) -> None:
    """Otherwise a lead who must leave could invite a second account the day before."""
    ana, ben = lead(console, "ana"), lead(console, "ben")
    link = ben.post("/people/invite", {"name": "benny", "role": "staff"}, at="/people").invitation
    other = ana.post("/people/invite", {"name": "luk", "role": "staff"}, at="/people").invitation
    for one in (ana, ben):  # a lead alone cannot end or demote another one
        one.post(f"/people/{id_of(console, 'ben')}/{what}", {**form, "sure": "1"}, at="/people")
    stranger = Person(console.flask, console.parts.database, "benny")
    assert (stranger.open_invitation(link).status, stranger.open_invitation(other).status) == (404, 200)


def test_who_leaves_is_no_second_lead_of_a_recovery(console: Console) -> None:
    ana, ben = lead(console, "ana"), lead(console, "ben")
    joined(console.flask, console.parts.database, "mere")
    path = f"/people/{id_of(console, 'mere')}/recover"
    ben.post(path, at="/people")
    for one in (ana, ben):
        one.post(f"/people/{id_of(console, 'ben')}/end", {"sure": "1"}, at="/people")
    page = ana.post(path, at="/people")
    assert not page.invitation and "Another lead has to approve it" in page.text


def test_the_picture_is_another_one_in_another_browser(console: Console) -> None:
    """Otherwise a person who saw the link first would know a colleague's codes for good."""
    link = lead(console, "ana").post("/people/invite", {"name": "luk", "role": "staff"}, at="/people").invitation
    people = [Person(console.flask, console.parts.database, "luk") for _ in range(2)]
    looked = [
        re.search(r'class="letters">([A-Z2-7 ]+)<', one.open_invitation(link).html) for one in (*people, people[0])
    ]
    letters = [one[1] for one in looked if one]
    assert letters[0] != letters[1] and letters[0] == letters[2]
    assert people[1].join(link).status == 200 and people[1].log_in().leads_to == "/"


def test_a_lead_elsewhere_cancels_no_invitation_by_asking_for_its_name(console: Console) -> None:
    link = lead(console, "ana").post("/people/invite", {"name": "luk", "role": "staff"}, at="/people").invitation
    other = joined(console.flask, console.parts.database, "eve", "lead", "vu-womens-centre")
    other.log_in()
    other.post("/people/invite", {"name": "luk", "role": "staff"}, at="/people")
    assert Person(console.flask, console.parts.database, "luk").join(link).status == 200


@pytest.mark.rule("A-32")
def test_what_was_hidden_stays_hidden_though_a_touch_comes_in_after_it(console: Console) -> None:
    """Esc twice: the first one may send a sign of activity, which may arrive last."""
    mere = joined(console.flask, console.parts.database, "mere")
    mere.log_in()
    cookie = mere.client.get_cookie(cookies.SESSION, domain="desk.example")
    assert cookie
    mere.post("/lock", at="/me")
    staff_sessions.touch(console.parts.database, cookies.token_hash(cookie.value), IDLE_TIMEOUT)
    assert mere.get("/").leads_to == "/locked"


def test_at_a_locked_desk_the_next_one_logs_in(console: Console) -> None:
    """At 3 a.m. its user has gone home, and two urgent reports wait."""
    mere = joined(console.flask, console.parts.database, "mere")
    luk = joined(console.flask, console.parts.database, "luk")
    mere.log_in()
    luk.client, left = mere.client, mere.client.get_cookie(cookies.SESSION, domain="desk.example")
    assert left
    pass_time(console.parts.database, IDLE_SECONDS)
    assert 'href="/login"' in luk.get("/locked").html
    assert luk.get("/login").status == 200
    assert luk.log_in(password="not this one at all").status == 403
    assert luk.log_in().leads_to == "/"
    assert "luk" in luk.get("/me").text
    assert staff_sessions.find(console.parts.database, cookies.token_hash(left.value)) is None, (
        "what was there has ended"
    )


@pytest.mark.rule("A-20")
def test_a_browser_that_says_nothing_but_null_gets_in(console: Console) -> None:
    """With `no-referrer` forms have `Origin: null`; browsers before 2023 send nothing else about their origin."""
    mere = joined(console.flask, console.parts.database, "mere")
    form = {"name": "mere", "password": PASSWORD, "code": mere.code()}
    assert mere.post("/login", {**form, "token": "0" * 64}, Origin="null").status == 400
    assert mere.post("/login", form, at="/login", Origin="null").leads_to == "/"


@pytest.mark.rule("A-25")
def test_an_address_that_is_refused_leaves_nothing_behind_for_each_name(console: Console) -> None:
    stranger = Person(console.flask, console.parts.database, "x")
    token = stranger.get("/login").token
    for n in range(40):
        stranger.post("/login", {"name": f"name{n}", "password": "x", "code": "1", "token": token})
    with console.parts.database.read() as connection:
        kept = connection.execute(select(func.count()).select_from(s.staff_try)).scalar_one()
    assert kept <= 21


@pytest.mark.rule("A-33")
@pytest.mark.parametrize("cause", ["password", "end", "recovery"])
def test_a_login_that_began_before_the_account_changed_starts_no_session(
    console: Console, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    """A login may wait five seconds for its turn to hash; a new password ends all sessions meanwhile."""
    database, mere = console.parts.database, joined(console.flask, console.parts.database, "mere")
    account = accounts.find_by_name(database, "mere")
    assert account
    check = credentials.is_correct

    def change() -> None:
        if cause == "password":
            accounts.set_password(database, account, "another hash")
        elif cause == "end":
            accounts.deactivate(database, account, "staff:vu-pikinini/first")
        else:
            place = InvitedAccount("mere", "vu-pikinini", StaffRole.STAFF)
            link = invite(database, "", place, "staff:vu-pikinini/first", account.staff_id)
            assert Person(console.flask, database, "mere", "tide lantern gravel nine").join(link).status == 200

    def slow(*given: Any) -> bool:
        is_right = check(*given)
        change()
        return is_right

    monkeypatch.setattr("console.auth.credentials.is_correct", slow)
    assert mere.log_in().status == 403
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(s.staff_session)).scalar_one() == 0


@pytest.mark.rule("X-28")
@pytest.mark.parametrize(
    "then",
    [
        "//help",
        "///me",
        "//board?x",
        "//reports/x",
        "//",
        "/\\help",
        "//desk.example.evil.example/",
        "https://evil.example/me",
        "/me\r\nX: 1",
    ],
)
def test_a_login_leads_to_no_other_host(console: Console, then: str) -> None:
    """A browser reads `//help` as the host `help`, and anybody on the same network may answer for such a name."""
    mere = joined(console.flask, console.parts.database, "mere")
    assert mere.log_in(then=then).leads_to == "/"
