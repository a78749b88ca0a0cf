"""The shipped nginx file with the real nginx over TLS: what passes, what is refused, what is logged."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from tests.deploy.conftest import ProxiedInstallation
from tests.deploy.proxy import SHIPPED
from tests.faults.conversations import TO_SEND, is_sent, walk
from tests.security.test_answers import HEADERS
from tests.support.wait import until

pytestmark = pytest.mark.slow

HOME = "In danger? Call police 111."
FORM = "application/x-www-form-urlencoded"


def door(proxied: ProxiedInstallation) -> str:
    return f"/hooks/africastalking/{proxied.installation.token('africastalking')}/ussd"


def dial(text: str = "", phone: str = "+6785550161") -> bytes:
    return urlencode({"sessionId": "ATUid_n1", "phoneNumber": phone, "serviceCode": "*111*163#", "text": text}).encode()


def raw(path: str, *headers: str, body: bytes = b"", version: str = "1.1", end: str = "\r\n") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Connection: close", f"Content-Type: {FORM}"]
    host = [] if any(header.startswith("Host:") for header in headers) else ["Host: localhost"]
    return end.join([*lines, *host, *headers, "", ""]).encode() + body


def test_a_whole_report_over_tls(proxied: ProxiedInstallation) -> None:
    number = "+6785550160"
    phone = proxied.phone(number)
    assert walk(phone, TO_SEND).text.startswith("Send to Pikinini Helpline")
    assert is_sent(phone.type("1"))
    proxied.installation.until_received(lambda lines: len(lines) > 0, "the report never came")


@pytest.mark.rule("A-16")
@pytest.mark.rule("A-18")
@pytest.mark.rule("A-19")
@pytest.mark.rule("A-44")
def test_every_answer_has_each_header_once(proxied: ProxiedInstallation) -> None:
    """Web's answers, nginx's own, and answers to invalid requests."""
    seen = set()
    for request in (
        raw(door(proxied), f"Content-Length: {len(dial())}", body=dial()),
        raw(door(proxied), "Content-Length: 262145"),
        raw(door(proxied), "Content-Length : 3", body=b"abc"),
        raw("/nosuch", "Content-Length: 0"),
        raw("/metrics", "Content-Length: 0"),
        raw(door(proxied) + "x", "Content-Length: 0"),
        raw("/" + "a" * 9000, "Content-Length: 0"),
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ):
        head, _, body = proxied.proxy.ask(request).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        found = [line.split(": ", 1) for line in lines]
        for name, value in HEADERS.items():
            assert [given for called, given in found if called == name] == [value], (status, name)
        assert b"<" not in body and b"nginx" not in body
        seen.add(status.split()[1])
    assert seen == {"200", "400", "404", "405", "413", "414"}


@pytest.mark.rule("A-43")
@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/%6detrics", "//metrics", "/x/../metrics", "/metrics?x=1"])
def test_figures_are_for_this_machine_alone(proxied: ProxiedInstallation, path: str) -> None:
    unknown = ask(proxied, "/nosuch")
    for forged in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Host": "127.0.0.1"}):
        answer = ask(proxied, path, **forged)
        if "Host" not in forged:
            assert as_seen(answer) == as_seen(unknown)
        assert answer.status_code == 404 or b"tokaut_" not in answer.content
    assert b" 200 " in proxied.web.ask("/metrics").split(b"\r\n")[0]


def test_the_monitor_has_an_address_that_this_machine_alone_reaches(proxied: ProxiedInstallation) -> None:
    logged = at_rest(proxied)
    with requests.Session() as http:
        http.trust_env = False
        figures, ready = (http.get(proxied.proxy.monitor + path, timeout=10) for path in ("/metrics", "/readyz"))
        assert (figures.status_code, ready.status_code) == (200, 200)
        assert "\ntokaut_scheduler_tick_timestamp_seconds " in figures.text and "tokaut_spool_entries 0" in figures.text
        for path in ("/", "/healthz", "/metrics/", "/x", door(proxied)):
            answer = http.post(proxied.proxy.monitor + path, data=dial(), timeout=10)
            assert (answer.status_code, answer.text) == (404, "Not found\n"), path
        for header in ("X-Forwarded-For", "Forwarded"):
            answer = http.get(proxied.proxy.monitor + "/metrics", headers={header: "for=198.51.100.7"}, timeout=10)
            assert (answer.status_code, answer.text) == (404, "Not found\n"), "who comes by another proxy"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", proxied.proxy.monitor_port), timeout=10)
    assert at_rest(proxied) == logged, "a scrape each 15 s says nothing"


def at_rest(proxied: ProxiedInstallation) -> str:
    """Return nginx's logs once they no longer grow: it writes a line after each answer."""
    seen, now = "", proxied.proxy.logs()
    while seen != now:
        time.sleep(0.05)
        seen, now = now, proxied.proxy.logs()
    return now


