"""`tokaut check` reports all faults at once, and the remedy for each."""

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from click.testing import CliRunner, Result

from reports.countries.country import SHIPPED_FOLDER
from reports.countries.hotline import Hotline
from reports.crypto import key_files
from reports.crypto.key_files import SENDER_KEY, create_key_pair, load_public_keys, publish_public_keys
from reports.crypto.phone_pepper import rotate_pepper
from reports.store.engine.database import Database, DatabaseUnavailable
from runtime.settings.parsers import new_secret, new_webhook_secret
from tests.support.ports import free_port
from tests.support.prepared import migrate
from tests.support.valkey import Valkey
from tokaut.__main__ import main
from tokaut.checks import installation
from tokaut.terminal import READ_SETTINGS

HOTLINES = ("vu-pikinini", "vu-womens-centre", "vu-police")


def good(folder: Path) -> dict[str, str]:
    """Prepare an installation without faults, and return its settings without Redis's address."""
    folder.mkdir(exist_ok=True)
    database = Database(f"sqlite:///{folder / 'tokaut.db'}")
    migrate(database, "demo")
    database.close()
    folder.chmod(0o700)
    for hotline in (*HOTLINES, SENDER_KEY):
        create_key_pair(folder / "keys", hotline)
    rotate_pepper(folder / "pepper")
    settings = {
        "TOKAUT_DATA": str(folder),
        "COUNTRIES": "vu",
        "CHANNELS": "simulator,africastalking,ussd",
        "TOKAUT_SESSION_KEY": new_secret(demo=True),
        "TOKAUT_STORE_KEY": new_secret(demo=True),
        "TOKAUT_CONSOLE_KEY": new_secret(demo=True),
        "TOKAUT_PHONE_PEPPER_FILE": str(folder / "pepper"),
        "AFRICASTALKING_TOKEN": new_secret(demo=True),
        "AFRICASTALKING_USERNAME": "sandbox",
        "AFRICASTALKING_API_KEY": new_secret(demo=True),
        "USSD_TOKEN": new_secret(demo=True),
    }
    for hotline in HOTLINES:
        name = f"HOTLINE_{hotline.upper().replace('-', '_')}"
        settings |= {f"{name}_URL": "https://drill.hotline.example", f"{name}_SECRET": new_webhook_secret(demo=True)}
    return settings


def run(environ: Mapping[str, str], *words: str) -> Result:
    return CliRunner().invoke(main, ["check", *words], env=dict(environ))


@pytest.mark.slow
def test_nothing_is_wrong(tmp_path: Path, redis_url: str) -> None:
    result = run(good(tmp_path) | {"REDIS_URL": redis_url})
    assert "x " not in result.output
    assert "Nothing is wrong for demo mode." in result.output
    assert result.exit_code == 0


@pytest.mark.slow
def test_as_worker_no_secret_of_another_is_asked_for(tmp_path: Path, redis_url: str) -> None:
    others = ("_SESSION_KEY", "_STORE_KEY", "_CONSOLE_KEY", "_PEPPER_FILE", "_TOKEN")
    settings = {name: value for name, value in good(tmp_path).items() if not name.endswith(others)}
    (tmp_path / "pepper").unlink()
    result = run(settings | {"REDIS_URL": redis_url}, "--worker")
    assert "x " not in result.output
    assert result.exit_code == 0
    assert "TOKAUT_STORE_KEY is not set" in run(settings | {"REDIS_URL": redis_url}).output
    for needed in ("AFRICASTALKING_API_KEY", "HOTLINE_VU_POLICE_SECRET"):
        without = {name: value for name, value in settings.items() if name != needed}
        assert f"{needed} is not set" in run(without, "--worker").output


def test_all_faults_come_at_once_each_with_what_to_do(tmp_path: Path) -> None:
    settings = good(tmp_path)
    del settings["TOKAUT_STORE_KEY"], settings["HOTLINE_VU_POLICE_URL"]
    (tmp_path / "pepper").chmod(0o644)
    (tmp_path / "tokaut.db").unlink()
    for key in (tmp_path / "keys" / "private" / "vu-police").iterdir():
        key.unlink()
    result = run(settings | {"TOKAUT_MOED": "live"})
    assert result.exit_code == 1
    for said in (
        "TOKAUT_MOED is not a setting. Did you mean TOKAUT_MODE?",
        "TOKAUT_STORE_KEY is not set; make one: tokaut keys secret",
        "HOTLINE_VU_POLICE_URL is not set",
        "The private key of vu-police is not under",
        "which others can read; chmod 0400",
        f"There is no database {tmp_path}/tokaut.db",
        "Redis does not answer",
    ):
        assert said in result.output


