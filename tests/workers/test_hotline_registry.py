"""A kind of hotline is one file: name, settings, builder. A wrong setting stops no other hotline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reports.countries.hotline import Hotline as Listed
from runtime.settings import (
    CommonSettings,
    HotlineSettings,
    Mode,
    OperatorSettings,
    SettingError,
    load_settings,
    parsers,
)
from tests.reports.environments import live_environment
from tests.workers.test_tls import NOW, certificate, timedelta
from workers.app import hotline_dependencies
from workers.delivery import registry
from workers.delivery.registry import HotlineDependencies

HOOK, OTHER_HOOK = parsers.new_webhook_secret(), parsers.new_webhook_secret()


@pytest.fixture
def live(tmp_path: Path) -> dict[str, str]:
    return live_environment(tmp_path)


def listed(hotline: str, kind: str = "webhook") -> Listed:
    return Listed(id=hotline, name="One", screen_name="One", kind="child_helpline", grade="unverified", delivery=kind)


def attempt(environ: Mapping[str, str], *ids: str) -> HotlineSettings:
    return registry.read_settings(environ, [listed(one) for one in ids])


def filled(environ: Mapping[str, str], *ids: str) -> Mapping[str, Any]:
    found = attempt(environ, *ids)
    assert (found.faults, found.unknown) == ((), ())
    return found.filled


def built(environ: Mapping[str, str], *hotlines: Listed) -> set[str]:
    return set(
        registry.build_connectors(environ, hotlines, lambda hotline: HotlineDependencies(Mode.TRAINING, hotline))
    )


def test_a_hotlines_own_settings(live: dict[str, str]) -> None:
    environ = {
        **live,
        "HOTLINE_VU_PIKININI_URL": "https://hotline.example/reports/",
        "HOTLINE_VU_PIKININI_SECRET": f"{HOOK},{OTHER_HOOK}",
        "HOTLINE_VU_PIKININI_PRIVATE": "10.0.0.5:8443, [fd00::1]:443",
    }
    found = filled(environ, "vu-pikinini")["vu-pikinini"]
    assert found.url == "https://hotline.example/reports"
    assert found.secret.reveal() == (HOOK, OTHER_HOOK)
    assert found.private == ("10.0.0.5:8443", "[fd00::1]:443")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("URL", "", "HOTLINE_VU_PIKININI_URL is empty; where this hotline takes reports"),
        ("URL", "http://hotline.example", "HOTLINE_VU_PIKININI_URL begins with http://; live mode needs https://"),
        (
            "SECRET",
            "whsec_c2hvcnQ=",
            "HOTLINE_VU_PIKININI_SECRET holds 5 bytes and needs 24; make one: tokaut keys secret --webhook",
        ),
        (
            "SECRET",
            parsers.new_webhook_secret(demo=True),
            "HOTLINE_VU_PIKININI_SECRET is one that a demo made; live mode needs its own: tokaut keys secret",
        ),
        (
            "PRIVATE",
            "10.0.0.5",
            "HOTLINE_VU_PIKININI_PRIVATE is a list of host:port with commas between them, such as 10.0.0.5:8443",
        ),
        (
            "CA_FILE",
            "/nowhere.pem",
            "HOTLINE_VU_PIKININI_CA_FILE names /nowhere.pem, which cannot be read (No such file or directory); "
            "correct the path",
        ),
        ("SECERT", HOOK, "HOTLINE_VU_PIKININI_SECERT is not a setting. Did you mean HOTLINE_VU_PIKININI_SECRET?"),
    ],
)
def test_a_hotlines_wrong_setting(live: dict[str, str], name: str, value: str, line: str) -> None:
    right = {"HOTLINE_VU_PIKININI_URL": "https://hotline.example", "HOTLINE_VU_PIKININI_SECRET": HOOK}
    found = attempt({**live, **right, f"HOTLINE_VU_PIKININI_{name}": value}, "vu-pikinini")
    assert [str(fault) for fault in (*found.faults, *found.unknown)] == [line]


def test_two_hotlines_never_share_a_secret(live: dict[str, str]) -> None:
    environ = {f"HOTLINE_{one}_SECRET": HOOK for one in ("A", "B")} | {
        f"HOTLINE_{one}_URL": "https://hotline.example" for one in ("A", "B")
    }
    [fault] = attempt(live | environ, "a", "b").faults
    assert str(fault).startswith("HOTLINE_B_SECRET has the same value as HOTLINE_A_SECRET")


RIGHT = {"HOTLINE_ONE_URL": "https://drill.hotline.example", "HOTLINE_ONE_SECRET": HOOK}


def test_every_kind_has_settings_of_its_own() -> None:
    assert "webhook" in registry.hotline_kinds()
    assert all(registry.settings_class(kind) for kind in registry.hotline_kinds())
    assert (
        registry.settings_class("telex")
        is registry.settings_class("webhook.py")
        is registry.settings_class("../webhook")
        is None
    )


@pytest.mark.parametrize(
    ("more", "other"),
    [
        pytest.param({}, listed("two"), id="nothing is set"),
        pytest.param({"HOTLINE_TWO_URL": "https://drill.two.example"}, listed("two"), id="half is set"),
        pytest.param(
            {"HOTLINE_TWO_URL": "https://10.0.0.5", "HOTLINE_TWO_SECRET": OTHER_HOOK}, listed("two"), id="refused"
        ),
        pytest.param({"HOTLINE_TWO_NUMBER": "5"}, listed("two", "telex"), id="no such kind"),
    ],
)
def test_a_hotline_set_up_wrongly_stops_nobody_else(more: dict[str, str], other: Listed) -> None:
    assert built(RIGHT | more, listed("one"), other) == {"one"}


@pytest.mark.parametrize("name", ["HOTLINE_ONE_URI", "HOTLINE_ON_URL", "HOTLINE_TWO_NUMBER"])
def test_a_name_that_no_kind_reads_stops_the_start(name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} is not a setting"):
        built(RIGHT | {name: "x"}, listed("one"), listed("two"))


def test_what_a_kind_may_use_comes_from_the_operators_settings(live: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate("mail.example", NOW + timedelta(days=1))[0])
    more = {
        "SMTP_URL": "smtps://mail.example?from=tokaut@example.org",
        "SMTP_PRIVATE": "mail.example:465",
        "SMTP_CA_FILE": str(tmp_path / "ca.pem"),
        "CONSOLE_URL": "https://console.example/",
    }
    found = hotline_dependencies(
        load_settings(CommonSettings, live), load_settings(OperatorSettings, live | more), listed("one")
    )
    assert found.live
    assert found.channels == ("africastalking",)
    assert found.console_url == "https://console.example"
    assert found.mail is not None
    assert (found.mail.listed, found.mail.ca_file) == (("mail.example:465",), tmp_path / "ca.pem")
    with pytest.raises(SettingError, match="CONSOLE_URL begins with http"):
        load_settings(OperatorSettings, live | {"CONSOLE_URL": "http://console.example"})
