"""Every answer of web: its headers, what it reveals to strangers, and its text after an internal error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.webhooks import HOOKS
from reports.store.schema import tables as t
from tests.contracts.documents import as_path, entries
from tests.support.app import App, ReceivedResponse

pytestmark = pytest.mark.slow

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
FORM = {"sessionId": "ATUid_1", "phoneNumber": "+6785550101", "from": "+6785550101", "to": "163", "id": "x1"}
DOORS = ("ussd", "sms", "ussd-end", "delivery", "optout", "missed-call")


def paths(app: App) -> list[str]:
    token = app.plan.secrets.africastalking
    right = [f"/hooks/africastalking/{token}/{door}" for door in DOORS]
    wrong = ["/", "/nosuch", "/hooks", "/hooks/", "/hooks/nosuch", f"/hooks/africastalking/{token}x/ussd", "/healthz/"]
    return [
        "/healthz",
        "/readyz",
        "/metrics",
        "/hooks/simulator",
        f"/hooks/ussd/{app.plan.secrets.ussd}",
        *right,
        *wrong,
    ]


def every_answer(app: App) -> Iterator[tuple[str, ReceivedResponse]]:
    for path in paths(app):
        for method in METHODS:
            yield f"{method} {path}", app.http.send(method, path)
        yield f"too large {path}", app.http.send("POST", path, b"x" * 262_145)
        yield f"unreadable {path}", app.http.send("POST", path, b"\xff{", {"Content-Encoding": "gzip"})
        yield f"a form {path}", app.http.post(path, {**FORM, "text": ""})


@pytest.mark.rule("A-16")
@pytest.mark.rule("A-17")
@pytest.mark.rule("A-18")
@pytest.mark.rule("A-19")
@pytest.mark.rule("A-44")
def test_every_answer_has_all_headers_and_names_no_program(app: App) -> None:
    seen = set()
    for what, answer in every_answer(app):
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, what
        assert not {"Server", "X-Powered-By", "Set-Cookie", "Location"} & set(answer.headers.keys()), what
        assert b"<" not in answer.content.replace(b"# ", b"") or answer.status_code == 200, what
        seen.add(answer.status_code)
    assert seen == {200, 404, 405, 413}


@pytest.mark.rule("A-21")
def test_web_knows_these_addresses_and_no_other(app: App) -> None:
    rules = {str(rule) for rule in app.flask.url_map.iter_rules()}
    of_the_demo = {"/", "/phone", "/phone/<name>"}  # "/" answers this machine only, outside live mode
    webhooks = {
        "africastalking": [f"<token>/{door}" for door in DOORS],
        "kannel": ["<token>/ussd", "<token>/sms", "<token>/dlr"],
        "africastalking_voice": ["<token>/call", "<token>/keys"],
        "twilio": ["sms", "status", "missed-call"],
        "twilio_voice": ["call", "keys", "status", "recording"],
        "ussd": ["<token>"],
    }
    hooks = {f"{HOOKS}{channel}/{rest}" for channel, found in webhooks.items() for rest in found}
    assert rules == {"/healthz", "/metrics", "/readyz", f"{HOOKS}simulator", *hooks, *of_the_demo}
    there = {
        f"{method} {as_path(str(rule))}"
        for rule in app.flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if str(rule) not in of_the_demo
    }
    documented = entries("web") - {"GET /prompts/{language}/{file}"}  # only with TOKAUT_PROMPTS
    assert documented == there, "docs/contracts/web.openapi.yaml has them all"


@pytest.mark.rule("A-20")
def test_a_get_changes_nothing(app: App) -> None:
    before = [app.rows(table) for table in t.metadata.sorted_tables if table.name != "lease"]
    for path in paths(app):
        app.http.send("GET", f"{path}?text=1&sessionId=ATUid_1&phoneNumber=%2B6785550101")
    assert [app.rows(table) for table in t.metadata.sorted_tables if table.name != "lease"] == before


FORWARDED = (
    {"X-Forwarded-For": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
    {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Proto": "https"},
)


@pytest.mark.rule("A-22")
@pytest.mark.rule("A-43")
@pytest.mark.parametrize("headers", FORWARDED, ids=" ".join)
@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/hooks/simulator"])
def test_what_is_for_this_machine_is_not_there_for_who_came_by_a_proxy(
    app: App, path: str, headers: dict[str, str]
) -> None:
    method = "POST" if path.startswith("/hooks") else "GET"
    body = b'{"session": "1", "phone": "+6785550101", "event": "new"}'
    assert app.http.send(method, path, body).status_code == 200
    unknown = app.http.send(method, "/nosuch", body, headers)
    assert app.http.send(method, path, body, headers) == unknown
    far = {"REMOTE_ADDR": "11.0.0.9"}
    answer = app.http.client.open(path, method=method, data=body, environ_overrides=far)
    assert (answer.status_code, answer.data) == (unknown.status_code, unknown.content)


@pytest.mark.rule("A-22")
def test_forged_headers_change_no_answer(app: App) -> None:
    token = app.plan.secrets.africastalking
    path = f"/hooks/africastalking/{token}/ussd"
    plain = app.http.post(path, {**FORM, "text": ""})
    forged = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "elsewhere.example",
        "X-Forwarded-Prefix": "/elsewhere",
        "X-HTTP-Method-Override": "DELETE",
        "X-Original-URL": "/metrics",
        "Host": "elsewhere.example",
    }
    assert app.http.post(path, {**FORM, "text": "", "sessionId": "ATUid_2"}, headers=forged) == plain


@pytest.mark.rule("A-43")
def test_there_is_no_debugger_and_no_console(app: App) -> None:
    flags = ("DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS", "TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS")
    assert not any(app.flask.config[flag] for flag in flags)
    for query in ("?__debugger__=yes&cmd=resource&f=style.css", "?debug=1"):
        assert app.http.send("GET", f"/console{query}").status_code == 404
    assert app.flask.secret_key is None and not app.flask.has_static_folder


def boom(*_: Any, **__: Any) -> Any:
    raise RuntimeError("Lukaotem was here")


@pytest.mark.rule("A-47")
@pytest.mark.rule("X-23")
@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("dispatcher", "take"),
        ("dispatcher", "note"),
        ("dispatcher", "country"),
        ("dispatcher", "not_working"),
        ("dispatcher", "store_unparsed"),
        ("health", "ready"),
        ("health", "metrics"),
        ("webhooks", "_find"),
        ("webhooks", "_take"),
        ("sessions", "load"),
        ("sessions", "save"),
        ("database", "read"),
        ("database", "write"),
    ],
)
def test_a_fault_inside_says_nothing_and_does_nothing(
    app: App, part: str, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All errors have the same plain page; USSD shows the numbers if possible; an SMS is refused, to be sent again."""
    before = app.count(t.report), app.count(t.pending)
    monkeypatch.setattr(getattr(app.parts, part), name, boom)
    if part == "desk" and name == "not_working":  # it is called only after another failure
        monkeypatch.setattr(app.parts.dispatcher, "take", boom)
    for path in paths(app):
        for answer in (app.http.send("GET", path), app.http.post(path, {**FORM, "text": ""})):
            assert {header: answer.headers.get(header) for header in HEADERS} == HEADERS
            assert b"Lukaotem" not in answer.content and b"RuntimeError" not in answer.content
            if answer.status_code == 500:
                assert (answer.content, answer.headers["Content-Type"]) == (b"Failed\n", "text/plain; charset=utf-8")
            else:
                assert answer.status_code in (200, 404, 405, 503)
                assert b"<html" not in answer.content
    monkeypatch.undo()
    assert (app.count(t.report), app.count(t.pending)) == before
    assert "Lukaotem" not in "".join(capfd.readouterr())
    assert app.ussd("+6785550102").dial().text.startswith("In danger? Call police 111.")


@pytest.mark.rule("A-47")
@pytest.mark.rule("S-01")
def test_a_caller_sees_the_numbers_whatever_fails_inside(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.parts.dispatcher, "take", boom)
    for channel in ("africastalking", "ussd", "simulator"):
        seen = app.ussd("+6785550101", channel).dial()
        assert not seen.expects_reply
        assert "police 111" in seen.text and "163" in seen.text