def test_it_changes_nothing(tmp_path: Path) -> None:
    run({"TOKAUT_DATA": str(tmp_path / "var")})
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_lost_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a wrong setting too: `tokaut start` said only "Run: tokaut migrate", and that passed every check."""
    monkeypatch.setattr("tokaut.commands.start.harden", lambda: None)
    settings = good(tmp_path) | {"TOKAUT_MODE": "training"}
    (tmp_path / "tokaut.db").unlink()
    for name, address in (("TOKAUT_DATA", {}), ("DATABASE_URL", {"DATABASE_URL": f"sqlite:///{tmp_path}/tokaut.db"})):
        for command in (["check"], ["watch", "--once"], ["deliveries", "list"], ["start"]):
            said = CliRunner().invoke(main, command, env=settings | address).output
            before, _, rest = said.partition(f"There is no database {tmp_path}/tokaut.db. Is {name} as the services")
            assert "tokaut migrate" not in before and rest, command
            assert rest.index("tokaut restore <file>") < rest.index("Only on a new host, run tokaut migrate"), command
            assert not (tmp_path / "tokaut.db").exists()


def test_a_database_that_a_service_made_anew_is_called_empty(tmp_path: Path) -> None:
    settings = good(tmp_path)
    (tmp_path / "tokaut.db").unlink()
    (tmp_path / "tokaut.db").touch()
    assert "The database is empty. If it had data before, the data is lost" in run(settings).output


def test_in_demo_mode_it_says_what_live_mode_would_need(tmp_path: Path) -> None:
    output = run(good(tmp_path)).output
    before, _, live = output.partition("Live mode would need more:")
    assert "verified_on" not in before
    assert "vu.toml: emergency 111 (police) has no verified_on" in live
    assert "PUBLIC_URL begins with http://" in live
    assert "is one that a demo made" in live


def test_for_live_mode_these_are_faults(tmp_path: Path) -> None:
    result = run(good(tmp_path) | {"TOKAUT_MODE": "live"})
    assert result.exit_code == 1
    assert "x vu.toml: emergency 111 (police) has no verified_on" in result.output
    assert "Live mode would need more" not in result.output


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"TOKAUT_MODE": "Trainning"}, "TOKAUT_MODE is 'Trainning'; it can be demo, training or live"),
        ({"COUNTRIES": "Vanuatu"}, "COUNTRIES holds 'Vanuatu'; names are lower case"),
        ({"COUNTRIES": ""}, "COUNTRIES is empty; name the countries to serve"),
        ({"CHANNELS": "USSD"}, "CHANNELS holds 'USSD'; names are lower case"),
        ({"TOKAUT_DATA": "/dev/null"}, "TOKAUT_DATA goes through /dev/null, which is a file"),
        ({"DATABASE_URL": "sqlite://data/tokaut.db"}, "DATABASE_URL names no file: sqlite: is followed by three"),
    ],
)
def test_a_wrong_setting_that_all_share_is_said_and_nothing_is_judged_by_a_default(
    tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    settings = good(tmp_path)
    result = run(settings | {"TOKAUT_MODE": "training"} | wrong)
    first, line, _, last = result.output.splitlines()
    assert (result.exit_code, first, last) == (1, "settings:", "Correct these first; the rest was not checked.")
    assert line.startswith(f"  x {said}")
    if "TOKAUT_MODE" not in wrong:  # live mode refuses more settings, and their values are known
        live = run(settings | {"TOKAUT_MODE": "live"} | wrong).output
        assert f"  x {said}" in live and "x PUBLIC_URL begins with http://" in live
        assert live.endswith("the rest was not checked.\n") and "\ndatabase" not in live


def test_no_command_takes_the_countries_of_a_demo_for_those_of_a_wrong_setting() -> None:
    countries, faults = installation.read_each_country({"COUNTRIES": "Vanuatu", "TOKAUT_MODE": "training"})
    assert countries == () and faults[0].startswith("COUNTRIES holds 'Vanuatu'")
    assert [country.iso for country in installation.read_each_country({"COUNTRIES": "vu"})[0]] == ["VU"]


def test_without_settings_it_says_how_to_read_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TOKAUT_")]:
        monkeypatch.delenv(name)
    result = run({})
    assert (result.exit_code, result.output) == (1, f"There are no settings. {READ_SETTINGS}\n")
    assert "Vanuatu" in run({}, "--country", "vu").output


def test_of_one_country_a_wrong_folder_of_country_files_is_said(tmp_path: Path) -> None:
    """The shipped file was judged in its place."""
    result = run({"TOKAUT_COUNTRY_DIR": str(tmp_path / "none"), "TOKAUT_DATA": str(tmp_path)}, "--country", "vu")
    assert result.exit_code == 1
    assert f"x TOKAUT_COUNTRY_DIR names {tmp_path}/none, which is not a folder" in result.output
    assert "verified_on" not in result.output


def test_a_channel_and_a_country_that_are_not_there(tmp_path: Path) -> None:
    result = run(good(tmp_path) | {"CHANNELS": "telepathy", "COUNTRIES": "xx"})
    assert "CHANNELS names telepathy, and there is no such channel" in result.output
    assert "COUNTRIES: there is no country file xx.toml; shipped are au, ck, et" in result.output


def test_one_country_alone(tmp_path: Path) -> None:
    (tmp_path / "vu.toml").write_text("schema = 1\n")
    result = run({"TOKAUT_COUNTRY_DIR": str(tmp_path), "TOKAUT_DATA": str(tmp_path)}, "--country", "vu")
    assert result.exit_code == 1
    assert 'vu.toml: schema: must be "tokaut-country"' in result.output
    assert "settings" not in result.output


@pytest.mark.parametrize("text", [b"[hotline]\nid = 'x'\n", b"[[law]]\n", b"hotline = 5\n", b"name = '\xff'\n"])
def test_a_country_file_of_another_shape_hides_no_other_finding(tmp_path: Path, text: bytes) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "vu.toml").write_bytes(text)
    result = run(good(tmp_path) | {"COUNTRIES": "vu,fj", "TOKAUT_COUNTRY_DIR": str(own)})
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "vu.toml" in result.output and "Redis does not answer" in result.output and "backup" in result.output


def test_a_code_of_two_countries_is_a_fault(tmp_path: Path) -> None:
    """A person who dials it could be sent to the other country's police."""
    own = tmp_path / "own"
    own.mkdir()
    kenya = (SHIPPED_FOLDER / "ke.toml").read_text(encoding="utf-8")
    assert "*384*123#" in kenya
    (own / "ke.toml").write_text(kenya.replace("*384*123#", "*111*163#"), encoding="utf-8")
    result = run(good(tmp_path) | {"COUNTRIES": "vu,ke", "TOKAUT_COUNTRY_DIR": str(own)})
    assert result.exit_code == 1
    assert "x ke.toml: code 111*163 (ussd) stands in vu.toml too; keep one of them." in result.output


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    settings = good(tmp_path)
    settings["TOKAUT_STORE_KEY"] = settings["TOKAUT_SESSION_KEY"]
    result = run(settings)
    assert "TOKAUT_STORE_KEY has the same value as TOKAUT_SESSION_KEY" in result.output
    assert settings["TOKAUT_SESSION_KEY"] not in result.output


