"""schemathesis calls a running web and console by docs/contracts, with valid signatures."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from reports.crypto.key_files import load_public_keys, read_private_key
from tests.contracts.running import CONTRACTS, Running
from tests.kit.samples import KIT
from tokaut.documents.recovery_sheet import sheet_text

pytestmark = pytest.mark.slow
HOTLINE = "vu-pikinini"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    one = Running()
    yield one
    one.installation.down()


@pytest.mark.parametrize("name", ["console", "web"])
def test_what_is_documented_is_what_is_answered(running: Running, name: str, request: pytest.FixtureRequest) -> None:
    """The requests are always the same; `--daily` sends fewer, and `make contracts` others each time."""
    examples = "3" if request.config.getoption("--daily") else "100"
    done = running.schemathesis(name, "--seed", "1", "--max-examples", examples)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout


@pytest.mark.parametrize(
    ("path", "right", "planted", "found"),
    [
        ("/readyz", "redis: {type: boolean}", "redis: {type: string}", "true is not of type"),
        ("/hooks/twilio_voice/call", '&twilio_voice\n        "200"', '&twilio_voice\n        "299"', "Received: 200"),
    ],
    ids=["type", "status"],
)
def test_an_answer_that_is_not_documented_would_be_found(
    running: Running, path: str, right: str, planted: str, found: str
) -> None:
    """The document has another type for a field, or no status 200, which only a signed request gets."""
    wrong = running.installation.folder / "wrong.yaml"
    text = (CONTRACTS / "web.openapi.yaml").read_text(encoding="utf-8")
    assert text.count(right) == 1
    wrong.write_text(text.replace(right, planted), encoding="utf-8")
    options = ("--seed", "1", "--include-path", path, "--phases", "coverage")
    done = running.schemathesis("web", *options, document=wrong)
    assert done.returncode == 1
    assert found in done.stdout, done.stdout


def test_the_kit_fetches_again_what_was_lost(running: Running) -> None:
    """The private key comes from the recovery sheet; the first run fills received.db, the second finds nothing new."""
    folder = running.installation.folder / "hotline"
    folder.mkdir()
    public = load_public_keys(running.keys, [HOTLINE])[HOTLINE]
    sheet = sheet_text(HOTLINE, read_private_key(running.keys, HOTLINE, public.key_id))
    groups = sheet.partition("private key and check\n")[2].partition("  To put it back")[0].replace("\n", " ")
    (folder / "keys.txt").write_text(groups)
    secret = running.installation.plan.secrets.hotlines[HOTLINE]
    around = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "KEY_FILE": "keys.txt"}
    command = [
        sys.executable,
        str(KIT / "fetch_again.py"),
        f"{running.installation.plan.where.console}/hotlines/{HOTLINE}",
    ]
    said = [
        subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, timeout=120, check=True).stdout
        for _ in range(2)
    ]
    assert said == [f"{count} put back, 0 withheld, 0 without a key\n" for count in (1, 0)]
    with closing(sqlite3.connect(folder / "received.db")) as database:
        [(body,)] = database.execute("SELECT body FROM received").fetchall()
    assert json.loads(body)["data"] == {"narrative": "made up"}
