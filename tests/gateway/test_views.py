"""The webhooks behave the same as Flask's routes and in the ASGI application."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import urlencode

import pytest

from gateway.metrics import COUNTED
from gateway.views import HEADERS
from gateway.webhooks import arrived_at
from tests.support.app import App, ReceivedResponse
from tests.support.asgi import AsgiHttp
from tests.support.twilio import Account

pytestmark = pytest.mark.slow

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "NOSUCH")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DIALS = {"session": "one", "phone": "+6785550101", "service_code": "*111*163#", "event": "new", "text": "", "turn": 1}
TEXTS = {"AccountSid": "", "From": "+6785550101", "To": "163", "Body": "STOP", "MessageSid": f"SM{1:032x}"}
TOO_LARGE = b"x" * (256 * 1024 + 1)
TOO_LARGE_FOR_TWILIO = b"x" * (32 * 1024 + 1)


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


@dataclass(frozen=True)
class SampleRequest:
    """One request, and the expected status."""

    name: str
    status: int
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()


def requests(app: App) -> Iterator[SampleRequest]:
    secrets = app.plan.secrets
    ussd, at = f"/hooks/ussd/{secrets.ussd}", f"/hooks/africastalking/{secrets.africastalking}"
    dials = json.dumps(DIALS).encode()
    path = {"sessionId": "ATUid_1", "phoneNumber": "+6785550102", "serviceCode": "*111*163#", "text": ""}
    yield SampleRequest("a dial", 200, "POST", ussd, dials)
    yield SampleRequest("a dial over Africa's Talking", 200, "POST", f"{at}/ussd", urlencode(path).encode(), FORM)
    yield SampleRequest("a percent-encoded address", 200, "POST", f"/hooks/%75ssd/{secrets.ussd}?x=%3F&y", dials)
    yield SampleRequest("in pieces", 200, "POST", ussd, pieces=(dials[:10], dials[10:], b""))
    yield SampleRequest("for this machine alone", 200, "POST", "/hooks/simulator", dials)
    yield SampleRequest("by a proxy", 404, "POST", "/hooks/simulator", dials, {"X-Forwarded-For": "127.0.0.1"})
    yield SampleRequest("nobody can read it", 200, "POST", ussd, b"\xff{")
    yield SampleRequest("an SMS that nobody can read", 200, "POST", f"{at}/sms", b"\xff{", FORM)
    yield SampleRequest("a notice that nobody can read", 200, "POST", f"{at}/delivery", b"\xff{", FORM)
    yield from refusals(app)


def refusals(app: App) -> Iterator[SampleRequest]:
    secrets = app.plan.secrets
    ussd, at = f"/hooks/ussd/{secrets.ussd}", f"/hooks/africastalking/{secrets.africastalking}"
    unknown = ("/hooks/nosuch", "/hooks//ussd", "/hooks/ussd", f"{ussd}/", f"{ussd}/more", f"{at}/nosuch", at)
    for path in (*unknown, f"{ussd}x", f"/hooks/ussd/{secrets.ussd[:-1]}", "/hooks/", "/hooks/%00", "/hooks/%ff"):
        for method in METHODS:
            yield SampleRequest(f"unknown {method} {path}", 404, method, path, b"x")
    yield SampleRequest("a wrong token and too large", 404, "POST", f"{ussd}x", TOO_LARGE)
    for method in set(METHODS) - {"POST"}:
        yield SampleRequest(f"another method {method}", 405, method, ussd)
    yield SampleRequest("another method and too large", 405, "PUT", ussd, TOO_LARGE)
    yield SampleRequest("as large as may be", 200, "POST", ussd, TOO_LARGE[1:])
    yield SampleRequest("too large", 413, "POST", ussd, TOO_LARGE)
    yield SampleRequest("too large in pieces", 413, "POST", ussd, pieces=(TOO_LARGE[1:], b"x", b""))
    yield SampleRequest("too large, in pieces, without an end", 413, "POST", ussd, pieces=(TOO_LARGE, *[b"x"] * 9))
    yield from of_twilio(app)


def of_twilio(app: App) -> Iterator[SampleRequest]:
    account = Account(app.plan.secrets.twilio_account, app.plan.secrets.twilio)
    said = {**TEXTS, "AccountSid": account.sid}
    body, url = urlencode(said).encode(), f"{app.plan.settings['PUBLIC_URL']}/hooks/twilio/sms"
    signed = {**FORM, "X-Twilio-Signature": account.sign(url, said)}
    forged = {**FORM, "X-Twilio-Signature": account.sign(url, {**said, "Body": "START"})}
    yield SampleRequest("signed", 200, "POST", "/hooks/twilio/sms", body, signed)
    yield SampleRequest("signed for another address", 403, "POST", "/hooks/twilio/sms?x=1", body, signed)
    yield SampleRequest("a forged signature", 403, "POST", "/hooks/twilio/sms", body, forged)
    yield SampleRequest("no signature", 403, "POST", "/hooks/twilio/sms", body, FORM)
    yield SampleRequest("no signature and too large", 403, "POST", "/hooks/twilio/sms", TOO_LARGE, FORM)
    yield SampleRequest("too large for Twilio", 413, "POST", "/hooks/twilio/sms", TOO_LARGE_FOR_TWILIO, forged)
    yield SampleRequest("another method of Twilio", 405, "GET", "/hooks/twilio/sms")


def by_flask(app: App, asked: SampleRequest) -> ReceivedResponse:
    if not asked.pieces:
        return app.http.send(asked.method, asked.path, asked.body, asked.headers)
    answer = app.http.client.open(
        asked.path,
        method=asked.method,
        input_stream=BytesIO(b"".join(asked.pieces)),
        headers={**asked.headers, "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},  # set by a server that decodes chunks
    )
    return ReceivedResponse(answer.status_code, answer.data, answer.headers)


def by_asgi(http: AsgiHttp, asked: SampleRequest) -> ReceivedResponse:
    return http.send(asked.method, asked.path, asked.body, asked.headers, asked.pieces)


def seen(said: ReceivedResponse, method: str) -> tuple[int, str, bytes, dict[str, str]]:
    """Return status, type, body and common headers of a response. For HEAD the server omits the body."""
    body = b"" if method == "HEAD" else said.content
    assert (said.status_code == 405) == ("Allow" in said.headers)
    return said.status_code, said.headers["Content-Type"], body, {name: said.headers[name] for name in HEADERS}


def test_another_method_is_told_which_are_allowed(app: App) -> None:
    """RFC 9110, 15.5.6; outside the webhooks too."""
    secrets = app.plan.secrets
    allowed = {
        f"/hooks/ussd/{secrets.ussd}": "POST",
        f"/hooks/kannel/{secrets.kannel}/sms": "GET, POST",
        "/healthz": "GET, HEAD, OPTIONS",
    }
    for path, methods in allowed.items():
        said = app.http.send("DELETE", path)
        assert (said.status_code, said.headers.get("Allow")) == (405, methods)


def counted(app: App) -> Counter[str]:
    return Counter({name: int(app.parts.metrics._counters[name]._value.get()) for name in COUNTED})


def test_every_request_gets_the_same_answer_by_both_ways(app: App) -> None:
    different = {}
    with AsgiHttp(app) as http:
        for asked in requests(app):
            flask, asgi = (seen(one, asked.method) for one in (by_flask(app, asked), by_asgi(http, asked)))
            if flask != asgi or flask[0] != asked.status or flask[3] != dict(HEADERS):
                different[asked.name] = flask, asgi
    assert different == {}


def test_delivery_reports_are_counted_by_channel_and_outcome(app: App) -> None:
    """From 0, so that an alert rule sees the first one."""
    first_page = app.parts.metrics.page().decode()
    assert 'tokaut_sms_delivery_reports_total{channel="africastalking",outcome="failed"} 0' in first_page
    path = f"/hooks/africastalking/{app.plan.secrets.africastalking}/delivery"
    for status in ("Success", "Failed", "Expired", "Other"):
        app.http.send("POST", path, urlencode({"id": "ATXid_1", "status": status}).encode(), FORM)
    page = app.parts.metrics.page().decode()
    counts = re.findall(r'tokaut_sms_delivery_reports_total\{channel="africastalking",outcome="(\w+)"\} (\d)', page)
    assert dict(counts) == {"delivered": "1", "failed": "2", "unknown": "1"}


def test_every_refusal_is_counted_by_both_ways(app: App) -> None:
    with AsgiHttp(app) as http:
        for asked in refusals(app):  # so that each has been answered once before
            by_asgi(http, asked)
    before = counted(app)
    for asked in refusals(app):
        by_flask(app, asked)
    flask = counted(app) - before
    before = counted(app)
    with AsgiHttp(app) as http:
        for asked in refusals(app):
            by_asgi(http, asked)
    assert counted(app) - before == flask
    assert flask["requests_unauthenticated"] > 11 * len(METHODS)
    assert flask["requests_too_large"] == 4


@pytest.mark.rule("A-22")
def test_what_is_for_this_machine_is_not_there_for_others(app: App) -> None:
    body = json.dumps(DIALS).encode()
    far = app.http.client.open(
        "/hooks/simulator", method="POST", data=body, environ_overrides={"REMOTE_ADDR": "11.0.0.9"}
    )
    with AsgiHttp(app, client="11.0.0.9") as http:
        answer = http.send("POST", "/hooks/simulator", body)
    assert (far.status_code, far.data) == (answer.status_code, answer.content) == (404, b"Not found\n")


@pytest.mark.parametrize(
    ("client", "waited", "late"),
    [
        ("127.0.0.1", "t={}", True),
        ("127.0.0.1", "{}", False),
        ("127.0.0.1", "t=noon", False),
        ("11.0.0.9", "t={}", False),  # anybody could make this process look late
    ],
)
def test_the_time_in_a_proxy_of_this_machine_counts(app: App, client: str, waited: str, late: bool) -> None:
    path, body = f"/hooks/ussd/{app.plan.secrets.ussd}", json.dumps(DIALS).encode()
    headers = {"X-Request-Start": waited.format(f"{time.time() - 20:.3f}")}
    before = counted(app)
    app.http.client.open(
        path, method="POST", data=body, headers=headers, environ_overrides={"REMOTE_ADDR": client}
    ).close()
    flask = counted(app) - before
    with AsgiHttp(app, client=client) as http:
        http.send("POST", path, body, headers)
    assert flask["answers_over_5s"] == late
    assert (counted(app) - before)["answers_over_5s"] == 2 * late


@pytest.mark.parametrize("seconds", [-10, 90])
def test_a_wait_that_cannot_be_is_a_changed_clock(seconds: int) -> None:
    now, header = time.monotonic(), f"t={time.time() - seconds}"
    assert now <= arrived_at({"x-request-start": header}, "") <= time.monotonic()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/nosuch", "/hooks", "/phone"])
def test_all_other_addresses_are_flasks(app: App, path: str) -> None:
    with AsgiHttp(app) as http:
        asgi, flask = (one.send("GET", path) for one in (http, app.http))
    assert (asgi.status_code, asgi.headers["Content-Type"]) == (flask.status_code, flask.headers["Content-Type"])
    assert asgi.content == flask.content or path in ("/metrics", "/readyz")
    assert {name: asgi.headers[name] for name in HEADERS} == {name: flask.headers[name] for name in HEADERS}


def test_flask_lists_every_webhook_of_every_channel(app: App) -> None:
    command = [sys.executable, "-m", "flask", "--app", "gateway.app", "routes"]
    environment = {**os.environ, **app.plan.settings}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[-1] for line in told.splitlines() if line}
    webhooks = [
        f"/hooks/{channel.name}{'/<token>' if channel.token else ''}{f'/{name}' if name else ''}"
        for channel in app.parts.webhooks.channels.values()
        for name in channel.endpoints
    ]
    assert set(app.parts.webhooks.channels) == {
        "africastalking",
        "africastalking_voice",
        "kannel",
        "simulator",
        "twilio",
        "twilio_voice",
        "ussd",
    }
    assert set(webhooks) <= listed
    assert len(webhooks) == len(set(webhooks)) == 20


def test_a_call_that_waits_on_the_event_loop_is_counted_in_production(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In tests a blocking call raises; in production it is counted and logged, and the reporter gets a reply."""
    monkeypatch.setattr("runtime.event_loop_guard._on_violation", [app.parts.metrics.loop_blocked])
    take = app.parts.dispatcher.take

    async def waits(*given: object) -> object:
        with app.database.read():
            return await take(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(app.parts.dispatcher, "take", waits)
    assert app.ussd("+6785550101").dial().expects_reply
    assert counted(app)["event_loop_blocked"] == 1
    assert b"tokaut_event_loop_blocked_total 1.0" in app.http.send("GET", "/metrics").content