@pytest.mark.slow
def test_a_redis_that_may_throw_things_out(tmp_path: Path, own_valkey: Valkey) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    assert "maxmemory-policy noeviction" in run(good(tmp_path) | {"REDIS_URL": own_valkey.url}).output


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    settings = good(tmp_path)
    (tmp_path / "file").touch()
    result = run(settings | {"TOKAUT_DATA": str(tmp_path / "file")})
    assert result.exit_code == 1
    assert "TOKAUT_DATA" in result.output


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("telex", {}, ["hotline one: its delivery is telex; it can be "]),
        ("email", {}, ["HOTLINE_ONE_TO is not set; "]),
        ("email", {"HOTLINE_ONE_TO": "desk@one.example"}, ["hotline one is notified by e-mail and needs SMTP_URL"]),
        ("email", {"HOTLINE_ONE_TO": "drills@one.example", "SMTP_URL": "smtps://mail.example"}, []),
        (
            "webhook",
            {"HOTLINE_ONE_TO": "desk@one.example"},
            ["HOTLINE_ONE_TO is not a setting.", "HOTLINE_", "HOTLINE_"],
        ),
        (
            "webhook",
            {"HOTLINE_ONE_URL": "https://10.0.0.5", "HOTLINE_ONE_SECRET": new_webhook_secret()},
            ["hotline one: HOTLINE_ONE_URL is a bare address; "],
        ),
    ],
)
def test_each_kind_of_hotline_has_settings_of_its_own(kind: str, settings: dict[str, str], said: list[str]) -> None:
    one = Hotline(id="one", name="One", screen_name="One", kind="regional", grade="unverified", delivery=kind)
    found = list(installation.hotline_faults(settings, [one]))
    assert len(found) == len(said)
    assert all(line.startswith(wanted) for line, wanted in zip(found, said, strict=True))


