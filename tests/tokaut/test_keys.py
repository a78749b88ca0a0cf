"""`tokaut keys`, as an operator runs it."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reports.crypto import PrivateKey
from reports.crypto.key_files import load_private_keys, load_public_keys, missing_keys, readable_private_keys
from reports.crypto.phone_pepper import load_pepper
from reports.store.engine.database import Database
from reports.store.operations.spool_status import SpoolStatus, save_status
from runtime.settings import parsers
from tests.support.prepared import migrate
from tokaut.commands.keys import keys
from tokaut.documents import recovery_sheet

HOTLINE = "vu-pikinini"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TOKAUT_MODE", "TOKAUT_KEYS", "DATABASE_URL", "TOKAUT_PHONE_PEPPER_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOKAUT_DATA", str(tmp_path))
    monkeypatch.setattr(os, "umask", lambda _: 0)  # harden() is for a process of its own; pytest continues
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    return tmp_path / "keys"


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(keys, arguments, input=given)


def line(result: Result) -> str:
    assert result.exit_code == 1
    return result.output.strip().splitlines()[-1]


def test_new_says_the_key_id_and_where_both_halves_are(here: Path) -> None:
    result = run("new", HOTLINE)
    key_id = load_public_keys(here, [HOTLINE])[HOTLINE].key_id
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == f"{HOTLINE}: key id {key_id}"
    assert str(here / "public" / HOTLINE / f"{key_id}.pub") in result.output
    assert "RECOVERY" not in result.output


def test_new_never_replaces_a_key() -> None:
    run("new", HOTLINE)
    assert line(run("new", HOTLINE)) == (
        f"{HOTLINE} has a key. For a new one that replaces it: tokaut keys rotate {HOTLINE}"
    )


@pytest.mark.parametrize("name", [HOTLINE, "_audit"])
def test_private_keys_that_were_restored_alone_get_no_new_ones_beside_them(here: Path, name: str) -> None:
    run("new", name)
    shutil.rmtree(here / "public")
    said = line(run("new", name))
    assert f"{here / 'private'} has keys of {name}, and {here / 'public'} has none of them. Make no new ones" in said
    assert len(list((here / "private" / name).iterdir())) == 1
    assert missing_keys(here, [name, "vu-police"]) + "." == said


@pytest.mark.parametrize("half", ["private", "public"])
@pytest.mark.parametrize("name", [HOTLINE, "_audit"])
def test_a_pair_that_found_no_room_can_be_made_once_there_is_some(
    here: Path, name: str, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        if f"/{half}/" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "No space left on device" in line(run("new", name))
    assert list((here / "private" / name).iterdir()) == []
    assert run("new", name).exit_code == 0


def test_publish_gives_web_a_folder_without_private_keys(here: Path, tmp_path: Path) -> None:
    assert line(run("publish")) == "No folder is named. Set TOKAUT_WEB_KEYS, or give one: tokaut keys publish FOLDER"
    web = tmp_path / "web"
    assert "Make the pairs first" in line(run("publish", str(web)))
    run("new", HOTLINE)
    assert run("publish", str(web)).output == f"{web} has every public key of {here}; 2 files are new. Restart web.\n"
    assert load_public_keys(web, [HOTLINE])[HOTLINE].key_id == load_public_keys(here, [HOTLINE])[HOTLINE].key_id
    assert list(readable_private_keys(web)) == []


def test_a_sheet_brings_the_key_back(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("new", HOTLINE, "--sheet")
    groups = " ".join(re.findall(r"(?m)^    ((?:[0-9a-f]{4} ?)+)$", result.output))
    monkeypatch.setenv("TOKAUT_KEYS", str(tmp_path / "drill"))
    drill = run("restore", HOTLINE, given=f"{groups}\n")
    key_id = load_public_keys(here, [HOTLINE])[HOTLINE].key_id
    assert drill.output.splitlines()[-1] == f"{HOTLINE}: the private key {key_id} is back."
    assert groups not in drill.output
    assert load_private_keys(tmp_path / "drill", [HOTLINE]).of(HOTLINE, key_id).key_id == key_id


def test_a_sheet_of_another_hotline_is_not_called_back(here: Path, tmp_path: Path) -> None:
    result = run("new", HOTLINE, "--sheet")
    groups = " ".join(re.findall(r"(?m)^    ((?:[0-9a-f]{4} ?)+)$", result.output))
    run("new", "vu-police")
    refused = run("restore", "vu-police", given=f"{groups}\n")
    assert refused.exit_code == 1
    assert line(refused) == f"This is the sheet of {HOTLINE}, not of vu-police. Nothing was written."
    assert len(list((here / "private" / "vu-police").iterdir())) == 1
    assert "is there already; only if it is damaged" in run("restore", HOTLINE, given=f"{groups}\n").output
    for half in ("public", "private"):
        shutil.rmtree(here / half / HOTLINE)
    said = run("restore", "vu-police", given=f"{groups}\n").output
    assert said.endswith("No public key of vu-police here has this id. Is it the sheet of vu-police?\n")


def test_a_damaged_key_of_another_hotline_keeps_no_sheet_back(here: Path) -> None:
    result = run("new", HOTLINE, "--sheet")
    groups = " ".join(re.findall(r"(?m)^    ((?:[0-9a-f]{4} ?)+)$", result.output))
    shutil.rmtree(here / "private" / HOTLINE)
    damaged = here / "public" / "vu-police" / f"{'0' * 16}.pub"
    damaged.parent.mkdir()
    damaged.write_text("x25519")
    said = run("restore", HOTLINE, given=f"{groups}\n").output
    assert said.endswith("is back.\n")
    shutil.rmtree(here / "private" / HOTLINE)
    for path in (here / "public" / HOTLINE).iterdir():  # the folder stays
        path.unlink()
    assert run("restore", HOTLINE, given=f"{groups}\n").output.endswith("is back.\n")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("dead beef", "The sheet has 17 groups of 4"),
        ("no hex at all", "The sheet has 17 groups of 4"),
        ("0001 " * 17, "Something was typed wrong"),
        ("0001 " * 18, "Something was typed wrong"),
    ],
)
def test_a_sheet_typed_wrong(typed: str, says: str) -> None:
    assert line(run("restore", HOTLINE, given=f"{typed}\n")).startswith(says)


def test_each_wrong_digit_of_a_sheet_is_noticed() -> None:
    private = PrivateKey.from_raw(bytes(range(32)))
    right = "".join(re.findall(r"(?m)^    ([0-9a-f ]+)$", recovery_sheet.sheet_text(HOTLINE, private))).replace(" ", "")
    assert recovery_sheet.parse_sheet(right).key_id == private.key_id
    for at, digit in enumerate(right):
        wrong = right[:at] + ("0" if digit != "0" else "1") + right[at + 1 :]
        with pytest.raises(recovery_sheet.SheetError):
            recovery_sheet.parse_sheet(wrong)


def test_list_shows_the_current_key_first(here: Path) -> None:
    run("new", HOTLINE)
    old = load_public_keys(here, [HOTLINE])[HOTLINE].key_id
    run("rotate", HOTLINE)
    new = load_public_keys(here, [HOTLINE])[HOTLINE].key_id
    shown = [row.split() for row in run("list").output.splitlines()]
    assert [(row[0], row[1], row[3]) for row in shown] == [(HOTLINE, new, "current"), (HOTLINE, old, "older")]


def test_a_folder_without_keys_or_one_that_cannot_be_read_is_said_so(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line(run("list")).startswith(f"There is no key under {here}.")
    run("new", HOTLINE)
    (here / "public" / "vu-police").touch()  # as root a test cannot lose the right to read a folder
    for words in (["list"], ["publish", str(tmp_path / "web")]):
        assert line(run(*words)).startswith(f"{here}/public/vu-police cannot be read (Not a directory)")
    monkeypatch.setenv("TOKAUT_KEYS", str(here / "public" / "vu-police"))
    assert "cannot be read (Not a directory)" in line(run("list"))


def test_rotate_without_a_database_only_makes_the_pair(here: Path, tmp_path: Path) -> None:
    run("new", HOTLINE)
    result = run("rotate", HOTLINE)
    assert result.exit_code == 0
    assert "rows" not in result.output
    assert not (tmp_path / "tokaut.db").exists()


def test_rotate_says_what_became_of_the_rows(here: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    database.close()
    run("new", HOTLINE)
    old = load_public_keys(here, [HOTLINE])[HOTLINE].key_id
    result = run("rotate", HOTLINE)
    assert "0 rows are under the new key now." in result.output
    assert f"Older key {old}: no row names it any more." in result.output
    assert "key id" not in run("rotate", HOTLINE, "--rewrap-only").output


def test_rotate_with_the_database_away_keeps_both_keys_and_says_how_to_go_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("new", HOTLINE)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")
    result = run("rotate", HOTLINE)
    assert line(result).endswith(f"they open as before. Later: tokaut keys rotate {HOTLINE} --rewrap-only")
    assert len(list((here / "private" / HOTLINE).iterdir())) == 2


def test_rotate_needs_a_key() -> None:
    assert line(run("rotate", HOTLINE)) == f"{HOTLINE} has no key yet. Make one: tokaut keys new {HOTLINE}"


def test_the_pepper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert line(run("rotate", "phone-pepper")).startswith("TOKAUT_PHONE_PEPPER_FILE is not set;")
    monkeypatch.setenv("TOKAUT_PHONE_PEPPER_FILE", str(tmp_path / "pepper"))
    assert run("rotate", "phone-pepper").output == f"{tmp_path / 'pepper'} holds a new pepper. Restart web.\n"
    assert "and last month’s" in run("rotate", "phone-pepper").output
    assert len(load_pepper(tmp_path / "pepper").pseudonyms("+6785550101")) == 2


def test_secrets_are_taken_by_the_settings_that_they_are_for() -> None:
    assert len(parsers.secret_keys(run("secret").output.strip()).reveal()[0]) == 32
    assert parsers.webhook_secrets(run("secret", "--webhook").output.strip()).reveal()[0].startswith("whsec_")


def test_a_wrong_setting_or_name_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert line(run("new", "../etc")) == "'../etc' is not a valid hotline id: small letters, digits, - and _"
    monkeypatch.setenv("TOKAUT_MODE", "Live")
    assert line(run("new", HOTLINE)) == "TOKAUT_MODE is 'Live'; it can be demo, training or live"


def test_a_key_that_is_not_there_can_not_be_destroyed(tmp_path: Path) -> None:
    """tests/retention/test_keys.py tests the effect of destroying a key, also on backups."""
    result = CliRunner().invoke(keys, ["destroy", "vu-pikinini", "0" * 16], env={"TOKAUT_DATA": str(tmp_path)})
    assert result.exit_code == 1


@pytest.fixture
def rotated(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, str]]:
    """Yield an installation whose key was replaced after it was published, and the older key."""
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    monkeypatch.setenv("TOKAUT_WEB_KEYS", str(tmp_path / "web"))
    run("new", HOTLINE)
    run("publish")
    old = load_public_keys(here, [HOTLINE])[HOTLINE].key_id
    run("rotate", HOTLINE)
    yield database, old
    database.close()


def test_an_id_that_is_mistyped_is_not_said_to_be_in_use(here: Path, rotated: tuple[Database, str]) -> None:
    assert line(run("destroy", HOTLINE, "0123456789abcdef")).startswith(f"{HOTLINE} has no key 0123456789abcdef under")


def test_the_key_to_which_web_seals_is_not_destroyed(here: Path, rotated: tuple[Database, str]) -> None:
    old = here / "private" / HOTLINE / f"{rotated[1]}.key"
    assert line(run("destroy", HOTLINE, rotated[1], "--restarted")).startswith(f"web seals to {rotated[1]}")
    assert old.exists()
    run("publish")
    assert "restarted since the newer key" in line(run("destroy", HOTLINE, rotated[1]))
    assert old.exists()
    assert run("destroy", HOTLINE, rotated[1], "--restarted").exit_code == 0
    assert not old.exists()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (SpoolStatus("one/web", 1, 0, 0), "one/web may hold 1 report"),
        (SpoolStatus("one/web", 0, 0, 2), "one/web may hold 2 reports"),
        (SpoolStatus("one/web", 0, 0, 0, unseen=130), "one/web was last seen 13"),
        (SpoolStatus("one/web", 0, 0, 0), None),
        (SpoolStatus("one/clock-1", 0, 0, 0, unseen=900), None),
    ],
)
def test_a_key_that_a_spool_may_need_is_not_destroyed(
    here: Path, rotated: tuple[Database, str], status: SpoolStatus, reason: str | None
) -> None:
    database, key_id = rotated
    run("publish")
    database.offset = -status.unseen * 1_000_000
    save_status(database, status)
    result = run("destroy", HOTLINE, key_id, "--restarted")
    assert (reason or "is destroyed here") in result.output
    assert (here / "private" / HOTLINE / f"{key_id}.key").exists() == bool(reason)
