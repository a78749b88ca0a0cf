"""Separation of training and live: whatever the settings and country files say, no address serves both (S-40)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from reports.countries.country import SHIPPED_FOLDER, Countries, CountryError, load_countries
from reports.countries.validation import is_drill_name
from runtime.settings import Mode
from runtime.settings.parsers import new_webhook_secret
from workers.delivery import registry
from workers.delivery.outcomes import Undeliverable
from workers.delivery.registry import DutyPhones, HotlineDependencies
from workers.network.allowlist import parse_target
from workers.network.smtp_client import parse_mail_server

pytestmark = pytest.mark.rule("S-40")

MODES = (Mode.LIVE, Mode.TRAINING, Mode.DEMO)
ONE = "vu-pikinini"
NOBODY: Mapping[str, tuple[str, ...]] = {}
LIVE, DRILLS = "+6785550181", "+6785550191"  # a duty phone, and a phone for drills
DESK, DRILL_DESK = "desk@hotline.example", "drills@hotline.example"
MAIL = parse_mail_server("smtps://mail.example:465?from=tokaut@example.org")
CARD: dict[str, tuple[str, ...]] = {
    "duty_officer": (LIVE, DESK),
    "supervisor": ("lead@hotline.example",),
    "drills_to": (DRILLS, DRILL_DESK),
}


def write_country(folder: Path, kind: str = "webhook", card: Mapping[str, tuple[str, ...]] = NOBODY) -> Path:
    """Write Vanuatu's file with a child helpline of this kind. `card`: contacts of its partner card."""
    text = (
        (SHIPPED_FOLDER / "vu.toml")
        .read_text(encoding="utf-8")
        .replace('delivery = "webhook"', f'delivery = "{kind}"', 1)
    )
    for name, people in card.items():
        listed = ", ".join(f'"{one}"' for one in people)
        text = re.sub(rf"^{name} = \[\]", f"{name} = [{listed}]", text, count=1, flags=re.MULTILINE)
    (folder / "vu.toml").write_text(text, encoding="utf-8")
    return folder


def read(folder: Path, mode: Mode) -> Countries:
    return load_countries(["vu"], mode, folder)


class WorkerHotlines:
    """A worker's hotlines as set up in a mode: the connectors, and the phones that would get texts."""

    def __init__(self, folder: Path, mode: Mode, settings: Mapping[str, str]) -> None:
        self.phones: set[str] = set()
        listed = [one for one in read(folder, mode).all[0].hotlines.values() if one.id == ONE]
        environ = {f"HOTLINE_VU_PIKININI_{name}": value for name, value in settings.items()}
        self.made = registry.build_connectors(
            {"TOKAUT_MODE": mode, **environ}, listed, lambda one: self._means(mode, one)
        )

    def _means(self, mode: Mode, one: object) -> HotlineDependencies:
        return HotlineDependencies(Mode(mode), one, MAIL, None, ("kannel",), self._enlist)  # type: ignore[arg-type]

    def _enlist(self, _: str, phones: DutyPhones) -> object:
        self.phones |= set(phones.numbers)
        return lambda request: Undeliverable("our_fault")


WEB = {"SECRET": new_webhook_secret()}
PRIMERO = {"USER": "tokaut", "PASSWORD": "a password"}
LINE = {"CHANNEL": "kannel", "FROM": "163"}
LIVE_ONLY, NOT_LIVE, NONE = {"live"}, {"training", "demo"}, set[str]()
# Kind → settings with addresses in all notations, and the modes in which it is set up.
TRIED: Mapping[str, list[tuple[dict[str, str], set[str]]]] = {
    "webhook": [
        (WEB | {"URL": url} | ({"PRIVATE": listed} if listed else {}), modes)
        for url, listed, modes in (
            ("https://hotline.example/reports", "", LIVE_ONLY),
            ("https://hotline.example/drill", "", LIVE_ONLY),
            ("https://hotline.example/reports?mode=training", "", NONE),
            ("https://drill@hotline.example/reports", "", NONE),
            ("https://drilling.example/reports", "", LIVE_ONLY),
            ("https://10.0.0.5/reports", "10.0.0.5:443", LIVE_ONLY),
            ("http://10.0.0.5/reports", "10.0.0.5:80", NONE),
            ("https://[::ffff:a00:5]:8443/reports", "[::ffff:a00:5]:8443", LIVE_ONLY),
            ("https://drill.hotline.example/reports", "", NOT_LIVE),
            ("https://hotline-training.example:8443/reports", "hotline-training.example:8443", NOT_LIVE),
            ("https://TRAINING.hotline.example/reports", "", NOT_LIVE),
            ("https://127.0.0.1:8443/reports", "127.0.0.1:8443", NOT_LIVE),
            ("https://localhost:8443/reports", "localhost:8443", NOT_LIVE),
            ("https://[::1]:8443/reports", "[::1]:8443", NOT_LIVE),
            ("https://[::ffff:7f00:1]:8443/reports", "[::ffff:7f00:1]:8443", NOT_LIVE),
        )
    ],
    "primero": [
        (PRIMERO | {"URL": "https://primero.example"}, LIVE_ONLY),
        (PRIMERO | {"URL": "https://primero.example/training"}, LIVE_ONLY),
        (PRIMERO | {"URL": "https://primero-training.example"}, NOT_LIVE),
    ],
    "email": [
        ({"TO": DESK}, LIVE_ONLY),
        ({"TO": "desk+drill@hotline.example"}, LIVE_ONLY),
        ({"TO": "Drill@hotline.example"}, NOT_LIVE),
        ({"TO": "desk@training.hotline.example"}, NOT_LIVE),
    ],
    # The addresses are in the partner card, and each mode has its own.
    "sms_alert": [(LINE, LIVE_ONLY | NOT_LIVE)],
    "console": [(LINE, LIVE_ONLY | NOT_LIVE)],
}


