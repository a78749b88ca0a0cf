"""`tokaut init`: its files, its questions and its refusals. `tests/deploy/test_wheel.py` runs the result."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reports.crypto.key_files import list_keys
from runtime.settings import CommonSettings, Mode, load_settings
from tokaut import new_installation
from tokaut.__main__ import main
from tokaut.checks import installation

QUIET = ("--country", "vu", "--channel", "ussd", "--no-input")
HOTLINES = ("vu-pikinini", "vu-womens-centre", "vu-police")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TOKAUT_", "HOTLINE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "umask", lambda _: 0)  # harden() is for a process of its own; pytest continues
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder"


def init(folder: Path, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["init", str(folder), *words], input=typed)


def settings_of(folder: Path) -> dict[str, str]:
    """Return the settings of tokaut.env as a shell reads them."""
    lines = (folder / "tokaut.env").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def faults(folder: Path) -> list[str]:
    environ = settings_of(folder)
    countries, _ = installation.read_countries(load_settings(CommonSettings, environ), Mode.TRAINING)
    assert countries
    return [*installation.setting_faults(environ), *installation.hotline_faults(environ, countries.hotlines)]


def test_it_writes_what_check_is_content_with_for_one_account_alone(folder: Path) -> None:
    result = init(folder, *QUIET)
    assert result.exit_code == 0, result.output
    assert faults(folder) == []
    for path in (folder, folder / "secrets", folder / "data", folder / "keys/private", *(folder / "secrets").iterdir()):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path
    for hotline in (*HOTLINES, "_sender"):
        [key] = list_keys(folder / "keys", hotline)
        assert key.has_private_key
        assert not list_keys(folder / "web-keys", hotline)[0].has_private_key
    assert result.output.endswith("tokaut migrate\n  tokaut start\n")
    assert f". '{folder}/tokaut.env'" in result.output


def test_no_secret_is_shown_or_written_into_the_settings(folder: Path) -> None:
    result = init(folder, *QUIET, "--set", "SMTP_URL=smtps://desk:a-made-up-word@mail.example:465")
    secrets = {path.name: path.read_text().strip() for path in (folder / "secrets").iterdir()}
    assert secrets["smtp_url"] == "smtps://desk:a-made-up-word@mail.example:465"
    assert len(set(secrets.values())) == len(secrets) == 8
    shown = result.output + (folder / "tokaut.env").read_text()
    assert not [name for name, secret in secrets.items() if secret in shown]


def test_a_password_in_the_address_of_redis_is_a_secret_too(folder: Path) -> None:
    """Every process reads tokaut.env into its environment, so a secret has a file of its own."""
    address = "redis://desk:a-made-up-word@redis.example:6379/0"
    result = init(folder, *QUIET, "--set", f"REDIS_URL={address}")
    assert result.exit_code == 0, result.output
    assert address not in (folder / "tokaut.env").read_text()
    assert (folder / "secrets/redis_url").read_text() == f"{address}\n"
    assert faults(folder) == []


def test_a_folder_of_another_account_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could replace tokaut.env, which a shell runs, or add a link."""
    folder.mkdir()
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    result = init(folder, *QUIET)
    assert result.exit_code == 1 and "belongs to another account" in result.output
    assert list(folder.iterdir()) == []


