"""`tokaut numbers withdraw`: a wrong number disappears at once, in every process, and no restart restores it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from reports.countries.country import SHIPPED_FOLDER, load_country, shipped_countries
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support.app import App
from tests.support.installation import Installation
from tests.support.prepared import migrate
from tests.support.wait import until
from tokaut.__main__ import main

PHONE = "+6785550188"
MINUTE = 60


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "countries"
    folder.mkdir()
    return folder


def run(own: Path, *words: str) -> Result:
    upgraded = Database(f"sqlite:///{own.parent / 'tokaut.db'}")
    migrate(upgraded, "demo")
    upgraded.close()
    environ = {"TOKAUT_DATA": str(own.parent), "TOKAUT_COUNTRY_DIR": str(own)}
    return CliRunner().invoke(main, ["numbers", "withdraw", *words], env=environ)


@pytest.mark.rule("S-31")
@pytest.mark.parametrize(
    ("country", "number", "said"),
    [
        ("vu", "111", "say only: police. NO NUMBER TO CALL IN DANGER IS LEFT"),
        ("vu", "163", "in danger, police 111; helpline, none for children"),
        ("fj", "911", "in danger, police 917; helpline, Child Helpline 1325"),
        ("ng", "08008008001", "in danger, emergency 112; helpline, Cece Yara 2 0700 700 7001"),
        ("GH", "0800-800-800", "in danger, emergency 112; helpline, none for children"),
    ],
)
def test_a_number_goes_and_all_else_stays(own: Path, country: str, number: str, said: str) -> None:
    before = (SHIPPED_FOLDER / f"{country.lower()}.toml").read_text()
    result = run(own, country, number)
    assert result.exit_code == 0, result.output
    assert said in result.output
    after = (own / f"{country.lower()}.toml").read_text()
    assert after.replace("withdrawn = true\n", "") == before
    assert after.count("withdrawn = true\n") == 1


@pytest.mark.parametrize("iso", shipped_countries())
def test_every_number_that_a_screen_may_show_can_be_withdrawn(own: Path, iso: str) -> None:
    text = (SHIPPED_FOLDER / f"{iso}.toml").read_text()
    shown = [one.number for one in load_country(iso, text, "demo").emergency]
    shown += [number for one in load_country(iso, text, "demo").hotlines.values() for number in one.show.numbers]
    for number in shown:
        assert run(own, iso, number).exit_code == 0, number
    left = load_country(iso, (own / f"{iso}.toml").read_text(), "demo")
    assert left.fields()["emergency_number"] == ""
    assert left.helpline() is None


def test_a_number_of_a_country_that_is_not_shipped_goes_too(own: Path) -> None:
    text = (SHIPPED_FOLDER / "vu.toml").read_text().replace('iso = "VU"', 'iso = "NC"')
    (own / "nc.toml").write_text(text)
    result = run(own, "nc", "163")
    assert result.exit_code == 0, result.output
    assert "withdrawn = true" in (own / "nc.toml").read_text()
    assert "The console may show it to staff until it is restarted." in result.output


def test_the_audit_says_who_and_when(own: Path) -> None:
    run(own, "vu", "163")
    with Database(f"sqlite:///{own.parent / 'tokaut.db'}").read() as connection:
        [row] = connection.execute(select(t.audit.c.actor, t.audit.c.act, t.audit.c.object_id)).all()
    assert row.actor.startswith("operator:")
    assert tuple(row[1:]) == ("number_withdrawn", "VU:163")


def test_without_a_database_it_is_withdrawn_all_the_same(own: Path) -> None:
    environ = {"TOKAUT_DATA": str(own.parent), "TOKAUT_COUNTRY_DIR": str(own)}
    result = CliRunner().invoke(main, ["numbers", "withdraw", "vu", "163"], env=environ)
    assert result.exit_code == 1
    assert "It IS withdrawn, but the audit does not have it" in result.output
    assert "withdrawn = true" in (own / "vu.toml").read_text()


def test_what_is_withdrawn_already_is_no_fault(own: Path) -> None:
    first = run(own, "vu", "163"), (own / "vu.toml").read_text()
    again = run(own, "vu", "163"), (own / "vu.toml").read_text()
    assert first[0].exit_code == again[0].exit_code == 0
    assert first[1] == again[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vu", "36223"], "No screen of vu.toml shows 36223; nothing was changed. It has 111, 115"),
        (["vu", "police"], "No screen of vu.toml shows police"),
        (["xx", "163"], "There is no country xx; it is one of au, ck"),
        (["../vu", "163"], "There is no country ../vu"),
    ],
)
def test_what_is_not_there(own: Path, words: list[str], said: str) -> None:
    result = run(own, *words)
    assert (result.exit_code, list(own.iterdir())) == (1, [])
    assert said in result.output


def test_a_file_that_is_written_another_way_is_left_to_a_person(own: Path) -> None:
    text = (SHIPPED_FOLDER / "tv.toml").read_text()
    tables = tomllib.loads(text)
    one = next(one for one in tables["emergency"] if one["number"] == "911")
    inline = "emergency = [{" + ", ".join(f"{key} = {_toml(value)}" for key, value in one.items()) + "}]\n"
    head, _, rest = text.partition("# The first one stands on the first screen.")
    (own / "tv.toml").write_text(head.replace("[[code]]", inline + "[[code]]", 1) + rest[rest.index("[[hotline]]") :])
    before = (own / "tv.toml").read_text()
    result = run(own, "tv", "911")
    assert (result.exit_code, (own / "tv.toml").read_text()) == (1, before)
    assert "Put `withdrawn = true` beside the number by hand" in result.output


def test_a_file_that_cannot_be_read_stops_no_other_country(own: Path) -> None:
    (own / "ke.toml").write_bytes(b"# r\xe9gion\n")
    result = run(own, "ke", "116")
    assert (result.exit_code, f"{own}/ke.toml cannot be read: it is not UTF-8" in result.output) == (1, True)
    assert "by hand" in result.output
    assert run(own, "vu", "163").exit_code == 0


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'''{value}'''"


def test_without_a_folder_of_ones_own_nothing_is_done(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["numbers", "withdraw", "vu", "163"], env={"TOKAUT_DATA": str(tmp_path)})
    assert result.exit_code == 1
    assert "TOKAUT_COUNTRY_DIR is not set" in result.output


# A running web process


@pytest.fixture
def web(redis_url: str, own: Path) -> Iterator[App]:
    web = App(redis_url, {"TOKAUT_COUNTRY_DIR": str(own)})
    yield web
    web.close()


@pytest.mark.slow
@pytest.mark.rule("S-31")
def test_a_call_that_is_under_way_shows_it_no_more(web: App, own: Path) -> None:
    phone = web.ussd(PHONE)
    assert "Pikinini Helpline 163" in phone.dial().text
    run(own, "vu", "163")
    web.parts.numbers.reload()
    phone.type("1")
    shown = phone.type("1").text  # danger now: the screen with the numbers
    assert "police 111" in shown and "163" not in shown
    assert "163" not in web.ussd("+6785550189").dial().text


@pytest.mark.slow
@pytest.mark.parametrize("text", ["not = [a file", "", 'schema = "tokaut-country"'])
def test_a_file_that_can_not_be_read_changes_nothing(web: App, own: Path, text: str) -> None:
    (own / "vu.toml").write_text(text)
    web.parts.numbers.reload()
    assert "Pikinini Helpline 163" in web.ussd(PHONE).dial().text


@pytest.mark.slow
@pytest.mark.rule("S-31")
def test_a_file_that_could_not_be_read_is_tried_again(web: App, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Correcting a file's permissions changes neither its time nor its size."""
    run(own, "vu", "163")

    def refused(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refused)
    web.parts.numbers.reload()
    monkeypatch.undo()
    web.parts.numbers.reload()
    assert "163" not in web.ussd(PHONE).dial().text


