"""The shipped command: the account and the settings with which each `tokaut …` of the pages runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.machine import DEPLOY

COMMAND = DEPLOY / "command.sh"
FAKE = '#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n'


def ran(folder: Path, *words: str, script: Path = COMMAND, **around: str) -> list[str]:
    """Return the words that systemd-run gets; its options come first."""
    (folder / "systemd-run").write_text(FAKE)
    (folder / "systemd-run").chmod(0o755)
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(["sh", str(script), *words], env=path | around, text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.rule("A-42")
@pytest.mark.parametrize(
    ("words", "account", "reads"),
    [
        ("check", "root", {"tokaut", "worker", "clock"}),
        ("check --country vu", "root", {"tokaut", "worker", "clock"}),
        ("check --worker", "tokaut-worker", {"tokaut", "worker", "clock"}),
        ("staff list vu-pikinini", "tokaut-console", {"tokaut", "console"}),
        ("restore /mnt/backup/one", "root", {"tokaut", "worker", "clock"}),
        ("migrate", "tokaut-worker", {"tokaut", "worker", "clock"}),
        ("keys rotate vu-pikinini", "tokaut-worker", {"tokaut", "worker", "clock"}),
        ("watch", "tokaut-worker", {"tokaut", "worker", "clock"}),
    ],
)
def test_each_has_its_account_and_its_settings(tmp_path: Path, words: str, account: str, reads: set[str]) -> None:
    said = ran(tmp_path, *words.split())
    assert f"--uid={account}" in said
    assert set(re.findall(r"EnvironmentFile=-?/etc/tokaut/(\w+)\.env", "\n".join(said))) == reads
    assert said[-len(words.split()) - 3 :] == ["/opt/tokaut/.venv/bin/python", "-m", "tokaut", *words.split()]


def test_check_sees_the_secrets_of_web_and_console_and_the_others_do_not(tmp_path: Path) -> None:
    assert "TOKAUT_CONSOLE_KEY_FILE=/etc/tokaut/secrets/console/console_key" in ran(tmp_path, "check")
    assert "TOKAUT_STORE_KEY_FILE=/etc/tokaut/secrets/web/store_key" in ran(tmp_path, "check")
    for words in (["check", "--worker"], ["staff", "list"], ["watch"], ["restore", "/one"]):
        assert not [word for word in ran(tmp_path, *words) if "secrets" in word], words


def test_words_with_blanks_stay_words(tmp_path: Path) -> None:
    assert ran(tmp_path, "hold", "put", "a b")[-1] == "a b"


def test_of_the_callers_environment_the_mode_alone_reaches_check(tmp_path: Path) -> None:
    assert "TOKAUT_MODE=live" in ran(tmp_path, "check", TOKAUT_MODE="live")
    assert "TOKAUT_MODE=live" not in ran(tmp_path, "watch", TOKAUT_MODE="live")


def test_the_owners_address_is_for_migrate_alone(tmp_path: Path) -> None:
    owner = tmp_path / "owner"
    owner.touch()
    script = tmp_path / "command.sh"
    script.write_text(COMMAND.read_text().replace("/etc/tokaut/postgresql/owner", str(owner)))
    said = ran(tmp_path, "migrate", script=script)
    assert ("--uid=root" in said, f"DATABASE_URL_FILE={owner}" in said) == (True, True)
    assert not [word for word in said if "clock.env" in word]
    assert f"DATABASE_URL_FILE={owner}" not in ran(tmp_path, "watch", script=script)