def ask(proxied: ProxiedInstallation, path: str, **headers: str) -> requests.Response:
    """Send a request without normalising the path."""
    with proxied.http() as http:
        request = requests.Request("GET", proxied.proxy.url, headers=headers).prepare()
        request.url = proxied.proxy.url + path
        return http.send(request, allow_redirects=False, timeout=10, verify=http.verify)


def as_seen(answer: requests.Response) -> tuple[int, bytes, dict[str, str]]:
    return answer.status_code, answer.content, {name: v for name, v in answer.headers.items() if name != "Date"}


@pytest.mark.rule("B-01")
def test_a_wrong_secret_is_like_an_unknown_address(proxied: ProxiedInstallation) -> None:
    with proxied.http() as http:
        unknown = as_seen(http.post(f"{proxied.proxy.url}/nosuch", data=dial()))
        wrong = as_seen(http.post(f"{proxied.proxy.url}{door(proxied).replace('/ussd', 'x/ussd')}", data=dial()))
    assert unknown[0] == 404
    assert wrong == unknown


@pytest.mark.rule("A-22")
def test_what_a_stranger_says_of_himself_is_taken_out(proxied: ProxiedInstallation) -> None:
    """The simulator serves this machine only: it would answer any request without the proxy's header."""
    body = json.dumps({"session": "1", "phone": "+6785550101", "event": "new"})
    for forged in ({}, {"X-Forwarded-For": ""}, {"Forwarded": "for=127.0.0.1"}, {"Connection": "X-Forwarded-For"}):
        with proxied.http() as http:
            assert http.post(f"{proxied.proxy.url}/hooks/simulator", data=body, headers=forged).status_code == 404
            plain = http.post(proxied.proxy.url + door(proxied), data=dial(), headers={"Content-Type": FORM, **forged})
        assert plain.text.startswith("CON " + HOME)


@pytest.mark.rule("A-41")
def test_another_name_gets_no_certificate(proxied: ProxiedInstallation) -> None:
    context = ssl.create_default_context(cafile=str(proxied.proxy.certificate))
    context.check_hostname = False
    with proxied.proxy.connect() as line:
        assert line.version() in ("TLSv1.2", "TLSv1.3")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized"), ExitStack() as stack:
        plain = stack.enter_context(socket.create_connection(("127.0.0.1", proxied.proxy.port), timeout=10))
        context.wrap_socket(plain, server_hostname="elsewhere.example")


# Request smuggling


@pytest.mark.rule("A-23")
@pytest.mark.rule("B-05")
@pytest.mark.rule("X-21")
@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 8", "Content-Length: 9"),
        ("Content-Length: 8", "Content-Length: 8"),
        ("Content-Length: 8", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: lukaotem",),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Host: localhost", "Host: there", "Content-Length: 8"),
        ("Content-Length : 8",),
        ("Content-Length: +8",),
        ("Content-Length: 8, 8",),
        ("Content-Length: 8", "X-Folded: 1\r\n lukaotem"),
        ("Content-Length: 8", "X-Nul: a\0b"),
    ],
    ids=ascii,
)
def test_a_head_that_could_be_read_two_ways_is_refused(proxied: ProxiedInstallation, headers: tuple[str, ...]) -> None:
    answer = proxied.proxy.ask(raw(door(proxied), *headers, body=b"lukaotem"))
    assert answer.split(b" ")[1] in (b"400", b"501"), answer[:200]
    assert HOME.encode() not in answer


