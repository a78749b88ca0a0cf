"""`tokaut hotline test` tests a hotline's callback with a real console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from runtime.settings.parsers import new_webhook_secret
from tests.support.console import Console
from tokaut.conformance import check_callbacks
from tokaut.local_stack import preparation
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan
from workers.hotlines.webhook import WebhookConnector
from workers.network.allowlist import parse_target
from workers.network.http_client import HttpClient

HOTLINE = "vu-pikinini"


class QuietRequestHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def made(tmp_path: Path) -> StackPlan:
    found = make_plan({}, DemoFolder(tmp_path), StackAddresses(1, 2, 3), (HOTLINE, "vu-womens-centre", "vu-police"))
    found.folder.inside.mkdir(mode=0o700)
    preparation.prepare_stack(found)
    return found


@pytest.fixture
def address(made: StackPlan) -> Iterator[str]:
    console = Console({**made.settings, "COUNTRIES": "vu"})
    with make_server("127.0.0.1", 0, console.flask, handler_class=QuietRequestHandler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)
    console.close()


def tried(secret: str, console: str) -> list[tuple[str, bool, str]]:
    door = WebhookConnector(parse_target("http://127.0.0.1:9/", ("127.0.0.1:9",), live=False), [secret], HttpClient())
    return [(row.name, row.ok, row.seen) for row in check_callbacks(door, HOTLINE, console, live=False)]


def test_a_door_that_knows_the_secret(made: StackPlan, address: str) -> None:
    rows = tried(made.secrets.hotlines[HOTLINE], address)
    assert rows == [("may call back", True, "404"), ("nobody else may", True, "401")]


def test_a_door_that_was_given_another_secret(address: str) -> None:
    [(_, ok, seen), (_, others, _)] = tried(new_webhook_secret(), address)
    assert (ok, others) == (False, True)
    assert seen.startswith("401 and not 404.")
    assert "CONSOLE_URL" in seen


def test_no_console_there() -> None:
    rows = tried(new_webhook_secret(), "http://127.0.0.1:9")
    assert [ok for _, ok, _ in rows] == [False, False]
    assert "does not answer (not_reached)" in rows[0][2]
