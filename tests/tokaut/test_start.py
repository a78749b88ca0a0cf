"""`tokaut start` before it starts a process. `tests/deploy/test_wheel.py` starts it as a person does."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reports.countries.country import load_countries
from runtime.settings import Mode
from tests.support.ports import free_port
from tokaut.__main__ import main
from tokaut.local_stack import services
from tokaut.local_stack.processes import ProcessGroup
from tokaut.local_stack.services import (
    NO_DATABASE,
    NO_LEADER,
    NO_REDIS,
    practice_notes,
    practice_secrets,
    refuse_used_ports,
    server_addresses,
    service_commands,
    wait_until_ready,
)
from tokaut.local_stack.settings import PortInUse

PIKININI = "HOTLINE_VU_PIKININI_URL"


@pytest.fixture(autouse=True)
def no_hardening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokaut.commands.start.harden", lambda: None)  # it is meant for a process of its own


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "There are no settings, or TOKAUT_MODE is demo."),
        ({"TOKAUT_MODE": "training"}, "There is no database "),
        (
            {"TOKAUT_MODE": "training", "DATABASE_URL": "postgresql://tokaut_web@127.0.0.1:1/tokaut"},
            "`tokaut start` is for SQLite only: it runs all processes under one account",
        ),
    ],
)
def test_it_refuses_what_cannot_work(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    shared = {"TOKAUT_DATA": str(tmp_path), "COUNTRIES": "vu", "CHANNELS": "ussd"}
    refused = CliRunner().invoke(main, ["start"], env=shared | settings)
    assert (refused.exit_code, refused.output[: len(says)]) == (1, says)
    assert list(tmp_path.iterdir()) == []


def test_it_starts_the_processes_of_the_procfile_where_the_settings_say() -> None:
    procfile = dict(line.split(": ", 1) for line in (Path(__file__).parents[2] / "Procfile").read_text().splitlines())
    settings = {"PORT": "9000", "CONSOLE_BIND": "unix:/run/console.sock", "CONSOLE_CONCURRENCY": "3"}
    commands = service_commands(settings)
    assert [commands[name][commands[name].index("--workers") + 1] for name in ("web", "console")] == ["1", "3"]
    assert commands.keys() == procfile.keys()
    for name, command in commands.items():
        assert command[-1].strip("'") in procfile[name]
    assert "127.0.0.1:9000" in commands["web"]
    assert "unix:/run/console.sock" in commands["console"]
    assert server_addresses({"PORT": "9000", "CONSOLE_BIND": "unix:/run/console.sock"}) == {
        "web": "http://127.0.0.1:9000"
    }


def test_the_practice_hotline_is_for_those_with_its_address_and_never_in_live_mode() -> None:
    countries = load_countries(["vu"], Mode.DEMO)
    environ = {
        "HOTLINE_VU_PIKININI_URL": "http://127.0.0.1:8300/vu-pikinini",
        "HOTLINE_VU_PIKININI_SECRET": "new,old",
        "HOTLINE_VU_POLICE_URL": "https://drill.hotline.example/vu-police",
    }
    assert practice_secrets(Mode.TRAINING, countries, environ) == {"vu-pikinini": "new"}
    assert practice_secrets(Mode.TRAINING, countries, environ | {"PRACTICE_HOTLINE_PORT": "8301"}) == {}
    assert practice_secrets(Mode.LIVE, countries, environ) == {}


def test_a_practice_hotline_that_is_not_started_is_said_with_the_reason() -> None:
    hotlines = load_countries(["vu"], Mode.DEMO).hotlines
    [first, second] = [free_port(), free_port()]
    environ = {PIKININI: f"http://127.0.0.1:{first}/vu-pikinini", "PRACTICE_HOTLINE_PORT": str(second)}
    [note] = practice_notes(Mode.TRAINING, hotlines, environ)
    assert "so vu-pikinini gets no drill." in note and f"PRACTICE_HOTLINE_PORT, which is {second}." in note
    assert not list(practice_notes(Mode.LIVE, hotlines, environ))
    assert not list(practice_notes(Mode.TRAINING, hotlines, environ | {"PRACTICE_HOTLINE_PORT": str(first)}))
    with socket.create_server(("127.0.0.1", first)):
        assert not list(practice_notes(Mode.TRAINING, hotlines, environ)), "a receiver of the operator's own"


def refusal(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(PortInUse) as refused:
        refuse_used_ports(Mode.TRAINING, load_countries(["vu"], Mode.DEMO), environ)
    return str(refused.value).splitlines()


def test_a_port_in_use_is_refused_by_the_name_of_its_setting() -> None:
    free = {"PORT": str(free_port()), "CONSOLE_PORT": str(free_port()), "PRACTICE_HOTLINE_PORT": str(free_port())}
    practice = {PIKININI: f"http://127.0.0.1:{free['PRACTICE_HOTLINE_PORT']}/vu-pikinini"}
    refuse_used_ports(Mode.TRAINING, load_countries(["vu"], Mode.DEMO), free | practice)
    for name, value in free.items():
        with socket.create_server(("127.0.0.1", int(value))):
            lines = refusal(free | practice)
        assert lines == [
            f"{name}: another program listens at 127.0.0.1:{value}. Stop it, or set another port.",
            "Nothing was started.",
        ]
    with socket.create_server(("127.0.0.1", int(free["PORT"]))):
        elsewhere = {"BIND": f"127.0.0.1:{free['PORT']}"}
        assert refusal(free | elsewhere)[0].startswith("BIND: another program listens")
    assert "CONSOLE_PORT and PORT name the same port" in refusal(free | {"CONSOLE_PORT": free["PORT"]})[0]
    refuse_used_ports(Mode.TRAINING, load_countries(["vu"], Mode.DEMO), free | {"BIND": "unix:/run/x.sock"})


@pytest.mark.parametrize("text", ["abc", "99999", "0", "-1", "80 ", "8" * 5000])
def test_what_is_no_port_is_refused_by_the_name_of_its_setting(text: str) -> None:
    for name in ("PORT", "CONSOLE_PORT", "PRACTICE_HOTLINE_PORT"):
        [line] = refusal({name: text})
        assert line.startswith(f"{name} is ") and line.endswith("write a number from 1 to 65535")


class NotReadyHandler(BaseHTTPRequestHandler):
    state: Mapping[str, Any]

    def do_GET(self) -> None:
        body = json.dumps(self.state).encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), NotReadyHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("state", "missing"),
    [
        ({"oldest_undelivered_seconds": {"P1": 900}}, []),
        ({"database": False, "clock_leads": None}, [NO_DATABASE]),
        ({"redis": False}, [NO_REDIS]),
        ({"clock_leads": None}, [NO_LEADER]),
        ({"clock_leads": False, "wrong": ["No clock process has been the scheduler for 2 h."]}, [NO_LEADER]),
        ({"wrong": ["This host's clock is wrong."]}, ["This host's clock is wrong."]),
    ],
)
def test_it_names_what_is_missing_before_it_says_that_everything_runs(
    web: ThreadingHTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: dict[str, Any],
    missing: list[str],
) -> None:
    monkeypatch.setattr(services, "PARTS_WITHIN", 0)
    monkeypatch.setattr(services, "CLOCK_LEADS_WITHIN", 0)
    NotReadyHandler.state = {"database": True, "redis": True, "clock_leads": True, "wrong": []} | state
    processes = ProcessGroup(uuid.uuid4().hex, tmp_path)
    assert wait_until_ready(processes, os.environ | {"PORT": str(web.server_port)}) == missing