@pytest.mark.rule("B-05")
def test_a_head_with_bare_line_feeds_is_read_once_and_written_anew(proxied: ProxiedInstallation) -> None:
    """nginx accepts them, and has no setting against it. Web gets nginx's own head, and the body may contain both."""
    body = dial()
    smuggled = body + raw("/hooks/simulator", "Content-Length: 0")
    answer = proxied.proxy.ask(raw(door(proxied), f"Content-Length: {len(body)}", body=smuggled, end="\n"))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 200") and f"CON {HOME}".encode() in answer


@pytest.mark.rule("B-06")
@pytest.mark.parametrize("way", ["chunked", "1.0", "expect"])
def test_other_ways_to_send_the_same(proxied: ProxiedInstallation, way: str) -> None:
    body = dial()
    pieces = [body[n : n + 7] for n in range(0, len(body), 7)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    length = f"Content-Length: {len(body)}"
    request = {
        "chunked": raw(door(proxied), "Transfer-Encoding: chunked", body=chunks),
        "1.0": raw(door(proxied), length, body=body, version="1.0"),
        "expect": raw(door(proxied), length, "Expect: 100-continue", body=body),
    }[way]
    assert f"CON {HOME}".encode() in proxied.proxy.ask(request)


@pytest.mark.rule("B-09")
def test_a_header_with_underscores_does_not_reach_web(proxied: ProxiedInstallation) -> None:
    """Such a header could replace one that nginx sets, or a provider's signature."""
    echo = Echo(proxied)
    with echo:
        seen = echo.ask(b"X_Twilio_Signature: right", b"X_Forwarded_For: 127.0.0.1", b"Content_Length: 3")
    assert b"_" not in seen.partition(b"\r\n\r\n")[0].replace(b"/hooks/", b"")
    assert seen.count(b"X-Forwarded-For: 127.0.0.1\r\n") == 1
    assert b"X-Forwarded-Proto: https\r\n" in seen and b"\r\nConnection: close\r\n" in seen


def test_forged_headers_are_replaced(proxied: ProxiedInstallation) -> None:
    echo = Echo(proxied)
    with echo:
        seen = echo.ask(b"X-Forwarded-For: 10.0.0.1", b"Forwarded: for=10.0.0.1", b"X-Real-IP: 10.0.0.1",
                        b"X-Forwarded-Host: a.example", b"X-Forwarded-Prefix: /a", b"X-Forwarded-Port: 1")  # fmt: skip
    assert b"10.0.0.1" not in seen and b"a.example" not in seen and b"Prefix" not in seen and b"Port" not in seen


class Echo:
    """A server that replaces web for one request and returns what nginx sent."""

    def __init__(self, proxied: ProxiedInstallation) -> None:
        self.fronted = proxied
        self.path = proxied.folder / "web.sock"
        self.aside = proxied.folder / "aside.sock"

    def __enter__(self) -> Echo:
        self.path.rename(self.aside)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.path.chmod(0o666)
        self.listener.listen()
        self.listener.settimeout(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self.aside.rename(self.path)

    def ask(self, *headers: bytes) -> bytes:
        with self.fronted.proxy.connect() as line:
            head = b"\r\n".join(
                (b"POST /hooks/x HTTP/1.1", b"Host: localhost", *headers, b"Content-Length: 2", b"", b"ab")
            )
            line.sendall(head)
            web, _ = self.listener.accept()
            with web:
                web.settimeout(10)
                got = b""
                while not got.endswith(b"\r\n\r\nab"):
                    got += web.recv(65536)
                web.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return got


# Limits


@pytest.mark.rule("B-04")
def test_the_largest_body_is_read_and_one_more_byte_is_not(proxied: ProxiedInstallation) -> None:
    head = dial() + b"&more="
    with proxied.http() as http:
        for size, status in ((262_144, 200), (262_145, 413)):
            body = head + b"a" * (size - len(head))
            answer = http.post(proxied.proxy.url + door(proxied), data=body, headers={"Content-Type": FORM})
            assert answer.status_code == status
            assert answer.content == b"" or status == 200
    in_chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (262_145, head + b"a" * (262_145 - len(head)))
    answer = proxied.proxy.ask(raw(door(proxied), "Transfer-Encoding: chunked", body=in_chunks))
    assert answer.split(b" ")[1] == b"413"


def test_no_body_is_written_to_the_disk(proxied: ProxiedInstallation) -> None:
    """A chunked body of the largest size: nginx would otherwise write it to a file without any message."""
    folder = proxied.folder / "temp-client_body"
    before = folder.stat().st_mtime_ns
    body = dial() + b"&more=" + b"a" * 200_000
    in_chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    answer = proxied.proxy.ask(raw(door(proxied), "Transfer-Encoding: chunked", body=in_chunks))
    assert f"CON {HOME}".encode() in answer
    assert folder.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"/{'a' * 8150}", "404"),
        (f"/{'a' * 8200}", "414"),
    ],
)
def test_a_long_line(proxied: ProxiedInstallation, head: str, status: str) -> None:
    assert proxied.proxy.ask(raw(head, "Content-Length: 0")).split(b" ")[1] == status.encode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([f"X-{n}: 1" for n in range(50)], "404"),
        ([f"X-{n}: 1" for n in range(64)], "400"),
        (["X-Long: " + "a" * 8100], "404"),
        (["X-Long: " + "a" * 8200], "400"),
        ([f"X-{n}: " + "a" * 8000 for n in range(5)], "400"),
    ],
)
def test_many_and_long_headers(proxied: ProxiedInstallation, headers: list[str], status: str) -> None:
    assert proxied.proxy.ask(raw("/nosuch", "Content-Length: 0", *headers)).split(b" ")[1] == status.encode()