@pytest.mark.parametrize(
    ("mode", "address", "said"),
    [
        ("live", "", "x No backup was ever made."),
        ("training", "", "? No backup was ever made."),
        ("live", "postgresql://tokaut_clock@127.0.0.1:1/tokaut", "PostgreSQL's own tools, then touch "),
    ],
)
def test_a_backup_that_was_never_made(tmp_path: Path, mode: str, address: str, said: str) -> None:
    """A new training installation has no data to lose yet; `tokaut backup` is not for PostgreSQL."""
    settings = good(tmp_path) | {"TOKAUT_MODE": mode} | ({"DATABASE_URL": address} if address else {})
    output = run(settings).output
    assert said in output
    assert ("tokaut backup <folder>" in output) == (not address)
    assert (f"touch {tmp_path}/last-backup" in output) == bool(address)


def test_without_a_database_no_backup_is_called_good(tmp_path: Path) -> None:
    settings = good(tmp_path) | {"TOKAUT_MODE": "training"}
    (tmp_path / "tokaut.db").unlink()
    assert "? There is no database, and so no backup of it." in run(settings).output


def test_in_training_and_live_web_has_a_folder_without_private_keys(tmp_path: Path) -> None:
    web = tmp_path / "web-keys"
    training = good(tmp_path) | {"TOKAUT_MODE": "training"}
    assert f"x web must not have access to private keys, and can read {tmp_path}/keys/private" in run(training).output
    given = training | {"TOKAUT_WEB_KEYS": str(web)}
    assert f"x {web}, the key folder of web, has no public key of vu-pikinini. Run: tokaut keys publish" in (
        run(given).output
    )
    publish_public_keys(tmp_path / "keys", web)
    assert "keys of web: good\n" in run(given).output
    create_key_pair(tmp_path / "keys", "vu-police")
    assert "? web still seals to an older key of vu-police. Run tokaut keys publish" in run(given).output
    assert "keys of web" not in run(training, "--worker").output
    sealed_to = load_public_keys(web, ["vu-police"])["vu-police"].key_id
    (tmp_path / "keys" / "private" / "vu-police" / f"{sealed_to}.key").unlink()
    result = run(given)
    assert "x web seals to a key of vu-police whose private half is not under" in " ".join(result.output.split())


def test_what_would_stop_the_clock_after_another_public_url_is_named(tmp_path: Path) -> None:
    settings = good(tmp_path) | {
        "PUBLIC_URL": "https://new.example.org",
        "TOKAUT_SYNTHETIC_CALLS": "https://old.example.org/hooks/ussd/token",
        "TOKAUT_MODE": "training",
    }
    del settings["AFRICASTALKING_API_KEY"]
    for flags in ((), ("--worker",)):
        said = " ".join(run(settings, *flags).output.split())
        assert "x TOKAUT_SYNTHETIC_CALLS names as number 1 an address that is not below PUBLIC_URL/hooks/" in said
        assert "x AFRICASTALKING_API_KEY is not set" in said


