"""The id of a host: created once, stored, never only the host name, never another host's id."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime import host_id
from runtime.settings import CommonSettings, SettingError, load_settings


def test_it_is_created_once_and_kept(tmp_path: Path) -> None:
    assert host_id.find(tmp_path) is None
    first = host_id.find_or_create(tmp_path / "data")
    assert first == host_id.find_or_create(tmp_path / "data") == host_id.find(tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["host_id"]


def test_two_hosts_of_one_name_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "web")
    ids = {host_id.find_or_create(tmp_path / folder) for folder in "ab"}
    assert len(ids) == 2 and all(one.startswith("web-") for one in ids)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: host_id.find_or_create(tmp_path), range(8)))) == 1


def test_a_disk_that_takes_no_file_stops_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "a name.with/odd letters")
    (tmp_path / "file").touch()
    assert host_id.find_or_create(tmp_path / "file" / "data") == "a-name-with-odd-letters"


def test_the_operators_name_comes_first(tmp_path: Path) -> None:
    settings = load_settings(CommonSettings, {"TOKAUT_DATA": str(tmp_path), "TOKAUT_HOST": "vu-web-1"})
    assert settings.host == "vu-web-1" and not (tmp_path / "host_id").exists()


@pytest.mark.parametrize("name", ["a/b", "-a", "a" * 41, "a b"])
def test_a_name_that_cannot_be_one_stops_the_start(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match="TOKAUT_HOST"):
        load_settings(CommonSettings, {"TOKAUT_DATA": str(tmp_path), "TOKAUT_HOST": name})
