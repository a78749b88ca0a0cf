"""The wheel, built once from this checkout and used in empty folders outside it.

Its contents, the demo, and the commands of *Setting up* in docs/install.md, up to a report at its hotline.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.docs.pages import read
from tests.house.files import PRODUCT, ROOT, files
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack.parent_death import die_with_parent
from tokaut.local_stack.services import RECEIVED

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]
INSTALLER = ROOT / ".uv/bin"
MAX_COMMANDS = 12


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [INSTALLER / "python", "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("tokaut-*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, and return the folder with `tokaut`.

    Other packages come from .venv, without its link to this checkout: a .pth file in a folder that another .pth file
    names is not read.
    """
    folder = tmp_path_factory.mktemp("environment")
    uv = [INSTALLER / "uv", "--quiet", "--offline", "--no-config"]
    subprocess.run([*uv, "venv", "--allow-existing", "--python", sys.executable, folder], check=True)
    python = folder / "bin/python"
    subprocess.run([*uv, "pip", "install", "--no-index", "--no-deps", "--python", python, wheel], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    asked = [python, "-c", "import gateway; print(gateway.__file__)"]
    where = subprocess.run(asked, cwd=folder, text=True, capture_output=True, check=True).stdout
    assert where.startswith(str(folder)), where
    return folder / "bin"


def environment(programs: Path, home: Path) -> dict[str, str]:
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}


def test_it_holds_every_file_of_the_product(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {str(name) for name in files() if name.parts[0] in PRODUCT} <= held
    assert not {name for name in held if not name.startswith((*(f"{one}/" for one in PRODUCT), "tokaut-"))}


def test_its_demo_runs_in_an_empty_folder_with_blanks_in_its_name(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a new dir=b"
    folder.mkdir()
    done = subprocess.run(
        ["tokaut", "demo", "--once", "--port", str(free_port())],
        cwd=folder,
        env=environment(programs, tmp_path),
        text=True,
        capture_output=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Pikinini Helpline has report.created" in done.stdout
    assert [path.name for path in folder.iterdir()] == ["var"]


@dataclass
class Operator:
    """An operator who types the commands of the page. Only the ports are replaced."""

    programs: Path
    home: Path
    web: int = field(default_factory=free_port)
    console: int = field(default_factory=free_port)
    hotline: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        _, _, rest = read("docs/install.md").partition("\n## Setting up\n")
        page, _, _ = rest.partition("\n## ")
        self.steps = dict(re.findall(r"^### \d+\. ([^\n]+)\n.*?^```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))

    @property
    def commands(self) -> list[str]:
        """Return every command of the page; a loop is one."""
        code = re.sub(r"\bdo\n.*?\ndone\n", "do …\n", "".join(self.steps.values()), flags=re.DOTALL)
        return code.splitlines()

    def init(self) -> str:
        ports = {"PORT": self.web, "CONSOLE_PORT": self.console, "PRACTICE_HOTLINE_PORT": self.hotline}
        ours = " ".join(f"--set {name}={port}" for name, port in ports.items())
        return f"{self.steps['Write settings, secrets and keys'].strip()} {ours} --set WEB_CONCURRENCY=1\n"

    def types(self, code: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-c", code],
            env=environment(self.programs, self.home),
            cwd=self.home,
            text=True,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def first_terminal(self) -> Iterator[Path]:
        """Run steps 1 to 4 until the block ends. Yields the file with all output."""
        installed = "".join(self.steps["Install the package"].splitlines(keepends=True)[3:])  # the wheel already exists
        code = "set -e\n" + installed + self.init() + self.steps["Create the database"]
        said = self.home / "said"
        with said.open("wb") as out:
            running = subprocess.Popen(
                die_with_parent(["/bin/sh", "-c", f"{code}exec {self.steps['Start the processes']}"]),
                env=environment(self.programs, self.home),
                cwd=self.home,
                stdout=out,
                stderr=out,
            )
        try:
            until(
                lambda: "Everything runs" in said.read_text() or running.poll() is not None, f"see {said}", seconds=150
            )
            assert running.poll() is None, said.read_text()
            yield said
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=60) == 0, said.read_text()

    def second_terminal(self, step: str) -> tuple[int, str]:
        settings = self.steps["Check the installation"].splitlines()[0]
        return self.types(f"{settings}\n{step.replace(':8000/', f':{self.web}/')}")


def wrong(said: str) -> list[str]:
    return re.findall(r"^  x (.*)$", said, re.MULTILINE)


@pytest.fixture
def operator(programs: Path, tmp_path: Path) -> Operator:
    return Operator(programs, tmp_path)


def test_the_page_leads_to_a_report_that_was_delivered(operator: Operator) -> None:
    assert len(operator.commands) <= MAX_COMMANDS, operator.commands
    with operator.first_terminal() as said:
        assert re.search(r"^tokaut, version \d", said.read_text(), re.MULTILINE)
        status, found = operator.second_terminal("tokaut check")
        assert (status, wrong(found)) == (0, []), found
        assert "Nothing is wrong for training mode." in found
        assert "? No backup was ever made." in found
        hooks = f"http://127.0.0.1:{operator.web}/hooks/ussd"
        assert requests.post(f"{hooks}/a-token-that-is-wrong", timeout=10).status_code == 404
        _, shown = operator.second_terminal(operator.steps["Send a drill"])
        assert shown.splitlines()[-1].startswith('{"text":"DRILL Sent.'), shown
        received = operator.home / "tokaut/data" / RECEIVED
        until(lambda: received.exists() and received.read_text().count("\n") == 1, f"see {said}", seconds=60)
        page = requests.get(f"http://127.0.0.1:{operator.hotline}/", timeout=10).text
        _, delivered = operator.second_terminal("tokaut deliveries list --state delivered")
    line = json.loads(received.read_text())
    assert (line["hotline"], line["body"]["type"]) == ("vu-pikinini", "report.created")
    assert line["body"]["data"]["report_id"] in page
    assert line["body"]["data"]["report_id"] in delivered
    logs = "".join(path.read_text(errors="replace") for path in (operator.home / "tokaut/data/log").iterdir())
    assert '"event":"crashed"' not in logs
    assert '"event":"webhook_refused"' in logs
    [submitted] = re.findall(r'"event":"report_submitted".*"report_id":"([0-9a-f-]+)"', logs)
    assert submitted == line["body"]["data"]["report_id"]
    assert "6785550101" not in logs


def test_check_finds_before_the_start_that_web_would_read_private_keys(operator: Operator) -> None:
    settings = operator.home / "tokaut/tokaut.env"
    operator.types(operator.init())
    settings.write_text(re.sub(r"^TOKAUT_WEB_KEYS=.*$", "", settings.read_text(), flags=re.MULTILINE))
    _, found = operator.types(operator.steps["Create the database"] + "tokaut check")
    [line, _] = wrong(found)  # the other fault: Valkey does not run
    assert line.startswith(f"web must not have access to private keys, and can read {settings.parent}/keys/private/")
    assert "tokaut keys publish" in line
    _, started = operator.types(operator.steps["Create the database"] + "tokaut start")
    assert line in started
    for advice in ("take it away", "delete", "remove", "rotate"):
        assert advice not in line
