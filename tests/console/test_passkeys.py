"""Passkeys: added and used, missing, or of another person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from console.auth.passkeys import site
from reports.store.schema import staff as s
from reports.store.schema import tables as t
from reports.store.staff import accounts, passkeys, staff_sessions
from reports.store.staff.passkeys import Passkey
from tests.support.authenticator import PRESENT, SecurityKey, text
from tests.support.console import Console
from tests.support.staff import HERE, Page, Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

HOST = "desk.example"
A_DAY = 24 * 3600
KEPT = "Use a passkey"


@pytest.fixture
def console(made: StackPlan) -> Iterator[Console]:
    """A console on a host with a name, which passkeys require."""
    one = Console({**made.settings, "COUNTRIES": "vu", "CONSOLE_URL": HERE})
    yield one
    one.close()


@pytest.fixture
def key() -> SecurityKey:
    return SecurityKey(HERE, HOST)


@pytest.fixture
def owner(mere: Person, key: SecurityKey) -> Person:
    """Return mere, logged in, with a passkey."""
    assert add(mere, key).leads_to == "/me?said=passkey_added#passkeys"
    return mere


def options(person: Person, path: str, at: str) -> dict[str, Any]:
    page = person.post(f"{path}/options", at=at)
    assert page.status == 200, page.text
    found: dict[str, Any] = json.loads(page.html)
    return found


def add(person: Person, key: SecurityKey, name: str = "blue key") -> Page:
    return person.post(
        "/me/passkeys", {"answer": key.create(options(person, "/me/passkeys", "/me")), "name": name}, at="/me"
    )


def log_in(person: Person, key: SecurityKey, **wrong: str) -> Page:
    answer = key.sign(options(person, "/login/passkey", "/login"), **wrong)
    return person.post("/login/passkey", {"answer": answer}, at="/login")


def rows(console: Console) -> list[Any]:
    with console.parts.database.read() as connection:
        return list(connection.execute(select(s.passkey)))


def acts(console: Console) -> list[str]:
    with console.parts.database.read() as connection:
        return [row.act for row in connection.execute(select(t.audit).order_by(t.audit.c.audit_id))]


@pytest.mark.rule("A-27")
def test_a_passkey_alone_logs_in_and_its_owner_reads_when(console: Console, owner: Person, key: SecurityKey) -> None:
    there = owner.another_browser()
    assert KEPT in there.get("/login").text
    assert log_in(there, key).leads_to == "/"
    assert "Reports" in there.get("/").text
    page = owner.get("/me").text
    assert "blue key" in page and "last used" in page
    assert {"passkey_added", "logged_in"} <= set(acts(console))
    assert there.post("/me/password", at="/me").status == 400, "as fresh as after password and code"


def test_what_the_browser_is_asked_for(owner: Person) -> None:
    asked = options(owner.another_browser(), "/login/passkey", "/login")
    assert (asked["userVerification"], asked["rpId"]) == ("required", HOST)
    assert "allowCredentials" not in asked, "nobody learns who has a passkey"
    made = options(owner, "/me/passkeys", "/me")
    assert made["authenticatorSelection"]["residentKey"] == "required"
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["attestation"] == "none" and len(made["excludeCredentials"]) == 1
    assert made["user"]["name"] == "mere"


@pytest.mark.rule("A-27")
def test_a_passkey_without_pin_or_finger_is_not_taken(console: Console, mere: Person, key: SecurityKey) -> None:
    key.flags = PRESENT
    assert "passkey_refused" in add(mere, key).leads_to
    assert rows(console) == []


@pytest.mark.rule("A-29")
@pytest.mark.parametrize("counts", [True, False])
def test_an_answer_works_once(console: Console, mere: Person, counts: bool) -> None:
    key = SecurityKey(HERE, HOST, counts=counts)
    add(mere, key)
    thief = mere.another_browser()
    answer = {"answer": key.sign(options(thief, "/login/passkey", "/login"))}
    assert thief.post("/login/passkey", answer, at="/login").leads_to == "/"
    thief.post("/logout", at="/me")
    assert thief.post("/login/passkey", answer, at="/login").status == 403
    assert thief.get("/").leads_to == "/login"


def test_an_answer_of_another_browser_or_an_old_one_is_refused(owner: Person, key: SecurityKey) -> None:
    one, other = owner.another_browser(), owner.another_browser()
    asked = options(one, "/login/passkey", "/login")
    assert other.post("/login/passkey", {"answer": key.sign(asked)}, at="/login").status == 403
    pass_time(owner.database, 4 * 60)
    young = options(one, "/login/passkey", "/login")
    pass_time(owner.database, 6 * 60)
    assert one.post("/login/passkey", {"answer": key.sign(young)}, at="/login").status == 403
    assert log_in(one, key).leads_to == "/"


def wrong_challenge(key: SecurityKey, person: Person) -> Page:
    asked = options(person, "/login/passkey", "/login")
    return person.post("/login/passkey", {"answer": key.sign({**asked, "challenge": text(bytes(56))})}, at="/login")


def of_another_purpose(key: SecurityKey, person: Person) -> Page:
    """Log in with the challenge of the identity check, of the same person in the same browser."""
    person.log_in()
    asked = options(person, "/check/passkey", "/check")
    person.post("/logout", at="/me")
    return person.post("/login/passkey", {"answer": key.sign(asked)}, at="/login")


def wrong_origin(key: SecurityKey, person: Person) -> Page:
    key.origin = "https://desk.example.evil.example"
    return log_in(person, key)


def wrong_host(key: SecurityKey, person: Person) -> Page:
    key.host = "evil.example"
    return log_in(person, key)


def not_verified(key: SecurityKey, person: Person) -> Page:
    key.flags = PRESENT
    return log_in(person, key)


def forged(key: SecurityKey, person: Person) -> Page:
    other = SecurityKey(HERE, HOST, credential_id=key.credential_id, user=key.user, counter=9)
    return log_in(person, other)


def unknown(key: SecurityKey, person: Person) -> Page:
    return log_in(person, SecurityKey(HERE, HOST, user=key.user))


def of_nobody(key: SecurityKey, person: Person) -> Page:
    return log_in(person, key, userHandle="")


def of_somebody_else(key: SecurityKey, person: Person) -> Page:
    key.user = b"01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"
    return log_in(person, key)


LIES: list[Callable[[SecurityKey, Person], Page]] = [
    wrong_challenge,
    of_another_purpose,
    wrong_origin,
    wrong_host,
    not_verified,
    forged,
    unknown,
    of_nobody,
    of_somebody_else,
]


@pytest.mark.rule("A-27")
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_whatever_is_wrong_gets_the_same_answer(
    owner: Person, key: SecurityKey, lie: Callable[[SecurityKey, Person], Page]
) -> None:
    there = owner.another_browser()
    page = lie(key, there)
    assert page.status == 403 and "The passkey was not accepted" in page.text
    assert there.get("/").leads_to == "/login"


def test_a_counter_that_goes_back_is_refused_and_written_down(
    console: Console, owner: Person, key: SecurityKey
) -> None:
    there = owner.another_browser()
    key.counter = 40
    assert log_in(there, key).leads_to == "/"
    there.post("/logout", at="/me")
    for counter in (40, 7, -1):
        key.counter = counter
        assert log_in(there, key).status == 403
    assert acts(console).count("passkey_counter_back") == 3
    key.counter = 41
    assert log_in(there, key).leads_to == "/"


@pytest.mark.rule("A-33")
def test_an_account_that_ended_has_no_passkey_any_more(console: Console, owner: Person, key: SecurityKey) -> None:
    lead = joined(console.flask, console.parts.database, "ana", "lead")
    lead.log_in()
    staff_id = rows(console)[0].staff_id
    lead.post(f"/people/{staff_id}/end", {"sure": "1"}, at="/people")
    there = owner.another_browser()
    assert log_in(there, key).status == 403
    lead.post(f"/people/{staff_id}/undo", at="/people")
    assert log_in(there, key).leads_to == "/", "given back within a day"
    lead.post(f"/people/{staff_id}/end", {"sure": "1"}, at="/people")
    pass_time(console.parts.database, A_DAY + 60)
    assert len(rows(console)) == 1
    lead.log_in()
    assert rows(console) == [], "the end is final"


def test_two_leads_who_let_somebody_back_in_remove_the_passkeys(
    console: Console, owner: Person, key: SecurityKey
) -> None:
    ana, ben = (joined(console.flask, console.parts.database, name, "lead") for name in ("ana", "ben"))
    for one in (ana, ben):
        one.log_in()
    path = f"/people/{rows(console)[0].staff_id}/recover"
    ana.post(path, at="/people")
    assert log_in(owner.another_browser(), key).leads_to == "/"
    page = ben.post(path, at="/people")
    assert "The passkeys of this account are removed already." in page.text
    assert log_in(owner.another_browser(), key).status == 403, "not only when the slip is used"
    assert rows(console) == []
    assert "ben removed all passkeys of an account" in ana.get("/audit").text
    again = Person(console.flask, console.parts.database, "mere", "another long pass phrase here")
    shown = again.open_invitation(page.invitation)
    assert "your old codes and your passkeys work no more" in shown.text
    done = again.join(page.invitation)
    assert done.status == 200 and "Your passkeys were removed." in done.text
    assert log_in(owner.another_browser(), key).status == 403


@pytest.mark.rule("A-25")
def test_wrong_answers_lock_the_name_as_wrong_passwords_do(owner: Person, key: SecurityKey) -> None:
    there = owner.another_browser()
    good, key.flags = key.flags, PRESENT
    for _ in range(5):
        assert log_in(there, key).status == 403
    key.flags = good
    assert log_in(there, key).status == 403, "locked, also for the right one"
    assert there.another_browser().log_in().status == 403, "and for the password, in a browser nobody knows"
    assert owner.get("/").status == 200
    owner.post("/logout", at="/me")
    assert log_in(owner, key).leads_to == "/", "in the owner's browser nobody is locked out by others"
    pass_time(owner.database, 16 * 60)
    assert log_in(there, key).leads_to == "/"


@pytest.mark.rule("A-25")
def test_unknown_passkeys_are_counted_by_address(owner: Person, key: SecurityKey) -> None:
    there = owner.another_browser()
    for _ in range(20):
        assert unknown(key, there).status == 403
    assert log_in(there, key).status == 403
    elsewhere = owner.another_browser()
    elsewhere.ip = "192.0.2.7"
    assert log_in(elsewhere, key).leads_to == "/"


@pytest.mark.rule("A-34")
def test_a_passkey_confirms_who_somebody_is_for_five_minutes(owner: Person, key: SecurityKey) -> None:
    pass_time(owner.database, 6 * 60)
    assert owner.post("/me/passkeys", at="/me").leads_to == "/check?then=/me"
    assert KEPT in owner.get("/check").text
    asked = options(owner, "/check/passkey", "/check")
    assert [one["id"] for one in asked["allowCredentials"]] == [text(key.credential_id)]
    form = {"answer": key.sign(asked), "then": "/me"}
    assert owner.post("/check/passkey", form, at="/check").leads_to == "/me"
    assert owner.post("/me/passkeys", at="/me").leads_to == "/me?said=passkey_refused#passkeys"


@pytest.mark.rule("A-34")
def test_a_colleague_s_passkey_confirms_nobody_else(console: Console, owner: Person, key: SecurityKey) -> None:
    luk = joined(console.flask, console.parts.database, "luk")
    luk.log_in()
    own = SecurityKey(HERE, HOST)
    add(luk, own)
    pass_time(owner.database, 6 * 60)
    answer = own.sign(options(owner, "/check/passkey", "/check"))
    assert owner.post("/check/passkey", {"answer": answer}, at="/check").status == 403
    for _ in range(4):
        owner.post("/check/passkey", {"answer": "{}"}, at="/check")
    assert owner.post("/check/passkey", {"answer": "{}"}, at="/check").leads_to == "/login"
    assert owner.get("/me").leads_to == "/login", "too many wrong answers end the session"


def test_a_passkey_unlocks_and_asks_for_nothing_else(owner: Person, key: SecurityKey) -> None:
    pass_time(owner.database, 16 * 60)
    assert owner.get("/me").leads_to == "/locked?then=/me"
    assert KEPT in owner.get("/locked").text
    page = owner.post("/locked/passkey", {"answer": "nonsense"}, at="/locked")
    assert page.status == 403 and "The passkey was not accepted" in page.text
    answer = key.sign(options(owner, "/locked/passkey", "/locked"))
    assert owner.post("/locked/passkey", {"answer": answer, "then": "/me"}, at="/locked").leads_to == "/me"
    assert "blue key" in owner.get("/me").text
    assert owner.post("/me/passkeys", at="/me").leads_to == "/check?then=/me", "unlocking confirms nothing"


def test_a_passkey_that_was_removed_opens_nothing(console: Console, owner: Person, key: SecurityKey) -> None:
    luk = joined(console.flask, console.parts.database, "luk")
    luk.log_in()
    luk.post("/me/passkeys/remove", {"passkey": key.credential_id.hex()}, at="/me")
    assert len(rows(console)) == 1, "of somebody else"
    owner.post("/me/passkeys/remove", {"passkey": key.credential_id.hex()}, at="/me")
    assert rows(console) == [] and "passkey_removed" in acts(console)
    assert log_in(owner.another_browser(), key).status == 403
    assert owner.another_browser().log_in().leads_to == "/"


def test_a_new_password_asks_which_passkeys_stay(console: Console, owner: Person, key: SecurityKey) -> None:
    other = SecurityKey(HERE, HOST)
    add(owner, other, "old phone")
    page = owner.get("/me")
    assert "A new password ends no passkey" in page.text and "Remove old phone" in page.text
    strange = {f"passkey-{SecurityKey(HERE, HOST).credential_id.hex()}": "1", "passkey-x": "1", "passkey-": "1"}
    form = {"password": "two rafts seven lamps", "again": "two rafts seven lamps", "token": page.token, **strange}
    form[f"passkey-{other.credential_id.hex()}"] = "1"
    form["shown"] = page.html.partition('name="shown" value="')[2].partition('"')[0]
    assert owner.post("/me/password", form | {"again": "x"}).status == 400 and len(rows(console)) == 2
    assert owner.post("/me/password", form).leads_to == "/login"
    assert [row.name for row in rows(console)] == ["blue key"] and acts(console).count("passkey_removed") == 1
    assert log_in(owner.another_browser(), other).status == 403
    assert log_in(owner.another_browser(), key).leads_to == "/"


def test_a_new_password_keeps_no_passkey_that_came_meanwhile(console: Console, owner: Person, key: SecurityKey) -> None:
    """An attacker with the session adds a passkey while the owner fills in the form."""
    shown = owner.get("/me").html.partition('name="shown" value="')[2].partition('"')[0]
    assert shown == key.credential_id.hex()
    thief = SecurityKey(HERE, HOST)
    add(owner, thief, "a key")
    form = {"password": "two rafts seven lamps", "again": "two rafts seven lamps", "shown": shown}
    assert owner.post("/me/password", form, at="/me").leads_to == "/login"
    assert [row.name for row in rows(console)] == ["blue key"]
    assert log_in(owner.another_browser(), thief).status == 403


def test_no_passkey_comes_after_its_session_ended(console: Console, owner: Person, key: SecurityKey) -> None:
    """A request that was accepted before a new password must not store a passkey after it."""
    database = console.parts.database
    account = accounts.find_by_name(database, "mere")
    assert account
    [session] = staff_sessions.list_sessions(database, account.staff_id)
    late = Passkey(b"late", account.staff_id, "late", b"", 0, database.now())
    accounts.set_password(database, account, account.password, [key.credential_id])
    assert not passkeys.add(database, account, late, session.session_hash)
    assert [row.name for row in rows(console)] == ["blue key"]


def test_a_person_without_passkeys_is_asked_nothing(mere: Person) -> None:
    assert "ends no passkey" not in mere.get("/me").text


def test_several_with_names_and_no_more_than_ten(console: Console, mere: Person) -> None:
    keys = [SecurityKey(HERE, HOST) for _ in range(11)]
    said = [add(mere, one, f"key {n}\u202e<b>").leads_to for n, one in enumerate(keys)]
    assert ["passkey_added" in one for one in said] == [True] * 10 + [False]
    page = mere.get("/me").html
    assert "key 9" in page and "<b>" not in page and "\u202e" not in page
    assert log_in(mere.another_browser(), keys[3]).leads_to == "/"


def test_one_passkey_belongs_to_one_account(console: Console, owner: Person, key: SecurityKey) -> None:
    luk = joined(console.flask, console.parts.database, "luk")
    luk.log_in()
    assert "passkey_refused" in add(luk, key).leads_to
    assert [row.name for row in rows(console)] == ["blue key"] and owner.name == "mere"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "x",
        "[]",
        "{}",
        "null",
        '{"rawId":"AA","response":{}}',
        '{"id":"AA","rawId":"AA","response":{"clientDataJSON":"e30"}}',
    ],
)
def test_an_answer_that_is_none(owner: Person, answer: str) -> None:
    there = owner.another_browser()
    assert there.post("/login/passkey", {"answer": answer}, at="/login").status == 400
    assert "passkey_refused" in owner.post("/me/passkeys", {"answer": answer}, at="/me").leads_to
    assert owner.post("/check/passkey", {"answer": answer}, at="/check").status == 403


def test_no_cut_of_an_answer_is_a_fault_or_gets_in(owner: Person, key: SecurityKey) -> None:
    there = owner.another_browser()
    whole = json.loads(key.sign(options(there, "/login/passkey", "/login")))
    for part, value in whole["response"].items():
        for cut in range(0, len(value), 41):
            answer = json.dumps({**whole, "response": {**whole["response"], part: value[:cut]}})
            there.ip = f"192.0.2.{cut % 250}"
            assert there.post("/login/passkey", {"answer": answer}, at="/login").status in (400, 403)
    assert there.get("/").leads_to == "/login"
    made = json.loads(SecurityKey(HERE, HOST).create(options(owner, "/me/passkeys", "/me")))
    for part, value in made["response"].items():
        for cut in range(0, len(value), 41):
            answer = json.dumps({**made, "response": {**made["response"], part: value[:cut]}})
            assert owner.post("/me/passkeys", {"answer": answer}, at="/me").status == 303


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://desk.example", "desk.example"),
        ("https://desk.example:443", "desk.example"),
        ("https://Desk.example:8443/", "desk.example"),
        ("http://localhost:8100", "localhost"),
        ("http://desk.example", None),
        ("http://127.0.0.1:8100", None),
        ("https://[::1]:8100", None),
        (None, None),
    ],
)
def test_which_addresses_have_passkeys(address: str | None, host: str | None) -> None:
    found = site(address)
    assert (found.host if found else None) == host
    if address == "https://desk.example:443":
        assert found and found.origin == "https://desk.example"


def test_without_a_host_name_no_page_speaks_of_passkeys(made: StackPlan) -> None:
    console = Console({**made.settings, "COUNTRIES": "vu", "CONSOLE_URL": "http://127.0.0.1:8100"})
    mere = joined(console.flask, console.parts.database, "mere")
    assert "passkey" not in mere.get("/login").html
    assert mere.post("/login/passkey", {"answer": "{}"}, at="/login").status == 400
    mere.log_in()
    assert "data-passkey" not in mere.get("/me").html + mere.get("/check").html
    assert mere.post("/me/passkeys/options", at="/me").status == 400
    console.close()
