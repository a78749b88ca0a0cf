"""Joining a hotline, logging in and recovering an account, page by page."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select

from console.auth import credentials
from console.auth.credentials import matching_step
from console.auth.invitations import CODE_LENGTH, CODE_LETTERS, InvitedAccount, invite
from reports.store.schema import staff as s
from reports.store.schema import tables as t
from reports.store.staff import accounts
from tests.support.console import Console
from tests.support.staff import PASSWORD, Person, joined, pass_time, staff_acts

A_DAY = 24 * 3600
NOBODYS = credentials._NOBODYS  # the real one: tests use cheap hashes


@pytest.fixture
def mere(console: Console) -> Person:
    return joined(console.flask, console.parts.database, "mere")


@pytest.fixture
def leads(console: Console) -> tuple[Person, Person]:
    both = tuple(joined(console.flask, console.parts.database, name, "lead") for name in ("ana", "ben"))
    for one in both:
        one.log_in()
    return both  # type: ignore[return-value]  # two


def rows(console: Console, table: Any) -> list[Any]:
    with console.parts.database.read() as connection:
        return list(connection.execute(select(table)))


def link_for(console: Console, name: str, role: str = "staff") -> str:
    return invite(console.parts.database, "", InvitedAccount(name, "vu-pikinini", role), "staff:vu-pikinini/ana")


@pytest.mark.rule("A-26")
def test_after_the_installation_nobody_has_an_account(console: Console) -> None:
    assert rows(console, s.staff) == rows(console, s.invitation) == []


def test_by_invitation_to_the_first_page(mere: Person) -> None:
    assert mere.get("/").leads_to == "/login"
    assert mere.log_in().leads_to == "/"
    assert "Reports · Pikinini" in mere.get("/").text


@pytest.mark.rule("A-28")
def test_an_invitation_works_once(console: Console) -> None:
    link = link_for(console, "mere")
    first = Person(console.flask, console.parts.database, "mere")
    assert first.join(link).status == 200
    second = Person(console.flask, console.parts.database, "mere")
    assert second.open_invitation(link).status == 404
    form = {"password": PASSWORD, "again": PASSWORD, "code": "000000", "invitation": link.partition("#")[2]}
    assert second.post("/join/account", form, at="/login").status == 404


@pytest.mark.rule("A-28")
def test_an_invitation_ends_after_a_day_and_with_a_newer_one(console: Console) -> None:
    late, older = link_for(console, "mere"), link_for(console, "luk")
    newer = link_for(console, "luk")
    person = Person(console.flask, console.parts.database, "luk")
    assert (person.open_invitation(older).status, person.open_invitation(newer).status) == (404, 200)
    pass_time(console.parts.database, A_DAY - 60)
    assert person.open_invitation(late).status == 200
    pass_time(console.parts.database, 120)
    assert person.open_invitation(late).status == 404


@pytest.mark.rule("A-28")
def test_what_an_invitation_holds_is_random_and_kept_as_a_hash(console: Console) -> None:
    codes = {link_for(console, f"p{n}").partition("#")[2] for n in range(20)}
    assert len(codes) == 20 and all(re.fullmatch(r"[a-km-np-z2-9]{4}(-[a-km-np-z2-9]{4}){3}", code) for code in codes)
    assert len(CODE_LETTERS) ** CODE_LENGTH > 2**79
    assert not any(code.encode() in row.invitation_hash for row in rows(console, s.invitation) for code in codes)


@pytest.mark.parametrize("typed", ["{}", " {} ", "no hyphens", "CAPITALS", "full address"])
def test_the_code_may_be_typed_as_it_is_read(console: Console, typed: str) -> None:
    code = link_for(console, "mere").partition("#")[2]
    as_typed = {"no hyphens": code.replace("-", ""), "CAPITALS": code.upper(), "full address": code.replace("-", " - ")}
    person = Person(console.flask, console.parts.database, "mere")
    page = person.post("/join/code", {"invitation": as_typed.get(typed, typed.format(code))}, at="/join")
    assert page.status == 200 and "Your account" in page.text


def test_open_invitations_are_listed_and_revoked(console: Console, leads: tuple[Person, Person]) -> None:
    ana, ben = leads
    link = ana.post("/people/invite", {"name": "luk", "role": "staff"}, at="/people").invitation
    kept = ana.post("/people/invite", {"name": "eti", "role": "auditor"}, at="/people").invitation
    elsewhere = joined(console.flask, console.parts.database, "zoe", "lead", "vu-womens-centre")
    elsewhere.log_in()
    page = ben.get("/people")
    assert "luk · staff · invited by ana · valid until" in page.text and "eti · auditor" in page.text
    assert "luk" not in elsewhere.get("/people").text
    assert link.partition("#")[2] not in page.html, "the code is shown only once"
    luk_s = re.search(r'name="invitation" value="([0-9a-f]{16})">Revoke<span class="unseen">: luk', page.html)
    assert luk_s
    elsewhere.post("/people/revoke", {"invitation": luk_s[1]}, at="/people")
    stranger = Person(console.flask, console.parts.database, "luk")
    assert stranger.open_invitation(link).status == 200, "another hotline's lead revokes nothing"
    for nothing in ("", luk_s[1][:8], "x"):
        ben.post("/people/revoke", {"invitation": nothing}, at="/people")
    assert len(rows(console, s.invitation)) == 2
    assert ben.post("/people/revoke", {"invitation": luk_s[1]}, at="/people").leads_to == "/people?said=revoked"
    assert "The invitation was revoked" in ben.get("/people?said=revoked").text
    never = stranger.post("/join/code", {"invitation": "2222-2222-2222-2222"}, at="/join")
    revoked = stranger.open_invitation(link)
    code = link.partition("#")[2]
    assert (revoked.status, never.status) == (404, 404)
    assert revoked.text == never.text and revoked.html.replace(code, "2222-2222-2222-2222") == never.html
    assert stranger.open_invitation(kept).status == 200
    assert ("staff:vu-pikinini/ben", "invitation_revoked", "vu-pikinini/luk") in {
        (row.actor, row.act, row.object_id) for row in rows(console, t.audit)
    }


def test_a_slip_says_for_whom_until_when_and_where(console: Console, leads: tuple[Person, Person]) -> None:
    page = leads[0].post("/people/invite", {"name": "luk", "role": "auditor"}, at="/people")
    code = page.invitation.partition("#")[2]
    assert "Invitation for luk" in page.text and "Pikinini Helpline · auditor" in page.text
    assert f"{console.parts.settings.console_url}/join" in page.text and code in page.text
    assert "It works once, until 20" in page.text
    drawn = credentials.draw_qr_code(f"{console.parts.settings.console_url}/join#{code}")
    assert drawn.path in page.html


def test_a_wrong_name_stays_in_its_field(leads: tuple[Person, Person]) -> None:
    page = leads[0].post("/people/invite", {"name": "Luk <3", "role": "auditor"}, at="/people")
    assert page.status == 400 and 'value="Luk &lt;3"' in page.html
    assert '<option value="auditor" selected>' in page.html
    page = leads[0].post("/people/invite", {"name": "ben", "role": "staff"}, at="/people")
    assert "This name is in use" in page.text and 'value="ben"' in page.html


def test_everybody_reads_their_last_logins(mere: Person) -> None:
    mere.log_in()
    mere.another_browser().log_in(password="not this one at all")
    mere.another_browser().log_in()
    text = mere.get("/me").text.partition("Last logins")[2].partition("Log out everywhere")[0]
    assert [text.count(words) for words in (": logged in", ": a login was refused")] == [2, 1]


def test_two_who_open_one_link_make_one_account(console: Console) -> None:
    link = link_for(console, "mere")
    found = accounts.find_invitation(console.parts.database, rows(console, s.invitation)[0].invitation_hash)
    assert found
    chosen = accounts.Credentials("x", b"x", 1)
    assert [accounts.accept_invitation(console.parts.database, found, f"id{n}", chosen) for n in range(2)] == [
        True,
        False,
    ]
    assert len(rows(console, s.staff)) == 1 and link


@pytest.mark.rule("A-24")
@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short pass", "at least 12"),
        ("password1234", "easy to guess"),
        ("qwertyuiop123", "easy to guess"),
        ("Passw0rd!2026", "easy to guess"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "easy to guess"),
        ("123456123456123456", "easy to guess"),
        ("mere mere mere", "easy to guess"),
        ("vu-pikinini 2026", "easy to guess"),
        ("Pikinini Helpline", "easy to guess"),
        ("tokauttokaut", "easy to guess"),
        ("summer2026!!", "easy to guess"),
        ("x7" * 65, "at most 128"),
        ("reef canoe seven lamp", ""),
        ("ëñ ʻōlelo nasara kakae", ""),
        ("  blanks at both ends stay  ", ""),
        ("T7$kz!pQ2w9#", ""),
        ("a long sentence about a boat that nobody ever painted, " * 2, ""),
    ],
)
def test_which_passwords_are_taken(password: str, said: str) -> None:
    wrong = credentials.rejection_reason(password, ("mere", "vu-pikinini"))
    assert (said in wrong and bool(wrong)) if said else wrong == ""


def test_a_wrong_start_says_what_is_wrong_and_the_link_stays(console: Console) -> None:
    link = link_for(console, "mere")
    person = Person(console.flask, console.parts.database, "mere", "password1234")
    assert "easy to guess" in person.join(link).text
    person.password = PASSWORD
    page = person.open_invitation(link)
    right = {"password": PASSWORD, "again": PASSWORD, "token": page.token, "invitation": link.partition("#")[2]}
    wrong = {**right, "again": "another", "code": person.code()}
    assert "not the same" in person.post("/join/account", wrong).text
    assert "This code is wrong or too old" in person.post("/join/account", {**right, "code": "000000"}).text
    assert person.join(link).status == 200


@pytest.mark.rule("A-39")
def test_passwords_are_kept_with_argon2id_and_made_stronger_at_the_next_login(console: Console, mere: Person) -> None:
    (row,) = rows(console, s.staff)
    assert row.password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with console.parts.database.write() as connection:
        connection.execute(s.staff.update().values(password=weak))
    assert mere.log_in().leads_to == "/"
    assert rows(console, s.staff)[0].password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_the_hash_of_nobody_costs_what_a_new_one_costs_and_no_password_has_it() -> None:
    hasher = PasswordHasher()
    assert extract_parameters(NOBODYS) == extract_parameters(hasher.hash(PASSWORD))
    with pytest.raises(VerifyMismatchError):
        hasher.verify(NOBODYS, PASSWORD)


@pytest.mark.rule("A-27")
@pytest.mark.parametrize("wrong", [{"code": ""}, {"code": "000000"}, {"password": f"{PASSWORD}s"}, {"name": "meri"}])
def test_name_password_and_code_together_or_nothing(mere: Person, wrong: dict[str, str]) -> None:
    page = mere.log_in(**wrong)
    assert page.status == 403
    assert "Name, password or code is not right" in page.text
    assert mere.get("/").leads_to == "/login"


@pytest.mark.rule("A-29")
def test_a_code_works_once_and_none_older_than_the_last(mere: Person) -> None:
    code = mere.code()
    assert mere.log_in(code=code).leads_to == "/"
    assert mere.another_browser().log_in(code=code).status == 403
    pass_time(mere.database, 30)
    assert mere.another_browser().log_in(code=code).status == 403
    assert mere.another_browser().log_in().leads_to == "/"


@pytest.mark.rule("A-29")
@pytest.mark.parametrize(("seconds", "taken"), [(-61, False), (-29, True), (0, True), (29, True), (61, False)])
def test_a_clock_may_be_off_by_one_step(seconds: int, taken: bool) -> None:
    secret = b"12345678901234567890"
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").at(1_000_000_020 + seconds)
    assert (matching_step(secret, f" {code[:3]} {code[3:]} ", 1_000_000_020) is not None) is taken


def test_the_secret_of_the_codes_is_sealed_and_another_account_s_does_not_open(console: Console) -> None:
    for name in ("mere", "luk"):
        joined(console.flask, console.parts.database, name)
    one, other = rows(console, s.staff)
    with console.parts.database.write() as connection:
        connection.execute(s.staff.update().where(s.staff.c.staff_id == other.staff_id).values(totp=one.totp))
    luk = Person(console.flask, console.parts.database, other.name)
    luk.secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert luk.log_in().status == 403


def test_two_leads_let_a_colleague_back_in(console: Console, mere: Person, leads: tuple[Person, Person]) -> None:
    ana, ben = leads
    mere.log_in()
    staff_id = next(row.staff_id for row in rows(console, s.staff) if row.name == "mere")
    path = f"/people/{staff_id}/recover"
    assert "Another lead has to approve it" in ana.post(path, at="/people").text
    assert "Another lead has to approve it" in ana.post(path, at="/people").text, "nobody confirms themselves"
    assert mere.get("/").status == 200
    page = ben.post(path, at="/people")
    link = page.invitation
    again = Person(console.flask, console.parts.database, "mere", "another long pass phrase here")
    assert again.join(link).status == 200
    assert mere.get("/").leads_to == "/login", "whoever was logged in with the old password is not any more"
    assert mere.another_browser().log_in().status == 403
    assert again.log_in().leads_to == "/"
    acts = [(row.actor, row.act) for row in staff_acts(console.parts.database, "vu-pikinini")]
    assert ("staff:vu-pikinini/ana", "recovery_asked") in acts
    assert ("staff:vu-pikinini/ben", "recovery_confirmed") in acts


def test_what_was_asked_a_day_ago_is_not_confirmed(
    console: Console, mere: Person, leads: tuple[Person, Person]
) -> None:
    ana, ben = leads
    del mere
    staff_id = next(row.staff_id for row in rows(console, s.staff) if row.name == "mere")
    ana.post(f"/people/{staff_id}/recover", at="/people")
    pass_time(console.parts.database, A_DAY + 60)
    ben.log_in()
    assert "Another lead has to approve it" in ben.post(f"/people/{staff_id}/recover", at="/people").text


@pytest.mark.rule("A-47")
def test_all_of_it_is_in_the_audit(console: Console, mere: Person, leads: tuple[Person, Person]) -> None:
    ana, _ = leads
    mere.log_in()
    mere.another_browser().log_in(password="not this one at all")
    staff_id = next(row.staff_id for row in rows(console, s.staff) if row.name == "mere")
    ana.post("/people/invite", {"name": "luk", "role": "staff"}, at="/people")
    ana.post(f"/people/{staff_id}/role", {"role": "auditor"}, at="/people")
    ana.post(f"/people/{staff_id}/end", {"sure": "1"}, at="/people")
    acts = {(row.actor.partition("/")[2], row.act) for row in rows(console, t.audit)}
    assert acts >= {
        ("mere", "joined"),
        ("mere", "logged_in"),
        ("mere", "login_refused"),
        ("ana", "invited"),
        ("ana", "role_auditor"),
        ("ana", "staff_ended"),
    }
    assert "A login with the name of mere failed." in ana.get("/audit").text
