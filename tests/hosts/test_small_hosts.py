"""The small form of `make hosts`: one of two web hosts is killed while reporters call, and comes back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.proxy import SHIPPED, nginx
from tests.hosts import network
from tests.hosts.installation import BY_SED
from tests.support.postgres import binaries_with_tls
from tests.support.redis_servers import program_with_tls

LONGEST = 300  # seconds, on a busy machine; alone it takes less than one minute


@pytest.mark.slow
def test_one_of_two_web_hosts_is_killed_and_comes_back() -> None:
    """No report is lost or duplicated, and the other host answers in time. With TLS, if servers with TLS are here."""
    if reason := network.why_not():
        pytest.skip(reason)
    nginx()
    done = subprocess.run(
        [sys.executable, "-m", "tests.hosts"],
        env={**os.environ, "FORM": "small", "TLS": "yes" if binaries_with_tls() and program_with_tls() else "no"},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"reports 30 +kills 1 \(web1 1\) +lost 0 +duplicates 0 ", done.stdout), done.stdout


def changed(script: Path) -> str:
    program = shutil.which("sed")
    assert program
    return subprocess.run([program, "-f", str(script), str(SHIPPED)], capture_output=True, text=True, check=True).stdout


def test_each_change_of_nginx_for_several_hosts_finds_its_line(tmp_path: Path) -> None:
    rules = [line for line in BY_SED.read_text().splitlines() if line.startswith("s|")]
    assert len(rules) == 4
    for number, rule in enumerate(rules):
        script = tmp_path / str(number)
        script.write_text(rule + "\n")
        assert changed(script) != SHIPPED.read_text(), rule


def test_nginx_of_several_hosts_keeps_every_limit_for_clients() -> None:
    limits = re.compile(r"^\s*(limit_\w+ [^;]*|client_\w+ [^;]*|send_timeout [^;]*|add_header [^;]*);", re.MULTILINE)
    assert limits.findall(changed(BY_SED)) == limits.findall(SHIPPED.read_text())
