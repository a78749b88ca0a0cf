"""With another TOKAUT_STORE_KEY web does not start, moves no spool entry, and names the reason in one line."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conversations import TO_SEND, is_sent, received_once, ussd_phone_before_dialling, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.wait import until

pytestmark = pytest.mark.slow
WRONG = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


def tokaut(installation: FaultyInstallation, *command: str, **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tokaut", *command],
        env={**installation.environment, **settings, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_another_store_key_stops_web_and_the_right_one_files_all(installation: FaultyInstallation) -> None:
    phone = ussd_phone_before_dialling(installation)
    walk(phone, TO_SEND)
    with installation.locked():
        assert is_sent(phone.type("1"))
        installation.kill("web")
    assert installation.spooled() == 1
    installation.start("web", {"TOKAUT_STORE_KEY": WRONG})
    assert installation.processes["web"].wait(timeout=60) != 0
    said = installation.log("web").read_text()
    assert said.count("TOKAUT_STORE_KEY is not the key that this database was written with") == 1
    assert installation.spooled() == 1, "nothing was put aside"
    assert "is not the key that this database was written with" in tokaut(installation, "check", TOKAUT_STORE_KEY=WRONG)
    installation.start("web")
    installation.until_web_answers()
    received_once(installation, phone.phone)


def test_an_entry_that_does_not_open_is_told_of(installation: FaultyInstallation) -> None:
    spool: Path = installation.plan.folder.inside / "spool"
    (spool / f"{1:020d}-01a211b9-f7d0-7c31-9d5e-000000000001-1.box").write_bytes(b"torn")
    until(lambda: installation.count("host WHERE spool_bad = 1") == 1, "web says nothing of it")
    for command in (("watch", "--once"), ("check",)):
        said = " ".join(tokaut(installation, *command).split())
        assert "1 entries of the spool on" in said
        assert "docs/operating/spool.md" in said