def test_a_visitor_is_slowed_and_a_provider_is_not(proxied: ProxiedInstallation) -> None:
    with proxied.http() as http:
        visits = {404}
        for _ in range(1000):  # the number depends on the speed of this machine
            visits.add(http.get(f"{proxied.proxy.url}/nosuch").status_code)
            if 429 in visits:
                break
        calls = [http.post(proxied.proxy.url + door(proxied), data=dial()).status_code for _ in range(60)]
    assert visits == {404, 429}
    assert set(calls) == {200}


@pytest.mark.rule("X-22")
def test_slow_senders_hold_no_thread_of_web(proxied: ProxiedInstallation) -> None:
    """40 half heads and 40 half bodies; web has eight threads. A head has 10 s, the rest of a request 5 s."""
    half_head = f"POST {door(proxied)} HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".encode()
    half_body = raw(door(proxied), "Content-Length: 200", body=b"sessionId=ATUid_slow&text=")
    for attempt in range(5):  # on a busy machine they may be cut off first
        with ExitStack() as stack:
            began = time.monotonic()
            slow = [stack.enter_context(proxied.proxy.connect()) for _ in range(80)]
            for number, line in enumerate(slow):
                line.sendall(half_head if number % 2 else half_body)
            phone = proxied.phone(f"+678555019{attempt}")
            phone.dial()
            assert is_sent([phone.type(reply) for reply in (*TO_SEND, "1")][-1])
            is_answered_first = not any(map(has_answer, slow))
            for line in (slow[0], slow[1]):
                while line.recv(4096):
                    pass
                assert time.monotonic() - began > 4
        if is_answered_first:
            return
    raise AssertionError("a slow sender holds others up until it is cut")


def has_answer(line: ssl.SSLSocket) -> bool:
    """Return whether an answer, or the end of the connection, has come. TLS session tickets do not count."""
    line.settimeout(0)
    try:
        line.recv(4096)
    except ssl.SSLWantReadError:
        return False
    finally:
        line.settimeout(20)
    return True


@pytest.mark.rule("X-22")
def test_a_worker_has_a_file_for_each_connection(proxied: ProxiedInstallation) -> None:
    """Whatever limit the unit left: a worker without free file descriptors answers nobody."""
    connections = int(re.findall(r"worker_connections (\d+);", SHIPPED.read_text())[0])
    for pid in proxied.proxy.workers():
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert int(re.findall(r"Max open files +(\d+)", limits)[0]) > connections
    unit = SHIPPED.with_name("nginx-limits.conf").read_text()
    assert int(re.findall(r"LimitNOFILE=(\d+)", unit)[0]) > connections
    assert "MemoryMax=" in unit


