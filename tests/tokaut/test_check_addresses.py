"""`tokaut check` and `tokaut watch` judge each hotline's address like the worker, in each mode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from reports.crypto.key_files import SENDER_KEY, create_key_pair
from reports.store.engine.database import Database
from runtime.settings import Mode
from runtime.settings.parsers import new_webhook_secret
from tests.support.prepared import migrate
from tests.tokaut.test_check import HOTLINES
from tests.workers.test_mode_separation import CARD, DESK, DRILL_DESK, MODES, ONE, TRIED, WorkerHotlines, write_country
from tokaut.__main__ import main
from tokaut.checks.installation import common_settings, hotline_faults, mode_of, read_countries

pytestmark = pytest.mark.rule("S-40")

EVERY_ADDRESS = [pytest.param(kind, *one, id=f"{kind} {n}") for kind in TRIED for n, one in enumerate(TRIED[kind])]
MAIL = {"SMTP_URL": "smtps://mail.example:465?from=tokaut@example.org"}


def environment(folder: Path, mode: str, kind: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings of Vanuatu with this kind of child helpline. Nobody is on call, a separate fault in live mode."""
    write_country(folder, kind, CARD)
    return {
        **MAIL,
        "TOKAUT_MODE": mode,
        "TOKAUT_DATA": str(folder),
        "COUNTRIES": "vu",
        "TOKAUT_COUNTRY_DIR": str(folder),
        "CHANNELS": "kannel",
        **{f"HOTLINE_VU_PIKININI_{name}": value for name, value in settings.items()},
    }


def faults(environ: Mapping[str, str]) -> list[str]:
    """Return the lines of `tokaut check` about the first hotline."""
    countries, unreadable = read_countries(common_settings(environ), mode_of(environ))
    assert countries is not None, unreadable
    found = hotline_faults(environ, [one for one in countries.hotlines if one.id == ONE])
    return [line for line in found if ONE in line or "HOTLINE_" in line]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "settings", "modes"), EVERY_ADDRESS)
def test_check_accepts_an_address_in_the_modes_in_which_the_worker_does(
    tmp_path: Path, kind: str, settings: dict[str, str], modes: set[str], mode: Mode
) -> None:
    found = faults(environment(tmp_path, mode, kind, settings))
    assert (found == []) == (mode in modes), found
    assert bool(WorkerHotlines(write_country(tmp_path, kind, CARD), mode, settings).made) == (mode in modes)


@pytest.mark.parametrize("kind", ["sms_alert", "console"])
@pytest.mark.parametrize(
    ("mode", "card", "lines"), [("live", "duty_officer", "drills_to"), ("training", "drills_to", "duty_officer")]
)
def test_check_names_the_lines_of_the_card_that_the_mode_uses(
    tmp_path: Path, kind: str, mode: Mode, card: str, lines: str
) -> None:
    environ = environment(tmp_path, mode, kind, {"CHANNEL": "kannel", "FROM": "163"})
    write_country(tmp_path, kind, {lines: CARD[lines]})  # only the lines of the other mode
    [fault] = faults(environ)
    assert card in fault


@pytest.mark.parametrize(
    ("kind", "live", "drill"),
    [
        ("webhook", {"URL": "https://hotline.example"}, {"URL": "https://drill.hotline.example"}),
        ("email", {"TO": DESK}, {"TO": DRILL_DESK}),
    ],
)
def test_the_command_itself_refuses_and_accepts(
    tmp_path: Path, kind: str, live: dict[str, str], drill: dict[str, str]
) -> None:
    secret = {"SECRET": new_webhook_secret()} if kind == "webhook" else {}

    def said(mode: str, settings: dict[str, str]) -> str:
        environ = environment(tmp_path, mode, kind, settings | secret)
        out = CliRunner().invoke(main, ["check"], env=environ).output
        return out.partition("Live mode would need more")[0]

    for mode in ("live", "training"):
        good, bad = (live, drill) if mode == "live" else (drill, live)
        assert f"x hotline {ONE}" not in said(mode, good)
        assert f"x hotline {ONE}" in said(mode, bad)


def test_training_says_which_addresses_live_mode_would_refuse(tmp_path: Path) -> None:
    settings = {"URL": "https://drill.hotline.example", "SECRET": new_webhook_secret()}
    environ = environment(tmp_path, "training", "webhook", settings)
    before, _, live = CliRunner().invoke(main, ["check"], env=environ).output.partition("Live mode would need more:")
    assert f"hotline {ONE}: HOTLINE_VU_PIKININI_URL is for drills" not in before
    assert f"hotline {ONE}: HOTLINE_VU_PIKININI_URL is for drills" in live


def test_a_private_address_is_refused_with_the_setting_that_lists_it(tmp_path: Path) -> None:
    settings = {"URL": "http://127.0.0.1:18205", "SECRET": new_webhook_secret()}
    [fault] = faults(environment(tmp_path, "training", "webhook", settings))
    assert "HOTLINE_VU_PIKININI_PRIVATE" in fault
    assert faults(environment(tmp_path, "training", "webhook", settings | {"PRIVATE": "127.0.0.1:18205"})) == []


def watched(environ: Mapping[str, str], folder: Path) -> str:
    database = Database(f"sqlite:///{folder / 'tokaut.db'}")
    migrate(database, environ["TOKAUT_MODE"])
    database.close()
    for one in (*HOTLINES, SENDER_KEY):
        create_key_pair(folder / "keys", one)
    return CliRunner().invoke(main, ["watch", "--once"], env=dict(environ)).output


def test_watch_names_a_hotline_that_the_worker_could_not_set_up(tmp_path: Path) -> None:
    settings = {"URL": "https://drill.hotline.example", "SECRET": new_webhook_secret()}
    said = watched(environment(tmp_path, "live", "webhook", settings), tmp_path)
    assert f"{ONE} gets no reports" in said
    assert "tokaut check" in said


def test_watch_is_silent_where_hotlines_are_set_up(tmp_path: Path) -> None:
    settings = {"URL": "https://hotline.example", "SECRET": new_webhook_secret()}
    environ = environment(tmp_path, "live", "webhook", settings)
    for one in ("VU_WOMENS_CENTRE", "VU_POLICE"):
        environ |= {f"HOTLINE_{one}_URL": f"https://{one.lower()[3:]}.example".replace("_", "-")}
        environ |= {f"HOTLINE_{one}_SECRET": new_webhook_secret()}
    assert "gets no reports" not in watched(environ, tmp_path)


def test_watch_without_the_workers_settings_judges_no_hotline(tmp_path: Path) -> None:
    environ = environment(tmp_path, "live", "webhook", {})
    assert "gets no reports" not in watched(environ, tmp_path)
