"""Web with another TOKAUT_STORE_KEY does not start, moves no spool entry, and says why in one line."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.city import City
from tests.faults.conversations import TO_SEND, is_sent, received_once, ussd_phone_before_dialling, walk
from tests.support.wait import until

pytestmark = pytest.mark.slow
WRONG = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


def tokaut(city: City, *command: str, **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tokaut", *command],
        env={**city.environment, **settings, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_another_store_key_stops_web_and_the_right_one_files_all(city: City) -> None:
    phone = ussd_phone_before_dialling(city)
    walk(phone, TO_SEND)
    with city.locked():
        assert is_sent(phone.type("1"))
        city.kill("web")
    assert city.spooled() == 1
    city.start("web", {"TOKAUT_STORE_KEY": WRONG})
    assert city.processes["web"].wait(timeout=60) != 0
    said = city.log("web").read_text()
    assert said.count("TOKAUT_STORE_KEY is not the key that this database was written with") == 1
    assert city.spooled() == 1, "nothing was put aside"
    assert "is not the key that this database was written with" in tokaut(city, "check", TOKAUT_STORE_KEY=WRONG)
    city.start("web")
    city.until_web_answers()
    received_once(city, phone.phone)


def test_an_entry_that_does_not_open_is_told_of(city: City) -> None:
    spool: Path = city.plan.folder.inside / "spool"
    (spool / f"{1:020d}-01a211b9-f7d0-7c31-9d5e-000000000001-1.box").write_bytes(b"torn")
    until(lambda: city.count("host WHERE spool_bad = 1") == 1, "web says nothing of it")
    for command in (("watch", "--once"), ("check",)):
        said = " ".join(tokaut(city, *command).split())
        assert "1 entries of the spool on" in said
        assert "docs/operating/spool.md" in said
