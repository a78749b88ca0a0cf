"""Secrets in files, the data folder, and the settings of each hotline."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from runtime.settings import SHARED_SETTINGS, WebSecrets, load_all_settings, load_settings
from tests.reports.environments import SESSION, faults, live_environment


@pytest.fixture
def live(tmp_path: Path) -> dict[str, str]:
    return live_environment(tmp_path)


# Secrets in files


def test_a_secret_comes_from_a_file(live: dict[str, str], tmp_path: Path) -> None:
    del live["TOKAUT_SESSION_KEY"]
    path = tmp_path / "session_key"
    path.write_text(f"{SESSION}\n")
    path.chmod(0o400)
    settings = load_all_settings(SHARED_SETTINGS, {**live, "TOKAUT_SESSION_KEY_FILE": str(path)})
    assert (
        settings[WebSecrets].session_key.reveal()
        == load_settings(WebSecrets, {**live, "TOKAUT_SESSION_KEY": SESSION}).session_key.reveal()
    )


def test_name_and_file_both(live: dict[str, str], tmp_path: Path) -> None:
    assert faults({**live, "TOKAUT_SESSION_KEY_FILE": str(tmp_path / "key")}) == [
        "TOKAUT_SESSION_KEY and TOKAUT_SESSION_KEY_FILE are both set; keep one, better the file"
    ]


def test_file_missing(live: dict[str, str], tmp_path: Path) -> None:
    del live["TOKAUT_SESSION_KEY"]
    (line,) = faults({**live, "TOKAUT_SESSION_KEY_FILE": str(tmp_path / "key")})
    assert line == (
        "TOKAUT_SESSION_KEY is given by TOKAUT_SESSION_KEY_FILE, which cannot be read (No such file or directory);"
        f" correct the path {tmp_path / 'key'}"
    )


def test_file_of_another_account(live: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del live["TOKAUT_SESSION_KEY"]
    path = tmp_path / "session_key"
    path.write_text(SESSION)
    path.chmod(0o400)

    def refused(_: Path) -> bytes:  # root may read every file
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    (line,) = faults({**live, "TOKAUT_SESSION_KEY_FILE": str(path)})
    assert line == (
        f"TOKAUT_SESSION_KEY is given by TOKAUT_SESSION_KEY_FILE, and this account may not read {path}; chown it to "
        "the account that needs it, or run this as that account"
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_file_that_others_can_read(live: dict[str, str], tmp_path: Path, mode: int) -> None:
    del live["TOKAUT_SESSION_KEY"]
    path = tmp_path / "session_key"
    path.write_text(SESSION)
    path.chmod(mode)
    assert faults({**live, "TOKAUT_SESSION_KEY_FILE": str(path)}) == [
        f"TOKAUT_SESSION_KEY is given by TOKAUT_SESSION_KEY_FILE, a file that others can read; chmod 0400 {path}"
    ]


def test_file_of_bytes(live: dict[str, str], tmp_path: Path) -> None:
    del live["TOKAUT_SESSION_KEY"]
    path = tmp_path / "session_key"
    path.write_bytes(bytes(range(128, 160)))
    path.chmod(0o400)
    (line,) = faults({**live, "TOKAUT_SESSION_KEY_FILE": str(path)})
    assert line.endswith("which is not text; write the value as one line of plain text")


# The data folder


def test_data_is_a_file(live: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    for inside in ("var", "var/below"):
        assert faults({**live, "TOKAUT_DATA": str(tmp_path / inside)}) == [
            f"TOKAUT_DATA goes through {tmp_path / 'var'}, which is a file; name a folder"
        ]


def test_data_is_not_writable(live: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # works also if the tests run as root
    (line,) = faults(live)
    assert line == (
        f"TOKAUT_DATA is not writable for this account at {tmp_path}; name another folder or change its owner"
    )


def test_live_refuses_a_data_folder_that_others_enter(live: dict[str, str], tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert faults(live) == [f"TOKAUT_DATA can be entered by other accounts; chmod 0700 {tmp_path}"]


@pytest.mark.parametrize(("mode", "beside", "taken"), [(0o440, "", True), (0o444, "", False), (0o440, "er", False)])
def test_a_credential_of_systemd_shows_a_right_of_the_group(
    live: dict[str, str], tmp_path: Path, mode: int, beside: str, taken: bool
) -> None:
    """It is the ACL with which the unit's account reads it; a file elsewhere is no credential."""
    folder = tmp_path / f"credential{beside}"
    folder.mkdir()
    path = folder / "session_key"
    path.write_text(SESSION)
    path.chmod(mode)
    del live["TOKAUT_SESSION_KEY"]
    given = {**live, "TOKAUT_SESSION_KEY_FILE": str(path), "CREDENTIALS_DIRECTORY": str(tmp_path / "credential")}
    assert bool(faults(given)) is not taken


def test_a_file_that_is_a_pipe_is_refused_and_not_waited_for(live: dict[str, str], tmp_path: Path) -> None:
    del live["TOKAUT_SESSION_KEY"]
    os.mkfifo(tmp_path / "pipe", 0o600)
    holder = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    os.write(holder, SESSION.encode())
    assert faults({**live, "TOKAUT_SESSION_KEY_FILE": str(tmp_path / "pipe")}) == [
        "TOKAUT_SESSION_KEY is given by TOKAUT_SESSION_KEY_FILE, which is not a regular file; correct the path "
        f"{tmp_path / 'pipe'}"
    ]
    os.close(holder)
