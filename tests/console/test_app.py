"""The console as a whole: it starts, says no more than it must, and stops over a wrong setting."""

from __future__ import annotations

import pytest

from console.app import create_app
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