def test_no_secret_goes_through_a_link_that_comes_while_questions_are_asked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others can write into the empty folder until `init` restricts its mode."""
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir(mode=0o777)
    chmod = Path.chmod

    def just_before(path: Path, mode: int, **more: bool) -> None:
        if path == folder:
            (folder / "secrets").symlink_to(tmp_path / "elsewhere")
        chmod(path, mode, **more)

    monkeypatch.setattr(Path, "chmod", just_before)
    result = init(folder, *QUIET)
    assert result.exit_code == 1 and "is not empty" in result.output
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_nothing_is_overwritten(folder: Path) -> None:
    folder.mkdir()
    (folder / "something").touch()
    result = init(folder, *QUIET)
    assert (result.exit_code, result.output) == (1, f"{folder} is not empty. Name a new folder; nothing was changed.\n")
    assert [path.name for path in folder.iterdir()] == ["something"]


def test_a_script_is_told_everything_that_is_missing_or_wrong_and_nothing_is_written(folder: Path) -> None:
    words = ("--country", "ke", "--channel", "twilio", "--no-input", "--set", "TWILIO_FORM=+6785550100")
    result = init(folder, *words, "--set", "PUBLIC_URL=nowhere")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == [
        "TWILIO_FORM",
        "PUBLIC_URL",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_ACCOUNT_SID",
    ]
    assert lines[0] == "TWILIO_FORM is not a setting of this installation. Leave it out."
    assert "copy the account's auth token from Twilio's console" in lines[2]
    assert not folder.exists()


def test_a_person_is_asked_for_the_provider_and_the_hotlines_and_may_try_again(folder: Path) -> None:
    typed = (
        "vu\ntwilio\nnowhere\nhttps://drill.hotline.example/a\n\n\nthe-token-of-the-account\nAC1\nAC" + "0" * 32 + "\n"
    )
    result = init(folder, typed=typed)
    assert result.exit_code == 0, result.output
    settings = settings_of(folder)
    assert settings["HOTLINE_VU_PIKININI_URL"] == "https://drill.hotline.example/a"
    assert settings["HOTLINE_VU_POLICE_URL"] == "http://127.0.0.1:8300/vu-police"
    assert settings["TWILIO_ACCOUNT_SID"] == "AC" + "0" * 32
    assert (folder / "secrets/twilio_auth_token").read_text() == "the-token-of-the-account\n"
    assert "the-token-of-the-account" not in result.output
    assert "Give vu-pikinini its secret, by a safe way:" in result.output
    assert "Without an address yet: vu-womens-centre, vu-police." in result.output


def test_live_mode_has_no_practice_hotline_and_asks_for_what_it_needs(folder: Path) -> None:
    result = init(folder, *QUIET, "--mode", "live")
    assert result.exit_code == 1
    missing = [line.split()[0] for line in result.output.splitlines()]
    assert missing == [
        "REDIS_URL",
        "PUBLIC_URL",
        "TOKAUT_ON_CALL",
        *(f"HOTLINE_{hotline.upper().replace('-', '_')}_URL" for hotline in HOTLINES),
    ]


def test_sheets_are_printed_once(folder: Path) -> None:
    assert init(folder, *QUIET, "--sheets").output.count("RECOVERY SHEET") == len(HOTLINES)


def test_on_a_full_disk_it_names_the_folder_and_the_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(new_installation, "_write_private", full)
    result = init(folder, *QUIET)
    assert (result.exit_code, result.output) == (
        1,
        f"{folder} cannot be written (No space left on device). Remove it, and run this again.\n",
    )


def test_an_output_that_cannot_be_written_is_no_reason_to_remove_the_folder(folder: Path) -> None:
    command = [sys.executable, "-m", "tokaut", "init", str(folder), *QUIET]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "The output cannot be written (No space left on device).\n")
    assert faults(folder) == []


def test_a_port_that_is_none_is_refused(folder: Path) -> None:
    result = init(folder, *QUIET, "--set", "PORT=abc")
    assert (result.exit_code, result.output.splitlines()) == (
        1,
        ["PORT is 'abc', and that is not a port: write a number from 1 to 65535"],
    )
    assert not folder.exists()


def test_a_number_can_be_withdrawn_at_once_on_what_it_writes(folder: Path) -> None:
    assert init(folder, *QUIET).exit_code == 0
    environ = settings_of(folder)
    assert CliRunner().invoke(main, ["migrate"], env=environ).exit_code == 0
    result = CliRunner().invoke(main, ["numbers", "withdraw", "vu", "163"], env=environ)
    assert result.exit_code == 0, result.output
    assert "withdrawn = true" in (folder / "countries/vu.toml").read_text()


def test_a_folder_of_country_files_of_ones_own_is_taken(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    assert init(folder, *QUIET, "--set", f"TOKAUT_COUNTRY_DIR={tmp_path / 'own'}").exit_code == 0
    assert settings_of(folder)["TOKAUT_COUNTRY_DIR"] == str(tmp_path / "own") and not (folder / "countries").exists()


@pytest.mark.parametrize("country", ["Vanuatu", "vu,fj", ""])
def test_a_country_that_is_none_is_said_of_the_option_and_asked_for_no_more(folder: Path, country: str) -> None:
    result = init(folder, "--country", country, "--channel", "ussd", "--no-input", typed="vu\n")
    assert result.exit_code == 1
    assert result.output.startswith(f"There is no country {country.lower()}. --country is one of au, ck,")
    assert not folder.exists()
