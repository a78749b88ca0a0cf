"""The file of the phone pepper: this month's and last month's, none older."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.crypto.phone_pepper import load_pepper, rotate_pepper
from runtime.settings import SettingError

NUMBER = "+6785550101"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pepper"


@pytest.mark.rule("S-14")
def test_two_rotations_forget_the_first_month(path: Path) -> None:
    assert rotate_pepper(path) is False
    first = load_pepper(path).pseudonym(NUMBER)
    assert rotate_pepper(path) is True
    second = load_pepper(path)
    assert second.pseudonym(NUMBER) != first
    assert second.pseudonyms(NUMBER)[1] == first
    rotate_pepper(path)
    assert first not in load_pepper(path).pseudonyms(NUMBER)
    assert len(path.read_text().splitlines()) == 2


def test_the_file_is_for_one_account_and_no_other_file_stays_beside_it(path: Path) -> None:
    rotate_pepper(path)
    rotate_pepper(path)
    assert [one.name for one in path.parent.iterdir()] == ["pepper"]
    assert path.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(
    "text",
    ["", "short", "c2hvcnQ=", "!", f"{'A' * 43}=\n" * 3, "\xe9"],
    ids=["empty", "bad", "short", "sign", "3", "latin"],
)
def test_a_file_that_holds_no_pepper_stops_the_start(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o400)
    with pytest.raises(SettingError) as raised:
        load_pepper(path)
    assert str(raised.value) == (
        f"TOKAUT_PHONE_PEPPER_FILE names {path}, which holds no pepper; remove it and make a new one:"
        " tokaut keys rotate phone-pepper"
    )


def test_missing_or_open_to_others(path: Path) -> None:
    with pytest.raises(SettingError, match="which is not there; make it: tokaut keys rotate phone-pepper"):
        load_pepper(path)
    rotate_pepper(path)
    path.chmod(0o640)
    with pytest.raises(SettingError, match="which others can read; chmod 0400"):
        load_pepper(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="which cannot be written"):
        rotate_pepper(tmp_path / "none" / "pepper")
