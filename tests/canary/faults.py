"""Faults during the reports. Each leaves a trace that the test looks for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from tests.canary import attacker, twilio
from tests.canary.drive import IN_DANGER, TO_SEND, end_event, walk
from tests.canary.planted import ANSWER, SENTENCE
from tests.support.handsets import AfricasTalking, AfricasTalkingTexts
from tests.support.installation import Installation
from tests.support.wait import until

WORKERS = ("urgent", "standard", "clock")  # any of them may act first


class Echo(ThreadingHTTPServer):
    """A hotline that fails and repeats everything that it received."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Repeats)
        self.heard = 0


class _Repeats(BaseHTTPRequestHandler):
    server: Echo

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard += 1
        self.send_response(500, ANSWER)
        self.send_header("X-Said", SENTENCE.encode("ascii", "replace").decode())
        self.end_headers()
        self.wfile.write(body + ANSWER.encode())

    def log_message(self, *_: object) -> None:
        """Write no log."""


@contextmanager
def hotline_echoes(installation: Installation) -> Iterator[Echo]:
    installation.kill("hotline")
    server = Echo(installation.plan.where.hotline_port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@contextmanager
def database_locked(installation: Installation) -> Iterator[None]:
    with closing(attacker.database(installation)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def table_gone(installation: Installation, table: str) -> Iterator[None]:
    """Rename a table: statements on it fail, and the driver's error has all their values."""
    with closing(attacker.database(installation)) as other:
        other.execute(f"ALTER TABLE {table} RENAME TO away")
        yield
        other.execute(f"ALTER TABLE away RENAME TO {table}")


@contextmanager
def spool_gone(installation: Installation) -> Iterator[None]:
    spool = installation.plan.folder.inside / "spool"
    spool.rename(spool.with_name("spool-away"))
    yield
    spool.with_name("spool-away").rename(spool)


def unreadable(installation: Installation, phone: AfricasTalkingTexts) -> None:
    """Send SMS with two senders, which are stored for a person, and a USSD request that cannot be read."""
    body = {"from": [phone.phone, "+6785550199"], "to": "163", "text": SENTENCE, "id": "x"}
    answer = requests.post(f"{installation.web}/hooks/africastalking/{phone.token}/sms", data=body, timeout=10)
    assert answer.status_code == 200
    packed = requests.post(
        f"{installation.web}/hooks/africastalking/{phone.token}/ussd",
        data=SENTENCE.encode(),
        headers={"Content-Encoding": "gzip", "Content-Type": SENTENCE.encode("ascii", "replace").decode()},
        timeout=10,
    )
    assert packed.status_code == 200
    door = f"{installation.web}/hooks/kannel/{installation.token('kannel')}/sms"
    asked = [("from", phone.phone), ("from", "+6785550199"), ("to", "163"), ("text", SENTENCE)]
    assert requests.get(door, params=asked, timeout=10).status_code == 200


def broken_requests(installation: Installation) -> None:
    """Send requests that the server itself refuses: its pages and log lines must not repeat their words."""
    token, words = installation.token("africastalking"), SENTENCE.encode()
    path = f"/hooks/africastalking/{token}/ussd".encode()
    for request in (
        b"GET " + path + b"\0" + words + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST " + path + b" HTTP/9.9\r\nHost: x\r\n\r\n" + words,
        b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nX-Words : " + words + b"\r\n\r\n",
        b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + words,
        b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nX: " + words * 300 + b"\r\n\r\n",
        b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + words,
    ):
        say(installation, request)
    half = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n" + words
    say(installation, half, wait=False)


def say(installation: Installation, request: bytes, *, wait: bool = True) -> None:
    host, port = installation.web.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(request)
        if wait:
            line.recv(65536)


def happened(installation: Installation, event: str, *logs: str) -> None:
    """Wait until the event is in one of these logs."""
    wanted = f'"event":"{event}"'
    until(
        lambda: any(wanted in installation.log(name).read_text() for name in logs),
        f"{event} is in no log of {logs}",
        60,
    )


def figure(installation: Installation, name: str) -> float:
    page = requests.get(f"{installation.web}/metrics", timeout=10).text
    return next((float(line.split()[1]) for line in page.splitlines() if line.startswith(f"tokaut_{name}_total ")), 0.0)


def everything(installation: Installation) -> None:
    """Cause one fault after another, with reporters in the middle of each."""
    at = installation.ussd_phone("africastalking", "+6785550111")
    texts = installation.sms_phone("africastalking", "+6785550112")
    assert isinstance(at, AfricasTalking) and isinstance(texts, AfricasTalkingTexts)
    _provider_fails(installation, texts)
    unreadable(installation, texts)
    broken_requests(installation)
    twilio.pictures_and_forgeries(installation)
    _fault_inside_web(installation, at)
    _database_away(installation, at, texts)
    _redis_away(installation, at, texts)
    _queue_attacked(installation)
    _hotline_away(installation, at)


def _provider_fails(installation: Installation, texts: AfricasTalkingTexts) -> None:
    """Let each attempt to send an SMS fail in another way; the SMS is retried."""
    for status in (500, 401):
        installation.provider.fail_next = [status]
        texts.text(SENTENCE)
        until(lambda: not installation.provider.fail_next, "the provider was never asked", 30)


def _fault_inside_web(installation: Installation, at: AfricasTalking) -> None:
    attacker.session_of_another_release(installation, at)
    happened(installation, "webhook_failed", "web")


def _database_away(installation: Installation, at: AfricasTalking, texts: AfricasTalkingTexts) -> None:
    with database_locked(installation):
        walk(at, *IN_DANGER)
        at.drop_call()
        assert "Sent to" in walk(at, *TO_SEND, "Send")
        at.type(SENTENCE)
        with spool_gone(installation):
            assert "NOT SENT" in walk(at, *TO_SEND, "Send")
        texts_kept_by_the_provider(installation, texts)
    for table in ("mailbox", "audit", "pending"):
        with table_gone(installation, table):
            walk(at, *TO_SEND, "Send")
            at.type(SENTENCE)
    with table_gone(installation, "outgoing"):
        texts_kept_by_the_provider(installation, texts)


def texts_kept_by_the_provider(installation: Installation, texts: AfricasTalkingTexts) -> None:
    """Send an SMS whose reply cannot be stored: 503, so the provider repeats it."""
    form = {
        "from": texts.phone,
        "to": "163",
        "text": SENTENCE,
        "id": f"ATXid_{id(installation)}_{texts.http.__hash__()}",
    }
    requests.post(f"{installation.web}/hooks/africastalking/{texts.token}/sms", data=form, timeout=20)


def _redis_away(installation: Installation, at: AfricasTalking, texts: AfricasTalkingTexts) -> None:
    walk(at, *TO_SEND[:-1])
    installation.kill("valkey")
    at.type(TO_SEND[-1])
    at.type("Send")
    end_event(installation, at)
    texts.text(SENTENCE)
    twilio.one_waits(installation)
    had = len(texts.replies())
    installation.start("valkey")
    until(lambda: len(texts.replies()) > had, "what waited was never answered", 60)
    twilio.until_answered(installation)


def _queue_attacked(installation: Installation) -> None:
    attacker.in_redis(installation)
    for name in ("urgent", "standard"):
        happened(installation, "job_refused", name)


def _hotline_away(installation: Installation, at: AfricasTalking) -> None:
    with hotline_echoes(installation) as hotline:
        walk(at, *TO_SEND, "Send")
        until(lambda: hotline.heard > 0, "the hotline that echoes heard nothing", 60)
        happened(installation, "delivery_unavailable", *WORKERS)
    walk(at, *TO_SEND, "Send")
    attacker.in_the_database(installation)
    happened(installation, "delivery_undeliverable", *WORKERS)
    installation.start("hotline")