def test_a_damaged_key_is_named_also_an_older_one(tmp_path: Path) -> None:
    settings = good(tmp_path)
    [old] = (tmp_path / "keys" / "private" / "vu-police").iterdir()
    create_key_pair(tmp_path / "keys", "vu-police")
    [public] = (tmp_path / "keys" / "public" / "vu-womens-centre").iterdir()
    for path in (old, public):
        path.chmod(0o600)
        path.write_text("damaged")
        path.chmod(0o400)
    said = " ".join(run(settings).output.split())
    assert f"x {old} is not a private key in PKCS#8; put it back from its copy" in said
    assert f"x {public} is not a readable public key; copy it again from where it was made" in said
    assert "The private key of vu-police is not under" not in said


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_without_any_key_of_the_country_is_first_a_wrong_setting(tmp_path: Path, there: bool) -> None:
    """The four lines before said to make new keys; afterwards web sealed to these, and no fault was left."""
    wrong = tmp_path / "key"
    if there:
        create_key_pair(wrong, SENDER_KEY)
    for mode in ("demo", "live"):
        output = run(good(tmp_path / mode) | {"TOKAUT_KEYS": str(wrong), "TOKAUT_MODE": mode}).output
        [line] = output.split("\nkeys:\n")[1].split("\nphone pepper:")[0].splitlines()
        said = f"No key of this country is in {wrong}. " if there else f"There is no folder {wrong}, and so no key. "
        assert line.startswith(f"  x {said}Is TOKAUT_KEYS right (default: TOKAUT_DATA/keys)?")
        assert "Only if they were never made: tokaut keys new <name>, for each of vu-pikinini, vu-womens" in line