@pytest.mark.parametrize(
    ("kind", "settings", "modes"),
    [pytest.param(kind, *one, id=f"{kind} {n}") for kind in TRIED for n, one in enumerate(TRIED[kind])],
)
def test_what_serves_live_serves_no_drill_and_the_reverse(
    tmp_path: Path, kind: str, settings: dict[str, str], modes: set[str]
) -> None:
    started = {mode: WorkerHotlines(write_country(tmp_path, kind, CARD), mode, settings) for mode in MODES}
    assert {mode for mode in MODES if started[mode].made} == modes
    texted = {mode: started[mode].phones for mode in MODES}
    with_phones = kind in ("sms_alert", "console")
    phones = {"live": {LIVE}, "training": {DRILLS}, "demo": {DRILLS}} if with_phones else {}
    assert texted == {mode: phones.get(mode, set()) for mode in MODES}


def test_every_kind_was_tried() -> None:
    assert set(TRIED) == set(registry.hotline_kinds())


def test_a_training_worker_that_is_given_all_settings_of_live_reaches_nobody(tmp_path: Path) -> None:
    for kind, settings in (("webhook", WEB | {"URL": "https://hotline.example"}), ("email", {"TO": DESK})):
        assert WorkerHotlines(write_country(tmp_path, kind), "live", settings).made
        assert not WorkerHotlines(write_country(tmp_path, kind), "training", settings).made
    for kind in ("sms_alert", "console"):
        people = {"duty_officer": (LIVE, DESK)}  # a card for live mode
        assert WorkerHotlines(write_country(tmp_path, kind, people), "live", LINE).made
        started = WorkerHotlines(write_country(tmp_path, kind, people), "training", LINE)
        assert (started.made, started.phones) == ({}, set())


@pytest.mark.parametrize("mode", ["training", "demo"])
def test_outside_live_no_address_of_the_live_service_is_even_known(tmp_path: Path, mode: Mode) -> None:
    known = repr(read(write_country(tmp_path, card=CARD), mode))
    assert [one for one in (*CARD["duty_officer"], *CARD["supervisor"]) if one in known] == []
    assert DRILLS in known


def test_in_live_no_address_of_a_drill_is_known(tmp_path: Path) -> None:
    known = repr(read(write_country(tmp_path, card=CARD), "live"))
    assert [one for one in CARD["drills_to"] if one in known] == []
    assert LIVE in known


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"drills_to": (LIVE,), "duty_officer": (LIVE,)}, "is duty_officer of vu-pikinini too"),
        ({"drills_to": ("+678 555 0181",), "duty_officer": (LIVE,)}, "is duty_officer of vu-pikinini too"),
        ({"drills_to": (LIVE,), "supervisor": (LIVE,)}, "is supervisor of vu-pikinini too"),
        ({"drills_to": ("+678161",)}, "is a number that screens show"),
        ({"drills_to": ("111",)}, "is a number that screens show"),
        ({"drills_to": (DESK,)}, "is not a mailbox for drills"),
        ({"drills_to": ("desk+drill@hotline.example",)}, "is not a mailbox for drills"),
        ({"drills_to": (DRILL_DESK,), "duty_officer": ("Drills@hotline.example",)}, "is duty_officer of vu-pikinini"),
        ({"duty_officer": (DRILL_DESK,)}, "is for drills by its name"),
        ({"supervisor": ("lead@training.hotline.example",)}, "is for drills by its name"),
    ],
)
def test_a_country_file_that_mixes_them_starts_nothing(
    tmp_path: Path, mode: Mode, card: dict[str, tuple[str, ...]], said: str
) -> None:
    with pytest.raises(CountryError) as refused:
        read(write_country(tmp_path, card=card), mode)
    assert any(line.startswith("vu.toml: hotline vu-pikinini: card") and said in line for line in refused.value.lines)


def test_a_number_of_one_country_is_no_drills_of_another(tmp_path: Path) -> None:
    write_country(tmp_path, card={"duty_officer": (LIVE,)})
    fiji = (SHIPPED_FOLDER / "fj.toml").read_text(encoding="utf-8")
    (tmp_path / "fj.toml").write_text(fiji.replace("drills_to = []", f'drills_to = ["{LIVE}"]', 1), encoding="utf-8")
    with pytest.raises(CountryError, match=r"fj\.toml: .* is duty_officer of vu-pikinini too"):
        load_countries(["vu", "fj"], "training", tmp_path)


def test_a_provider_is_no_hotline_and_serves_both() -> None:
    for live in (True, False):
        assert parse_target("https://kannel.example/cgi-bin/sendsms", live=live).host == "kannel.example"


@pytest.mark.parametrize(
    ("name", "is_drill"),
    [
        ("drill.hotline.example", True),
        ("hotline-drills.example", True),
        ("primero-training.example", True),
        ("hotline.example", False),
        ("drilling.example", False),
        ("trainings.example", False),
        ("drill@hotline.example", True),
        ("desk.training@hotline.example", True),
        ("desk@drill.example", True),
        ("desk+drill@hotline.example", False),
        ("drill+desk@hotline.example", True),
        ("", False),
    ],
)
def test_which_names_say_so(name: str, is_drill: bool) -> None:
    assert is_drill_name(name) is is_drill
