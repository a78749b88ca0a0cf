"""The console as a whole: it starts, reveals nothing before login, and stops at a wrong setting."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from console.app import create_app
from tests.console.role_table import OPEN, ROWS, SYSTEMS
from tests.support.console import Console
from tokaut.local_stack.settings import StackPlan


def test_it_is_up(console: Console) -> None:
    said = console.http.send("GET", "/healthz")
    assert (said.status_code, said.text) == (200, "ok\n")
    assert said.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert said.headers["Cache-Control"] == "no-store"


def test_an_unknown_address_says_nothing(console: Console) -> None:
    said = console.http.send("GET", "/hotlines/vu-pikinini")
    assert (said.status_code, said.text) == (404, "Not found\n")


def test_a_wrong_setting_stops_the_start(made: StackPlan) -> None:
    with pytest.raises(SystemExit, match="COUNTRIES"):
        create_app({**made.settings, "COUNTRIES": "VU"})


@pytest.mark.slow
def test_flask_lists_every_route_with_its_methods(made: StackPlan, console: Console) -> None:
    command = [sys.executable, "-m", "flask", "--app", "console.app", "routes"]
    environment = {**os.environ, **made.settings, "COUNTRIES": "vu"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in told.splitlines() if line.split()[-1:] and line.split()[-1].startswith("/")]
    listed = {f"{method.rstrip(',')} {line[-1]}" for line in lines for method in line[1:-1]}
    assert listed == {*ROWS, *OPEN, *SYSTEMS}
    assert ["case.show_case", "GET", "/reports/<report_id>"] in lines