@pytest.mark.rule("X-22")
@pytest.mark.parametrize(
    ("path", "status"),
    [("/hooks/africastalking/x/ussd", b"404"), ("/nosuch", b"404"), ("/hooks/twilio/sms", b"403")],
)
def test_a_wrong_secret_is_refused_before_the_body_comes(
    proxied: ProxiedInstallation, path: str, status: bytes
) -> None:
    with proxied.proxy.connect() as line:
        line.sendall(raw(path, "Content-Length: 200", body=b"x"))
        assert line.recv(65536).split(b" ")[1] == status


@pytest.mark.rule("X-22")
def test_a_body_that_drips_is_cut(proxied: ProxiedInstallation) -> None:
    """With a limit only between two bytes, a byte each half second would hold a connection for ever."""
    with proxied.proxy.connect() as line:
        line.sendall(raw(door(proxied), "Content-Length: 200"))
        line.settimeout(0.5)
        answer = b""
        for _ in range(60):
            with suppress(TimeoutError):
                answer = line.recv(65536)
                break
            line.sendall(b"x")
        assert answer.split(b" ")[1:2] in ([b"400"], [b"502"], [b"408"]), answer


# Logs


@pytest.mark.rule("X-23")
def test_no_log_holds_a_secret_an_address_or_a_word(proxied: ProxiedInstallation) -> None:
    token, wrong = proxied.installation.token("africastalking"), "Wrong-Token-Of-A-Stranger-0123456789"
    words = "Lukaotem"
    paths = [
        f"/hooks/africastalking/{token}/ussd?text={words}",
        f"/hooks/africastalking/{wrong}/ussd",
        f"/Hooks/africastalking/{token}/ussd",
        f"//hooks//africastalking/{token}/ussd",
        f"/x/../hooks/africastalking/{token}/ussd",
        f"/healthz?{words}={token}",
        f"/{words}/{token}",
    ]

    def every_way() -> Iterator[bytes]:
        for path in paths:
            yield raw(path, f"Content-Length: {len(dial(words))}", body=dial(words))
            yield raw(path, "Content-Length: 262145")
            yield raw(path, "Content-Length: 8", "Content-Length: 9")
            yield raw(path, "Host: a", "Host: b")
            yield raw(path, "X-Long: " + "a" * 9000)
            yield raw(path + "a" * 9000, "Content-Length: 0")
            yield raw(path, "Content-Length: 50", f"Referer: https://{words}.example/{token}")[:-20]

    def all_of_it() -> None:
        for request in every_way():
            with proxied.proxy.connect() as line:
                line.sendall(request)
                line.settimeout(0.2)
                with suppress(TimeoutError):
                    line.recv(4096)

    all_of_it()
    away = proxied.folder / "gone.sock"
    (proxied.folder / "web.sock").rename(away)
    try:  # web is unavailable: nginx writes to its error log
        all_of_it()
        health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert proxied.proxy.ask(health)[9:12] == b"502"
    finally:
        away.rename(proxied.folder / "web.sock")
    until(lambda: "GET /healthz 502" in proxied.proxy.logs(), "the operator learns nothing")
    found = proxied.proxy.logs()
    for secret in (token, wrong, words, base64.b64encode(token.encode()).decode(), "hooks", "Hooks", "5550161"):
        assert secret not in found, secret
    assert all(len(line.split()) == 7 for line in (proxied.folder / "access.log").read_text().splitlines())


# Restart


def test_calls_wait_in_the_socket_while_web_restarts(proxied: ProxiedInstallation) -> None:
    """No call is refused: systemd holds the socket, and nginx waits."""
    phone = proxied.phone("+6785550163")
    assert walk(phone, TO_SEND).text.startswith("Send to Pikinini Helpline")
    proxied.web.stop()
    proxied.web.start()
    assert is_sent(phone.type("1"))


def test_the_file_is_one_that_nginx_itself_finds_right(proxied: ProxiedInstallation) -> None:
    assert "[warn]" not in (proxied.folder / "stderr").read_text()
    assert Path(proxied.folder / "error.log").exists()
