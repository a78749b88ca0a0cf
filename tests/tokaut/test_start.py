"""`tokaut start` before it starts a process. `tests/deploy/test_wheel.py` starts it as a person does."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from reports.countries.country import load_countries
from runtime.settings import Mode
from tokaut.__main__ import main
from tokaut.local_stack.services import practice_secrets, server_addresses, service_commands


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
    commands = service_commands({"PORT": "9000", "CONSOLE_BIND": "unix:/run/console.sock"})
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
