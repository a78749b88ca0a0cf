"""compose.yaml and its files: what can be checked without starting a container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from runtime.settings import SHARED_SETTINGS
from tests.house.files import ROOT
from tests.support.settings import settings_of

FILES = ROOT / "docs" / "deploy" / "container"
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = {one.name for one in settings_of(SHARED_SETTINGS) if one.secret}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "pids_limit" in service
    assert name == "prepare" or "cap_add" not in service
    assert name != "prepare" or service["network_mode"] == "none"


@pytest.mark.rule("X-10")
@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_a_variable(name: str) -> None:
    assert SECRETS & set(SERVICES[name].get("environment", ())) == set()


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in ("prepare", "migrate", "drill", "nginx")])
def test_a_process_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_web_knows_the_people_on_call() -> None:
    """It takes no automatic reply of theirs for a report; the console has no use for their numbers."""
    assert {"web-1", "web-2", "clock"} <= {
        name for name, service in SERVICES.items() if "TOKAUT_ON_CALL" in service.get("environment", ())
    }
    assert "TOKAUT_ON_CALL" not in SERVICES["console"]["environment"]


def test_web_and_console_have_no_way_out() -> None:
    for name in ("web-1", "web-2", "console", "postgresql", "valkey"):
        assert all((COMPOSE["networks"][one] or {}).get("internal") for one in SERVICES[name]["networks"]), name


def changed(name: str, script: Path) -> str:
    program = shutil.which("sed")
    assert program
    done = subprocess.run(
        [program, "-f", str(script), str(ROOT / "docs/deploy" / name)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_each_change_of_nginx_finds_its_line(tmp_path: Path) -> None:
    """The container's files are made from the shipped ones: this test detects a line that has changed there."""
    rules = [line for line in (FILES / "nginx.sed").read_text().splitlines() if line[:1] in "s/"]
    assert len(rules) >= 9
    for number, rule in enumerate(rules):
        script = tmp_path / str(number)
        script.write_text(rule + "\n")
        names = ("nginx.conf", "nginx-console.conf")
        assert any(changed(name, script) != (ROOT / "docs/deploy" / name).read_text() for name in names), rule


def test_nginx_of_the_container_keeps_every_limit() -> None:
    for name in ("nginx.conf", "nginx-console.conf"):
        limits = re.compile(r"^\s*(limit_\w+ [^;]*|client_\w+ [^;]*|\w+_timeout [^;]*|add_header [^;]*);", re.MULTILINE)
        shipped = limits.findall((ROOT / "docs/deploy" / name).read_text())
        kept = limits.findall(changed(name, FILES / "nginx.sed"))
        assert len(shipped) > 10
        assert [one for one in kept if "temp_path" not in one] == shipped


def prepare(name: str, call: str, folder: Path, **environ: str) -> None:
    """Run one function of prepare.sh in a folder."""
    text = (FILES / "prepare.sh").read_text()
    found = re.search(rf"^{name}\(\) {{$.*?^}}$", text, re.MULTILINE | re.DOTALL)
    assert found
    shell = shutil.which("sh")
    assert shell
    script = f"set -eu\numask 077\n{found[0]}\n{call}"
    subprocess.run([shell, "-c", script], cwd=folder, env={"PATH": os.environ["PATH"], **environ}, check=True)


def test_the_console_loses_the_keys_of_a_hotline_whose_staff_read_elsewhere(tmp_path: Path) -> None:
    private = tmp_path / "console/keys/private"
    for name in ("vu-police", "vu-pol", "vu-pikinini"):
        (private / name).mkdir(parents=True)
    prepare("forget", "forget", tmp_path, CONSOLE_HOTLINES="vu-pikinini vu-police")
    assert {path.name for path in private.iterdir()} == {"vu-pikinini", "vu-police"}


def test_root_follows_no_link_that_a_container_left(tmp_path: Path) -> None:
    """The practice hotline may write to its volume, where `prepare` puts its secrets."""
    (tmp_path / "key").write_text("a key")
    (tmp_path / "key").chmod(0o640)
    for link in ("secrets", "token.new"):
        (tmp_path / link).symlink_to("key")
    for name in ("secrets", "token"):
        prepare("make", f"make {os.geteuid()} {name} echo new", tmp_path)
        assert (tmp_path / name).read_text() == "new\n"
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "key").read_text() == "a key"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o640
