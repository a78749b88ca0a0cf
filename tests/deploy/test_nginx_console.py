"""The shipped nginx file of the console, with the real nginx over TLS and a real console."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator

import pytest

from console.app import MAX_BODY_BYTES
from console.responses import CSP
from reports.store.engine.database import Database
from runtime.settings import ConsoleSettings, load_all_settings
from tests.console.test_access_control import HEADERS
from tests.deploy.console_proxy import HOTLINE, ConsoleInstallation
from tests.deploy.proxy import nginx
from tests.support.hotline_clients import HotlineClient, first_delivery, store_report
from tests.support.wait import until

pytestmark = pytest.mark.slow

FORM = "Content-Type: application/x-www-form-urlencoded"
REPORT = "01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
EVERYWHERE = {name: value for name, value in HEADERS.items() if not name.startswith("Cross-Origin")}


@pytest.fixture(scope="module")
def installation() -> Iterator[ConsoleInstallation]:
    nginx()
    place = ConsoleInstallation().up()
    yield place
    place.down()


def read(answer: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    found = [(line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines]
    return int(status.split()[1]), found, body


@pytest.mark.rule("A-16")
@pytest.mark.rule("A-18")
@pytest.mark.rule("A-19")
@pytest.mark.rule("A-44")
def test_every_answer_has_each_header_once(installation: ConsoleInstallation) -> None:
    """Pages, their files, callbacks, and nginx's own answers."""
    path = f"/hotlines/{HOTLINE}/reports/{REPORT}"
    asked = {
        "page": (installation.get("/login"), 200, CSP),
        "style": (installation.get("/static/console.css"), 200, CSP),
        "elsewhere": (installation.get("/nosuch"), 404, CSP),
        "unsigned": (installation.get(path, "Content-Length: 2", method="POST", body=b"{}"), 401, NOTHING),
        "too large": (installation.get(path, "Content-Length: 65537", method="POST"), 413, NOTHING),
        "two lengths": (installation.get(path, "Content-Length: 1", "Content-Length: 2", method="POST"), 400, NOTHING),
        "long": (installation.get("/" + "a" * 9000), 414, NOTHING),
    }
    for what, (answer, status, policy) in asked.items():
        code, headers, body = read(answer)
        assert code == status, (what, answer[:200])
        for name, value in {**EVERYWHERE, "Content-Security-Policy": policy}.items():
            assert [given_ for called, given_ in headers if called == name] == [value], (what, name)
        assert b"nginx" not in body, what


def test_a_call_back_comes_through_and_acts(installation: ConsoleInstallation) -> None:
    database = Database(load_all_settings((ConsoleSettings,), installation.plan.settings)[ConsoleSettings].database_url)
    report = store_report(
        database, installation.plan.folder.inside / "keys", [(HOTLINE, "primary"), ("vu-police", "fallback")]
    )
    body = json.dumps({"report_id": report, "state": "accepted"}).encode()
    hotline_client = HotlineClient(HOTLINE, installation.plan.secrets.hotlines[HOTLINE], None)
    headers = [f"{name}: {value}" for name, value in hotline_client.headers(body).items()]
    path = f"/hotlines/{HOTLINE}/reports/{report}"
    answer = installation.get(path, *headers, f"Content-Length: {len(body)}", method="POST", body=body)
    assert read(answer)[0] == 200, answer
    assert first_delivery(database, report, HOTLINE).handling == "accepted"
    database.close()


def test_the_largest_form_is_read_and_one_more_byte_is_not(installation: ConsoleInstallation) -> None:
    for size, status in ((MAX_BODY_BYTES, 400), (MAX_BODY_BYTES + 1, 413)):
        body = b"name=" + b"a" * (size - 5)
        answer = installation.get("/login", FORM, f"Content-Length: {size}", method="POST", body=body)
        assert read(answer)[0] == status, size  # 400: without a token it is not one of our forms


@pytest.mark.rule("A-41")
def test_only_over_tls_and_by_its_own_name(installation: ConsoleInstallation) -> None:
    with installation.proxy.connect() as line:
        assert line.version() in ("TLSv1.2", "TLSv1.3")
    installation.proxy.name, own = "elsewhere.example", installation.proxy.name
    try:
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized"):
            installation.proxy.connect()
    finally:
        installation.proxy.name = own


def test_web_is_no_way_to_the_console(installation: ConsoleInstallation) -> None:
    """A-21: under web's name, served by the same nginx, there is no console."""
    text = (installation.folder / "nginx.conf").read_text()
    assert text.count("server_name") == 1 and "http://console" not in text


def test_staff_are_slowed_and_call_backs_are_not(installation: ConsoleInstallation) -> None:
    path = f"/hotlines/{HOTLINE}/reports/{REPORT}"
    calls = {read(installation.get(path, "Content-Length: 2", method="POST", body=b"{}"))[0] for _ in range(90)}
    visits = {200}
    for _ in range(1000):  # the number depends on the speed of this machine
        visits.add(read(installation.get("/static/icon.svg"))[0])
        if 429 in visits:
            break
    assert calls == {401}
    assert visits == {200, 429}


@pytest.mark.rule("X-23")
def test_no_log_names_a_report_a_link_or_a_word(installation: ConsoleInstallation) -> None:
    words = "Lukaotem"
    for path in (f"/reports/{REPORT}?{words}", f"/join/{words}", f"/hotlines/{HOTLINE}/reports/{REPORT}"):
        installation.get(path)
        installation.get(path, "Content-Length: 65537", method="POST")
        installation.get(path + "a" * 9000)
        installation.get(path, f"Referer: https://{words}.example/", f"Cookie: tokaut={words}")
    installation.stop_console()
    try:
        until(lambda: read(installation.get(f"/reports/{REPORT}"))[0] == 502, "nginx answers something else than 502")
    finally:
        installation.start_console()
    until(lambda: " 502 " in installation.proxy.logs(), "the operator learns nothing")
    found = installation.proxy.logs()
    for secret in (REPORT, words, HOTLINE, "reports", "join"):
        assert secret not in found, secret
