"""Attacks from the internet, over loopback and limited in number and time: reporters and staff must not notice.

Each prints a row of a table. `make faults PART=attacks` runs them all.
"""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from reports.store.engine.database import Database
from runtime.settings import ConsoleSettings, load_all_settings
from tests.deploy.conftest import ProxiedInstallation
from tests.deploy.console_proxy import HOTLINE, ConsoleInstallation
from tests.deploy.proxy import nginx
from tests.faults.conversations import TO_SEND, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.load_probe import WITHIN, Latencies, Memory, flood, hostile_connections, print_row, probe
from tests.support.hotline_clients import HotlineClient, store_report
from tests.support.logged_in import logged_in

pytestmark = [pytest.mark.slow, pytest.mark.faults]

CONNECTIONS = 4000
DIALS, A_SECOND = 200, 10
DURATION = 45.0  # seconds of the attack: enough to open all connections and to dial
MAX_ANSWER_SECONDS = 2.0  # seconds
SHARE = 0.99
MAX_MEMORY = 600  # MB, of web's processes and nginx's together
FROM = "127.0.0.9"
SHAPED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="  # a value of a signature's form
NUMBERS = itertools.count(1)


def dial(token: str) -> bytes:
    number = next(NUMBERS)
    who = {
        "sessionId": f"ATUid_a{number}",
        "phoneNumber": f"+67877{number:05d}",
        "serviceCode": "*111*163#",
        "text": "",
    }
    body = urlencode(who).encode()
    lines = [f"POST /hooks/africastalking/{token}/ussd HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def until_closed(line: socket.socket) -> bytes:
    answer = b""
    while more := line.recv(65536):
        answer += more
    return answer


@pytest.fixture
def proxied() -> Iterator[ProxiedInstallation]:
    nginx()
    place = ProxiedInstallation(processes=2)
    yield place
    place.down()


def test_4000_hostile_connections_through_nginx(proxied: ProxiedInstallation) -> None:
    token = proxied.installation.token("africastalking")

    def caller(_: int) -> None:
        with proxied.proxy.connect(FROM, WITHIN) as line:
            line.sendall(dial(token))
            assert b"CON " in until_closed(line)

    caller(0)
    pids = [*proxied.proxy.workers(), *proxied.web_workers()]
    with Memory(pids) as memory, hostile_connections(proxied.proxy.port, DURATION, CONNECTIONS, tls=True) as seen:
        latencies = probe(caller, DIALS, A_SECOND)
    print_row("4,000 connections, nginx", latencies, MAX_ANSWER_SECONDS, memory, **seen)
    assert seen["opened"] > CONNECTIONS and seen["most_held"] > CONNECTIONS / 2, "the attack was too weak"
    assert latencies.within(MAX_ANSWER_SECONDS) >= SHARE, latencies.failures[:5]
    assert memory.most < MAX_MEMORY


def test_4000_hostile_connections_to_web_itself(installation_of_two_hosts: FaultyInstallation) -> None:
    token, port = installation_of_two_hosts.token("africastalking"), urlsplit(installation_of_two_hosts.web).port or 0

    def caller(_: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=WITHIN, source_address=(FROM, 0)) as line:
            line.sendall(dial(token))
            assert b"CON " in until_closed(line)

    caller(0)
    with (
        Memory(installation_of_two_hosts.web_workers()) as memory,
        hostile_connections(port, DURATION, CONNECTIONS, tls=False) as seen,
    ):
        latencies = probe(caller, DIALS, A_SECOND)
    print_row("4,000 connections, web", latencies, MAX_ANSWER_SECONDS, memory, **seen)
    assert seen["opened"] > CONNECTIONS, "the attack was too weak"
    assert latencies.within(MAX_ANSWER_SECONDS) >= SHARE, latencies.failures[:5]
    assert memory.most < MAX_MEMORY


FORGERIES, FORGERS, FORGED_A_SECOND = 450, 120, 15  # 31 Mbit/s of bodies that are 256 kB each
SENDS = 60
MAX_FOR_SEND = 1.0  # second


@pytest.mark.parametrize(
    ("size", "headers"),
    [
        pytest.param(262_144, {}, id="no signature"),
        pytest.param(262_144, {"X-Twilio-Signature": SHAPED}, id="a forged signature"),
        pytest.param(32_000, {"X-Twilio-Signature": SHAPED}, id="as large as Twilio may"),
    ],
)
def test_forged_twilio_requests_hold_up_no_send(
    installation_of_two_hosts: FaultyInstallation, size: int, headers: dict[str, str]
) -> None:
    url = f"{installation_of_two_hosts.web}/hooks/twilio/sms"
    body = b"Body=" + b"%" * (size - 5)
    phones = [installation_of_two_hosts.ussd_phone("africastalking", f"+67875{n:05d}") for n in range(SENDS)]
    for phone in phones:
        assert walk(phone, TO_SEND).text.startswith("Send to Pikinini Helpline")

    def forge(_: int) -> None:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert requests.post(url, data=body, headers=kind | headers, timeout=WITHIN).status_code in (403, 413, 503)

    def send(number: int) -> None:
        assert phones[number].type("1").text.startswith("Sent to Pikinini Helpline.")

    with (
        Memory(installation_of_two_hosts.web_workers()) as memory,
        flood(forge, FORGERIES, FORGED_A_SECOND, FORGERS) as flooded,
    ):
        latencies = probe(send, SENDS, 2)
    print_row(f"forged Twilio requests of {size // 1000} kB", latencies, MAX_FOR_SEND, memory, forged=flooded.count)
    assert latencies.failures == []
    assert latencies.slowest(SHARE) <= MAX_FOR_SEND


LOGINS, QUESTIONS, QUESTIONS_A_SECOND = 240, 60, 6
MAX_FOR_STAFF = 1.0  # second


@pytest.fixture
def desk() -> Iterator[ConsoleInstallation]:
    nginx()
    desk = ConsoleInstallation().up()
    yield desk
    desk.down()


@pytest.mark.parametrize("addresses", [4, 40])
def test_a_flood_of_wrong_logins_holds_up_nobody_else(desk: ConsoleInstallation, addresses: int) -> None:
    """Through nginx, from 4 or 40 addresses: 24 logins a second, at most 80 at once, with one page's token."""
    database = Database(load_all_settings((ConsoleSettings,), desk.plan.settings)[ConsoleSettings].database_url)
    session = logged_in(database, "mere")
    report_id = store_report(database, desk.plan.folder.inside / "keys", [(HOTLINE, "primary")])
    caller = HotlineClient(HOTLINE, desk.plan.secrets.hotlines[HOTLINE], requests, f"http://127.0.0.1:{desk.port}")
    form = desk.get("/login")
    cookie = re.findall(rb"Set-Cookie: ([^;]+);", form)[0].decode()
    token = re.findall(rb'name="token" value="([0-9a-f]+)"', form)[0].decode()

    def log_in(number: int) -> None:
        body = urlencode({"token": token, "name": f"nobody{number}", "password": "x" * 20, "code": "000000"}).encode()
        lines = ["POST /login HTTP/1.1", f"Host: {desk.proxy.name}", f"Origin: https://{desk.proxy.name}"]
        lines += [f"Cookie: {cookie}", "Connection: close", "Content-Type: application/x-www-form-urlencoded"]
        with desk.proxy.connect(f"127.0.1.{1 + number % addresses}", 60) as line:
            line.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
            assert until_closed(line).split(b" ")[1] in (b"403", b"429", b"503")

    def health(_: int) -> None:
        assert desk.get("/healthz").endswith(b"ok\n")

    def page(_: int) -> None:
        assert desk.get("/", f"Cookie: __Host-tokaut={session}").split(b" ")[1] == b"200"

    def call_back(_: int) -> None:
        assert caller.call(report_id, "accepted").status_code in (200, 409)

    log_in(0)
    questions = {"healthz": health, "a page of staff": page, "a call-back": call_back}
    for question in questions.values():
        question(0)
    latencies: dict[str, Latencies] = {}
    with flood(log_in, LOGINS, 24, 80) as flooded:
        for name, question in questions.items():
            latencies[name] = probe(question, QUESTIONS // 3, QUESTIONS_A_SECOND)
    database.close()
    for name, one in latencies.items():
        print_row(f"logins from {addresses} addresses: {name}", one, MAX_FOR_STAFF, logins=flooded.count)
    for name, one in latencies.items():
        assert one.within(MAX_FOR_STAFF) >= SHARE, (name, one.failures[:2])
