"""`tokaut phone` at a running web process: calls, SMS, a persistent inbox, a call that drops."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.app import App
from tokaut.__main__ import main

pytestmark = pytest.mark.slow


class AppServer(HTTPServer):
    """An HTTP server in front of the app: requests to the simulator's endpoint go through all of web."""

    def __init__(self, app: App) -> None:
        super().__init__(("127.0.0.1", 0), AppRequestHandler)
        self.app = app
        threading.Thread(target=self.serve_forever, args=(0.01,)).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class AppRequestHandler(BaseHTTPRequestHandler):
    server: AppServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.app.http.post(self.path, body.decode())
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def demo(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """A running demo, described by its demo.json."""
    app = App(redis_url)
    monkeypatch.setenv("TOKAUT_DATA", str(tmp_path))
    with AppServer(app) as door:
        told = {"web": f"http://127.0.0.1:{door.server_port}", "phone": None}
        (tmp_path / "demo.json").write_text(json.dumps(told))
        yield app
    app.close()


def phone(*typed: str, keyboard: str | None = None) -> Result:
    words = [part for one in typed for part in ("--type", one)]
    return CliRunner().invoke(main, ["phone", *words], input=keyboard, catch_exceptions=False)


def test_a_call_a_dropped_line_and_a_redial_that_tells_nothing(demo: App) -> None:
    said = phone("*111*163#", "1", "2", "drop", "*111*163#", "00").stdout
    assert said.count("    | In danger? Call police 111.") == 2
    assert "    | Are you or a child in danger?" in said and "    | What happened?" in said
    assert said.index("(the call dropped") < said.rindex("In danger? Call police 111.")
    assert said.rstrip().endswith("| Thank you. Goodbye.\n    (the call is over)")


def test_texts_stay_in_the_inbox_both_ways_and_leaving_gets_no_reply(demo: App) -> None:
    said = phone("hello", "1", "00", "inbox").stdout
    inbox = said.partition("> inbox")[2]
    assert "    | > hello" in inbox and "    | In danger? Call police 111." in inbox and "    | > 00" in inbox
    assert "(no reply)" in said.partition("> 00")[2]


def test_the_keyboard_ends_with_the_end_of_its_input(demo: App) -> None:
    said = phone(keyboard="inbox\n").stdout
    assert "Ctrl-D ends it." in said and "    | (empty)" in said


def test_without_a_demo_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKAUT_DATA", str(tmp_path))
    done = phone("*111*163#")
    assert done.exit_code == 1 and "no demo is up. Start one with `tokaut demo`" in done.stderr
    (tmp_path / "demo.json").write_text('{"web": "http://127.0.0.1:9"}')
    done = phone("*111*163#")
    assert done.exit_code == 1 and "http://127.0.0.1:9 does not answer" in done.stderr
