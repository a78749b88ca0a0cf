"""The same transcript through three servers: Flask's, gunicorn's threads, and production's event loop. Equal bytes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest
import redis
import requests

import gateway
from gateway.views import HEADERS
from tests.support.handsets import AfricasTalking
from tests.support.handsets_kannel import KannelTexts
from tests.support.installation import Installation
from tests.support.ports import free_port
from tests.support.prepared import prepare

pytestmark = pytest.mark.slow

FLASK, THREADS, PRODUCTION = "flask run", "gunicorn gthread", "production"
FACTORY = "gateway.app:create_app()"
TO_SENT = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")
HEADERS_SEEN = {"content-type", "content-length", *map(str.lower, HEADERS)}

DRAWN = re.compile(rb"Code \d{4} \d{4}\nPIN \d{4}")  # random for each report

Screen = tuple[int, dict[str, str], bytes]


class Served(Installation):
    """An installation whose web runs on `server`, one of the three."""

    server = PRODUCTION

    def command(self, name: str) -> list[str]:
        address = self.web.removeprefix("http://")
        host, _, port = address.partition(":")
        python = [sys.executable, "-m"]
        others = {
            FLASK: [*python, "flask", "--app", "gateway.app", "run", "--host", host, "--port", port],
            THREADS: [
                *python,
                "gunicorn",
                "-k",
                "gthread",
                "--threads",
                "8",
                "-b",
                address,
                FACTORY,
            ],
        }
        return others[self.server] if name == "web" and self.server in others else super().command(name)


@dataclass
class Recorder:
    """Posts as `requests` does, and stores each response."""

    screens: list[Screen] = field(default_factory=list)

    def post(self, url: str, timeout: float = 20, **named: Any) -> requests.Response:
        answer = requests.post(url, timeout=timeout, **named)
        headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() in HEADERS_SEEN}
        self.screens.append((answer.status_code, headers, DRAWN.sub(b"Code and PIN", answer.content)))
        return answer


@pytest.fixture
def installation() -> Iterator[Served]:
    installation = Served()
    installation.plan.folder.inside.mkdir(mode=0o700, exist_ok=True)
    installation.start("valkey")
    prepare(installation.plan)
    yield installation
    installation.down()


def call(installation: Served, http: Any) -> None:
    """Make the same call each time; the network's session id distinguishes reports."""
    phone = installation.ussd_phone("africastalking", "+6785550101")
    assert isinstance(phone, AfricasTalking)
    phone.http, phone.session = http, "ATUid_one_call"
    phone.again()
    for reply in TO_SENT:
        phone.type(reply)


def texts(installation: Served, http: Any) -> None:
    """Send the same messages each time, with the same ids."""
    phone = installation.sms_phone("kannel", "+6785550102")
    assert isinstance(phone, KannelTexts)
    phone.http = http
    for number, words in enumerate(("hello", *TO_SENT[:-2], "1", *TO_SENT[-2:])):  # 1: no words
        phone.write(words)
        phone.last.update(id=f"00000000-0000-4000-8000-{number:012}")
        phone.post()


def test_one_transcript_is_the_same_by_all_servers(installation: Served) -> None:
    shown: dict[str, dict[str, list[Screen]]] = {}
    for server in (FLASK, THREADS, PRODUCTION):
        installation.server = server
        installation.start("web")
        installation.until_web_answers()
        recorders = {"call": Recorder(), "texts": Recorder()}
        call(installation, recorders["call"])
        texts(installation, recorders["texts"])
        shown[server] = {name: one.screens for name, one in recorders.items()}
        installation.kill("web", SIGTERM)
        with redis.Redis.from_url(installation.environment["REDIS_URL"]) as client:
            client.flushall()  # so that the same session starts again
    for screens in shown[PRODUCTION].values():
        assert {status for status, _, _ in screens} == {200}
        assert all(set(headers) == HEADERS_SEEN for _, headers, _ in screens)
        assert b"Sent to Pikinini Helpline." in screens[-1][2]
        assert len(screens) == len({body for _, _, body in screens})
    assert b"Code and PIN" in shown[PRODUCTION]["call"][-1][2]
    assert shown[FLASK] == shown[PRODUCTION]
    assert shown[THREADS] == shown[PRODUCTION]


def test_the_command_of_an_earlier_release_is_refused_with_the_one_to_write() -> None:
    configuration = str(Path(gateway.__file__ or "").with_name("gunicorn.conf.py"))
    command = [sys.executable, "-m", "gunicorn", "-c", configuration, "--bind", f"127.0.0.1:{free_port()}"]
    done = subprocess.run([*command, "gateway.app:create_app()"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "gateway.app:create_app() is for other servers; write 'gateway.asgi:create_app()' in web's command"
    )
