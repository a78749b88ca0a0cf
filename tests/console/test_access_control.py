"""Every route of the URL map: who may use it, what a form must contain, and what others get."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import pytest
from flask import Blueprint, Flask, Response
from sqlalchemy import select

from console import app as console_app
from console.auth.access_control import AccessRule, CheckedView, UndeclaredAccess, requires
from reports.store.engine.database import DatabaseUnavailable
from reports.store.schema import tables as t
from reports.store.staff import staff_sessions
from tests.console.role_table import OPEN, ROWS, SYSTEMS
from tests.support.console import Console
from tests.support.staff import HERE, Page, Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

ROLES = ("staff", "lead", "auditor", "operator")
NOBODY = "01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"
HEADERS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.fixture
def people(console: Console) -> Mapping[str, Person]:
    places = {"operator": "_operator"}
    found = {}
    for role in ROLES:
        found[role] = joined(console.flask, console.parts.database, role, role, places.get(role, "vu-pikinini"))
    for one in found.values():
        one.log_in()
    return found


def routes(console: Console) -> Mapping[str, AccessRule]:
    """Return the access rule of each method and address of the URL map."""
    found = {}
    for rule in console.flask.url_map.iter_rules():
        view = console.flask.view_functions[rule.endpoint]
        assert isinstance(view, CheckedView), rule
        found |= {f"{method} {rule}": view.rule for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    return found


def for_staff(console: Console) -> list[str]:
    return [row for row, rule in routes(console).items() if rule.roles is not None]


def filled(rule: str) -> str:
    """Fill the rule with ids that belong to nothing."""
    return re.sub(r"<[^>]+>", NOBODY, rule)


def test_every_address_has_a_row_and_every_row_an_address(console: Console) -> None:
    there = routes(console)
    assert set(there) == set(ROWS) | set(OPEN) | set(SYSTEMS)
    assert {row: rule.roles for row, rule in there.items() if rule.roles is not None} == {
        row: frozenset(roles) for row, roles in ROWS.items()
    }
    assert {row for row, rule in there.items() if rule.exempt} == {"GET /static/<name>", *SYSTEMS}


def undeclared() -> Response:
    return Response("planted")


def route_without_a_rule(app: Flask | Blueprint) -> None:
    app.get("/planted")(undeclared)


def rule_above_its_route(app: Flask | Blueprint) -> None:
    requires("lead")(app.get("/planted")(undeclared))


@pytest.mark.parametrize("plant", [route_without_a_rule, rule_above_its_route])
def test_a_view_without_a_rule_refuses_to_start(
    made: StackPlan, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Blueprint], None]
) -> None:
    planted = Blueprint("planted", __name__)
    plant(planted)
    monkeypatch.setattr(console_app, "PAGES", (*console_app.PAGES, planted))
    with pytest.raises(UndeclaredAccess, match=r"planted\.undeclared declares no access rule"):
        Console({**made.settings, "COUNTRIES": "vu"})


@pytest.mark.parametrize("plant", [route_without_a_rule, rule_above_its_route])
def test_a_view_without_a_rule_that_is_added_later_is_never_called(
    console: Console, plant: Callable[[Flask], None]
) -> None:
    plant(console.flask)
    page = Person(console.flask, console.parts.database, "stranger").get("/planted")
    assert page.status == 500 and "planted" not in page.html


@pytest.mark.rule("A-20")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_every_method_that_may_change_something_needs_a_token(console: Console, method: str) -> None:
    console.flask.route("/planted", methods=[method])(requires(*ROLES)(lambda me: Response("planted")))
    lead = joined(console.flask, console.parts.database, "lead", "lead")
    lead.log_in()
    token = lead.get("/me").token
    for form, status in (({}, 400), ({"token": token}, 200)):
        assert lead.client.open("/planted", method=method, data=form, base_url=HERE).status_code == status


def test_a_view_whose_rule_names_no_role_is_nobodys() -> None:
    assert requires()(lambda me: Response()).rule.roles == frozenset()


@pytest.mark.rule("A-27")
def test_without_a_login_every_page_leads_to_it(console: Console) -> None:
    stranger = Person(console.flask, console.parts.database, "stranger")
    for row in routes(console):
        page = asked_blind(stranger, row)
        if row in ROWS:
            assert (page.status, page.leads_to) == (303, "/login"), row
        else:
            assert row in OPEN or row in SYSTEMS
            assert page.leads_to != "/login" and page.status in (200, 303, 400, 401, 404), row


@pytest.mark.rule("A-35")
@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_not_is_as_if_it_were_not_there(
    console: Console, people: Mapping[str, Person], role: str
) -> None:
    one = people[role]
    nowhere = one.get("/nowhere/at/all")
    assert nowhere.status == 404
    for row in for_staff(console):
        if role in ROWS[row]:
            continue
        page = asked(one, row)
        assert (page.status, page.html) == (404, nowhere.html), row


@pytest.mark.rule("A-35")
@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_answers(console: Console, people: Mapping[str, Person], role: str) -> None:
    for row in for_staff(console):
        if role not in ROWS[row] or "<" in row or row in ("POST /logout", "POST /me/end-all", "POST /lock"):
            continue
        page = asked(people[role], row)
        assert page.status in (200, 204, 303, 400, 403), row
        assert page.leads_to not in ("/login", "/locked"), row


@pytest.mark.rule("A-34")
def test_what_is_sensitive_is_behind_a_re_check(console: Console) -> None:
    fresh = {row for row, rule in routes(console).items() if rule.fresh}
    own = ("POST /me/password", "POST /me/passkeys", "POST /replies/<reply_id>/sign")
    assert {row for row in ROWS if re.search("/people|export|referral", row) or row.startswith(own)} == fresh


def asked(one: Person, row: str) -> Page:
    method, _, rule = row.partition(" ")
    return one.get(filled(rule)) if method == "GET" else one.post(filled(rule), at="/me")


@pytest.mark.rule("A-20")
def test_a_form_without_its_token_or_from_elsewhere_does_nothing(
    console: Console, people: Mapping[str, Person]
) -> None:
    lead, staff = people["lead"], people["staff"]
    for row in routes(console):
        if not row.startswith("POST") or row in SYSTEMS:
            continue
        path = filled(row.removeprefix("POST "))
        own, others = lead.get("/me").token, staff.get("/me").token
        for form, headers in refused_ways(own, others):
            assert lead.post(path, form, **headers).status == 400, (row, form, headers)
    assert lead.get("/").status == 200, "nobody was logged out by any of it"


def refused_ways(own: str, others: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    yield {}, {}
    yield {"token": ""}, {}
    yield {"token": others}, {}
    yield {"token": own[:-1]}, {}
    yield {"token": own}, {"Sec_Fetch_Site": "cross-site"}
    yield {"token": own}, {"Sec_Fetch_Site": "same-site"}
    yield {"token": own}, {"Sec_Fetch_Site": "none"}
    yield {"token": own}, {"Origin": "https://elsewhere.example"}
    yield {"token": own}, {"Sec_Fetch_Site": "cross-site", "Origin": "null"}
    yield {"token": "0" * 64}, {"Origin": "null"}


@pytest.mark.rule("A-20")
def test_from_our_own_page_it_is_taken(people: Mapping[str, Person]) -> None:
    own = people["staff"].get("/me").token
    for headers in ({"Sec_Fetch_Site": "same-origin"}, {"Origin": "https://desk.example"}, {"Origin": "null"}, {}):
        assert people["staff"].post("/alive", {"token": own}, **headers).status == 204


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"token=%s&token=%s", "application/x-www-form-urlencoded"),
        (b"token=%s&name=%%ff", "application/x-www-form-urlencoded"),
        (b"token=%s&name=\xff", "application/x-www-form-urlencoded"),
        (b"token=%s&name=a%%00b", "application/x-www-form-urlencoded"),
        (b"token=%s" + b"&a=1" * 200, "application/x-www-form-urlencoded"),
        (b'{"token": "%s"}', "application/json"),
        (b"token=%s", "text/plain"),
    ],
)
def test_what_is_no_form_of_ours_does_nothing(people: Mapping[str, Person], body: bytes, kind: str) -> None:
    token = people["staff"].get("/me").token.encode()
    sent = body.replace(b"%s", token).replace(b"%%", b"%")
    answer = people["staff"].client.post("/alive", data=sent, content_type=kind, base_url="https://desk.example")
    assert answer.status_code == 400


@pytest.mark.rule("A-20")
def test_a_get_changes_nothing(console: Console, people: Mapping[str, Person]) -> None:
    def state() -> list[object]:
        with console.parts.database.read() as connection:
            return [list(connection.execute(select(table))) for table in t.metadata.sorted_tables]

    before = state()
    for one in people.values():
        for row in routes(console):
            if row.startswith("GET") and row not in READING:
                one.get(filled(row.removeprefix("GET ")))
    assert state() == before


# Reading these is written to the audit.
READING = ("GET /reports/<report_id>", "GET /reports/<report_id>/export", "GET /reports/<report_id>/referral")
READING += ("GET /reports/<report_id>/recordings/<recording_id>",)


@pytest.mark.rule("A-16")
@pytest.mark.rule("A-17")
@pytest.mark.rule("A-18")
@pytest.mark.rule("A-19")
@pytest.mark.rule("A-44")
def test_every_page_has_all_headers(console: Console, people: Mapping[str, Person]) -> None:
    for row in routes(console):
        if not row.startswith("GET") or row in SYSTEMS:
            continue
        page = people["lead"].get(filled(row.removeprefix("GET ")).replace(f"static/{NOBODY}", "static/console.js"))
        assert {name: page.headers.get(name) for name in HEADERS} == HEADERS, row
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, row
        assert not re.search(r"unsafe|\*|https?:|data:", policy), row
        assert "charset=utf-8" in page.headers["Content-Type"], row
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|<style|javascript:", page.html), row


@pytest.mark.rule("A-47")
def test_a_failure_inside_says_nothing_and_does_nothing(
    console: Console, people: Mapping[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret sentence")

    def away(*_: object) -> None:
        raise DatabaseUnavailable("OperationalError")

    console.flask.config["PROPAGATE_EXCEPTIONS"] = False
    for failing, status in ((broken, 500), (away, 503)):
        monkeypatch.setattr(staff_sessions, "find", failing)
        for row in for_staff(console):
            page = asked_blind(people["lead"], row)
            assert page.status == status, row
            assert "secret" not in page.html and "Traceback" not in page.html, row
        named = "the database does not answer" in people["operator"].get("/operator").text
        assert named == (status == 503)


def asked_blind(one: Person, row: str) -> Page:
    method, _, rule = row.partition(" ")
    return one.get(filled(rule)) if method == "GET" else one.post(filled(rule))


def test_time_goes_on(console: Console, people: Mapping[str, Person]) -> None:
    pass_time(console.parts.database, 16 * 60)
    for row in for_staff(console):
        page = asked_blind(people["lead"], row)
        assert page.leads_to.partition("?")[0] == "/locked" or page.status == 400, row