@pytest.mark.slow
def test_a_running_web_takes_over_nothing_else(web: App, own: Path) -> None:
    """A number that was added or restored waits for the next start and its check."""
    text = (SHIPPED_FOLDER / "vu.toml").read_text()
    (own / "vu.toml").write_text(text.replace('number = "111"', 'number = "999"'))
    web.parts.numbers.reload()
    assert "police 111" in web.ussd(PHONE).dial().text
    run(own, "vu", "163")
    web.parts.numbers.reload()
    (own / "vu.toml").write_text(text)
    web.parts.numbers.reload()
    shown = web.ussd(PHONE).dial().text
    assert "police 111" in shown and "163" not in shown


@pytest.mark.slow
@pytest.mark.rule("S-31")
def test_a_number_goes_from_every_process_within_a_minute_and_a_restart_holds_to_it(own: Path) -> None:
    installation = Installation({"TOKAUT_COUNTRY_DIR": str(own)}, web_processes=2).up()
    try:
        assert "Pikinini Helpline 163" in _home(installation)
        command = [sys.executable, "-m", "tokaut", "numbers", "withdraw", "vu", "163"]
        began = time.monotonic()
        done = subprocess.run(command, env=dict(installation.environment), capture_output=True, text=True, check=True)
        assert "163 (Pikinini Helpline) is withdrawn" in done.stdout
        until(lambda: not any("163" in _home(installation) for _ in range(12)), "163 is still shown", seconds=MINUTE)
        assert time.monotonic() - began < MINUTE
        installation.kill("web", signal.SIGTERM)
        installation.start("web")
        installation.until_web_answers()
        homes = {_home(installation) for _ in range(12)}
        assert len(homes) == 1 and homes.pop().startswith("In danger? Call police 111.\n1 Report")
    finally:
        installation.down()


def _home(installation: Installation) -> str:
    return installation.ussd_phone("simulator", PHONE).dial().text
