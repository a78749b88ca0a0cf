"""*Setting up* of docs/install.md, typed as it stands, to five processes that one file of settings and one command
start: `tokaut check` asks for nothing that the page does not set, and a report reaches its hotline.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.docs.pages import ROOT, read
from tests.support.handsets import Neutral
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack.parent_death import die_with_parent

pytestmark = pytest.mark.slow
HOTLINES = ("vu-pikinini", "vu-womens-centre", "vu-police")
TO_SENT = ("1", "2", "7", "1", "4", "4", "2", "1")  # soon, bullying, me, 13-15, Shefa, no number, Send
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@dataclass
class Operator:
    """Types the page. Its folders and addresses are replaced by those of this test, and nothing else."""

    folder: Path
    redis_url: str
    hotline: int = field(default_factory=free_port)  # the port at which the hotlines' server listens
    web: int = field(default_factory=free_port)
    console: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        (self.folder / "etc").mkdir()
        _, _, rest = read("docs/install.md").partition("\n## Setting up\n")
        page, _, _ = rest.partition("\n## ")
        for old, new in (("/etc/tokaut", self.folder / "etc"), ("/var/lib/tokaut", self.folder / "data")):
            page = page.replace(old, str(new))
        page = re.sub(r"^REDIS_URL=.*$", f"REDIS_URL={self.redis_url}", page, flags=re.MULTILINE)
        page = re.sub(r"^PORT=8000$", f"PORT={self.web}", page, flags=re.MULTILINE)
        self.steps = dict(re.findall(r"^### \d+\. ([^\n]+)\n.*?^```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))

    @property
    def settings(self) -> Path:
        return self.folder / "etc" / "env"

    def makes_secrets(self) -> None:
        """Those of the page, and "the last line for each other hotline of the country file"."""
        secrets = self.steps["Create the secrets"]
        assert self.types(secrets) == ""
        for other in HOTLINES[1:]:
            assert self.types("umask 077\n" + secrets.replace("vu_pikinini", _file(other)).splitlines()[-1]) == ""

    def writes_settings(self, *, without: str = "") -> None:
        given = dict(line.split("=", 1) for line in self.steps["Write the settings"].splitlines())
        for one in HOTLINES:
            given |= {
                f"HOTLINE_{_file(one).upper()}_URL": f"http://127.0.0.1:{self.hotline}/{one}",
                f"HOTLINE_{_file(one).upper()}_PRIVATE": f"127.0.0.1:{self.hotline}",
                f"HOTLINE_{_file(one).upper()}_SECRET_FILE": str(self.folder / "etc" / _file(one)),
            }
        given |= {"WEB_CONCURRENCY": "1", "CONSOLE_CONCURRENCY": "1", "CONSOLE_PORT": str(self.console)}
        given.pop(without, None)
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in given.items()), encoding="utf-8")

    def runs_the_commands(self) -> str:
        code = "".join(self.steps[one] for one in ("Create the keys", "Create the database", "Check the installation"))
        for other in HOTLINES[1:]:
            code = re.sub(r"^(tokaut keys new) vu-pikinini( .*)$", rf"\g<0>\n\1 {other}\2", code, flags=re.MULTILINE)
        return self.types(code)

    def types(self, code: str) -> str:
        done = subprocess.run(
            ["sh", "-uc", code], env={"PATH": PATH}, cwd=ROOT, text=True, capture_output=True, check=False
        )
        return done.stdout + done.stderr

    @contextmanager
    def starts(self) -> Iterator[Path]:
        """The page's one command, until the block ends. Gives the file with all that the processes said."""
        code = re.sub(r"^PATH=\S+ ", "exec ", self.steps["Start the five processes"])
        log = self.folder / "log"
        with log.open("wb") as said:
            running = subprocess.Popen(
                die_with_parent(["/bin/sh", "-c", code]), env={"PATH": PATH}, cwd=ROOT, stdout=said, stderr=said
            )
        try:
            yield log
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(timeout=60)

    @contextmanager
    def at_the_hotlines(self) -> Iterator[Path]:
        """A server of theirs. Gives the file with a line for each delivery that it took."""
        secrets, received = self.folder / "secrets", self.folder / "received"
        files = {one: (self.folder / "etc" / _file(one)).read_text().strip() for one in HOTLINES}
        secrets.write_text(json.dumps(files))
        command = [
            sys.executable,
            "-m",
            "tokaut.local_stack.hotline_server",
            str(self.hotline),
            str(secrets),
            str(received),
        ]
        with subprocess.Popen(die_with_parent(command), env={"PATH": PATH}, cwd=ROOT) as server:
            try:
                yield received
            finally:
                server.terminate()


def _file(hotline: str) -> str:
    return hotline.replace("-", "_")


def wrong(said: str) -> list[str]:
    return re.findall(r"^  x (.*)$", said, re.MULTILINE)


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).ok
    except requests.RequestException:
        return False


def test_the_page_leads_to_five_processes_and_a_report_that_was_delivered(tmp_path: Path, redis_url: str) -> None:
    operator = Operator(tmp_path, redis_url)
    operator.makes_secrets()
    operator.writes_settings()
    said = operator.runs_the_commands()
    assert wrong(said) == [], said
    assert "Nothing is wrong for training mode." in said
    assert "? No backup was ever made." in said
    with operator.at_the_hotlines() as received, operator.starts() as log:
        until(lambda: answers(operator.web) and answers(operator.console), f"see {log}", seconds=90)
        hooks = f"http://127.0.0.1:{operator.web}/hooks/ussd"
        assert requests.post(f"{hooks}/a-token-that-is-wrong", timeout=10).status_code == 404
        token = (tmp_path / "etc" / "ussd_token").read_text().strip()
        phone = Neutral(f"{hooks}/{token}", "+6785550101", "*111*163#")
        seen = phone.dial()
        for reply in TO_SENT:
            seen = phone.type(reply)
        assert seen.text.startswith("DRILL Sent to Pikinini Helpline."), seen.text
        until(lambda: received.exists() and received.read_text().count("\n") == 1, f"see {log}", seconds=60)
    [line] = received.read_text().splitlines()
    assert (json.loads(line)["hotline"], json.loads(line)["body"]["type"]) == ("vu-pikinini", "report.created")
    every = log.read_text(errors="replace")
    for process in ("web.1", "urgent.1", "standard.1", "clock.1", "console.1"):
        assert f"{process}" in every
    assert '"event":"crashed"' not in every
    assert '"event":"webhook_refused"' in every
    [submitted] = re.findall(r'"event":"report_submitted".*"report_id":"([0-9a-f-]+)"', every)
    assert submitted == json.loads(line)["body"]["data"]["report_id"]
    assert "6785550101" not in every


def test_check_finds_before_the_start_that_web_would_read_private_keys(tmp_path: Path, redis_url: str) -> None:
    operator = Operator(tmp_path, redis_url)
    operator.makes_secrets()
    operator.writes_settings(without="TOKAUT_WEB_KEYS")
    [line] = wrong(operator.runs_the_commands())
    assert line.startswith(f"web must not have access to private keys, and can read {tmp_path}/data/keys/private/")
    assert "tokaut keys publish" in line
    web = operator.types(
        f"set -a; . {operator.settings}; gunicorn -c gateway/gunicorn.conf.py --bind 127.0.0.1:{operator.web} "
        "'gateway.asgi:create_app()'"
    )
    assert line in web
    for advice in ("take it away", "delete", "remove", "rotate"):
        assert advice not in line