def test_private_keys_of_another_account_end_no_other_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line was all that was printed. No private key is called missing: nobody may restore one over another."""
    listed = Path.iterdir

    def refused(folder: Path) -> Iterator[Path]:
        if "private" in folder.parts:  # root may read every folder
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return listed(folder)

    settings = good(tmp_path)
    monkeypatch.setattr(Path, "iterdir", refused)
    monkeypatch.setattr(key_files, "_exists", lambda _: False)
    output = run(settings).output
    [line] = output.split("\nkeys:\n")[1].split("\nphone pepper:")[0].splitlines()
    assert line == (
        f"  x {tmp_path}/keys/private/vu-pikinini cannot be read (Permission denied); run this as the account that "
        "owns the keys. No private key was checked."
    )
    assert "Redis does not answer" in output


def test_a_file_that_cannot_be_used_ends_only_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> Iterator[str]:
        yield "first"
        raise PermissionError(errno.EACCES, "Permission denied", "/x")

    monkeypatch.setattr(installation, "folder_faults", refused)
    output = run(good(tmp_path)).output
    assert "folders:\n  x first\n  x /x cannot be used (Permission denied). Run this as an account" in output
    assert "\nbackup: good" in output


@pytest.mark.parametrize("command", ["check", "watch --once", "migrate"])
def test_a_database_that_this_account_cannot_use_is_named_with_the_cause(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    settings = good(tmp_path)
    of_folder = settings | {"DATABASE_URL": f"sqlite:///{tmp_path}/folder"}
    said = " ".join(CliRunner().invoke(main, command.split(), env=of_folder).output.split())
    assert f"The database {tmp_path}/folder cannot be used: it is a directory" in said
    migrate(database := Database(f"sqlite:///{tmp_path / 'tokaut.db'}"), "demo")
    database.close()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / "tokaut.db")  # root may open every file

    def refused(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("OperationalError")

    monkeypatch.setattr(Database, "__init__", refused)
    said = " ".join(CliRunner().invoke(main, command.split(), env=settings).output.split())
    assert f"The database {tmp_path}/tokaut.db cannot be used: this account may not read and write it" in said


def test_a_secret_of_one_process_that_another_has_too_is_named(tmp_path: Path) -> None:
    settings = good(tmp_path)
    settings["USSD_TOKEN"] = settings["TOKAUT_SESSION_KEY"]
    settings["HOTLINE_VU_POLICE_SECRET"] = f"whsec_{settings['TOKAUT_STORE_KEY']}"
    output = run(settings).output
    assert "x USSD_TOKEN has the same value as TOKAUT_SESSION_KEY" in output
    assert "x HOTLINE_VU_POLICE_SECRET has the same value as TOKAUT_STORE_KEY" in output
    assert settings["USSD_TOKEN"] not in output


def test_in_live_mode_a_secret_in_the_environment_is_noted(tmp_path: Path) -> None:
    settings = good(tmp_path) | {"TOKAUT_MODE": "live"}
    (tmp_path / "token").write_text(settings.pop("USSD_TOKEN"))
    (tmp_path / "token").chmod(0o400)
    output = run(settings | {"USSD_TOKEN_FILE": str(tmp_path / "token")}).output
    for name in ("TOKAUT_SESSION_KEY", "HOTLINE_VU_POLICE_SECRET"):
        assert f"? {name} is in the environment, where /proc shows it. Name a file instead: {name}_FILE" in output
    assert "USSD_TOKEN is in the environment" not in output
    assert "is in the environment" not in run(settings | {"TOKAUT_MODE": "training"}).output


@pytest.mark.parametrize("mode", ["live", "training"])
def test_nothing_is_said_twice_and_no_line_is_a_wall(tmp_path: Path, mode: str) -> None:
    settings = good(tmp_path) | {"TOKAUT_MODE": mode}
    tmp_path.chmod(0o755)
    output = run(settings).output.replace(str(tmp_path), "/srv/tokaut")  # of the same length on every machine
    assert output.count("can be entered by other accounts; chmod 0700 /srv/tokaut") == 1
    lines = [line.strip(" x?-") for line in output.splitlines() if line.strip()]
    assert sorted({line for line in lines if lines.count(line) > 1}) == []
    assert max(map(len, lines)) < 320


def test_texts_by_ussd_that_no_setting_allows_are_noted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    settings = good(tmp_path / "data")
    code = 'code = "*111*163#"\n'
    (tmp_path / "vu.toml").write_text(
        (SHIPPED_FOLDER / "vu.toml").read_text(encoding="utf-8").replace(code, f"{code}network_initiated = true\n")
    )
    noted = "vu.toml: code *111*163# is network_initiated, but reporters get an SMS: {} is not set"
    settings |= {"TOKAUT_COUNTRY_DIR": str(tmp_path)}
    missing = "kannel in CHANNELS and KANNEL_USSD_SENDSMS_URL and KANNEL_DLR_URL"
    assert noted.format(missing) in " ".join(run(settings).output.split())
    settings |= {"CHANNELS": "kannel", "KANNEL_DLR_URL": "http://127.0.0.1:8000/hooks/kannel/t/dlr"}
    assert noted.format("KANNEL_USSD_SENDSMS_URL") in " ".join(run(settings).output.split())
    settings |= {"KANNEL_USSD_SENDSMS_URL": "http://127.0.0.1:13113/cgi-bin/sendsms"}
    assert "network_initiated" not in run(settings).output


def test_a_port_that_is_none_and_a_practice_hotline_that_is_not_started_are_named(tmp_path: Path) -> None:
    settings = good(tmp_path)
    assert "x CONSOLE_PORT is 'abc', and that is not a port" in run(settings | {"CONSOLE_PORT": "abc"}).output
    for count in ("two", "0", "-1", "1000"):  # gunicorn would not start, or start too many
        assert f"x WEB_CONCURRENCY is '{count}', and" in run(settings | {"WEB_CONCURRENCY": count}).output
    port = free_port()
    settings |= {"TOKAUT_MODE": "training", "HOTLINE_VU_PIKININI_URL": f"http://127.0.0.1:{port}/vu-pikinini"}
    said = " ".join(run(settings).output.split())
    assert f"? Nothing listens at http://127.0.0.1:{port}/vu-pikinini, so vu-pikinini gets no drill." in said


def test_a_full_disk_is_said_before_what_comes_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = good(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=12_000_000))
    result = run(settings)
    first, second, *_ = result.output.strip().splitlines()
    assert (result.exit_code, first) == (1, "disk:")
    assert second.startswith("  x Only 12 MB are free at ") and second.endswith("docs/operating/disk-full.md")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=300_000_000))
    assert "300 MB are free" in run(settings).output and "the disk is full" not in run(settings).output


@pytest.mark.parametrize("command", ["migrate", "deliveries list", "watch --once", "check"])
def test_each_command_says_that_a_file_is_no_database(command: str, tmp_path: Path) -> None:
    """All but `check` said to start it."""
    settings = good(tmp_path) | {"DATABASE_URL": f"sqlite:///{tmp_path / 'damaged.db'}"}
    (tmp_path / "damaged.db").write_bytes(b"no database" * 1000)
    result = CliRunner().invoke(main, command.split(), env=settings)
    assert result.exit_code == 1
    assert "It is damaged: stop all processes, then tokaut restore <file>" in " ".join(result.output.split())
