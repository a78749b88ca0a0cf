"""The shipped units: valid for systemd, confined by systemd's own measure, and run by it with their accounts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.booted import tried
from tests.deploy.machine import DEPLOY
from tests.docs.test_alerts import RULES, names

pytestmark = pytest.mark.slow

SERVICES = sorted(DEPLOY.glob("*.service"))
UNITS = sorted(path for path in DEPLOY.glob("tokaut*"))
EXPOSED = 1.5  # of 10, by `systemd-analyze security`; a service without hardening has 9.6


def analyze(*command: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed, so the units are not looked at: apt-get install systemd")
    done = subprocess.run([program, *command], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_systemd_finds_nothing_wrong() -> None:
    said = analyze("verify", *map(str, UNITS)).splitlines()
    missing = re.compile(r"Command /opt/tokaut/\S+ is not executable: No such file or directory")
    assert [line for line in said if not missing.search(line)] == []


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_little_is_exposed(unit: Path) -> None:
    said = analyze("security", "--offline=yes", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    assert float(found[1]) <= EXPOSED


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    yield from tried("inside")


@pytest.mark.parametrize("when", ["sent", "sent while tokaut-web@1 restarts", "sent while tokaut-web@2 restarts"])
def test_a_whole_report_is_sent(found: dict[str, Any], when: str) -> None:
    assert found[when].startswith("CON DRILL Sent.")


@pytest.mark.rule("A-42")
@pytest.mark.rule("X-10")
@pytest.mark.rule("X-30")
def test_each_process_may_do_little(found: dict[str, Any]) -> None:
    for service, seen in found["services"].items():
        account = re.split("@|-clock", service)[0] + ("-worker" if service == "tokaut-clock" else "")
        assert seen == {
            "account": account,
            "no_new_privileges": "1",
            "capabilities": "0" * 32,
            "seccomp": "2",
            "umask": "0077",
            "core": ["0", "0"],
            "reads_private_keys": account == "tokaut-worker",
            "reads_web_secrets": False,
            "writes": [],
        }, service


@pytest.fixture
def monitored(found: dict[str, Any]) -> Any:
    if "monitored" not in found:
        pytest.skip("nginx is not installed, so no monitor asks: apt-get install nginx-light")
    return found["monitored"]


def test_one_address_has_the_figures_of_all_processes(monitored: dict[str, Any]) -> None:
    """Each metric that an alert rule uses must exist before a failure, or the rule could not see it rise."""
    shown = set(re.findall(r"^(\w+)[ {]", monitored["figures"], re.MULTILINE))
    asked = {name for rule in RULES for name in names(rule["expr"])}
    # metrics of waiting work, of failed hotlines, of synthetic calls, and of channels with unusually few calls
    only_then = {
        "tokaut_oldest_undelivered_seconds",
        "tokaut_circuit_breaker_open",
        "tokaut_synthetic_call_timestamp_seconds",
        "tokaut_calls_unusually_few",
    }
    assert asked - shown - only_then == {"up"}
    assert {"tokaut_delivery_attempts_total", "tokaut_delivery_latency_seconds_count"} <= shown
    assert 'tokaut_undelivered_deliveries{priority="P1",state="parked"} 0.0' in monitored["figures"]
    assert monitored["ready"]["database"] is True


def test_a_clock_that_is_gone_shows_when_it_ticked_last(monitored: dict[str, Any]) -> None:
    assert monitored["tick of no clock"] == 0


def test_whoever_comes_anew_counts_on(monitored: dict[str, Any]) -> None:
    assert monitored["attempts lost by a restart"] <= 0
    assert monitored["places"] == ["clock-1", "standard-1", "urgent-1"]


def test_nobody_else_writes_the_figures_of_workers(monitored: dict[str, Any]) -> None:
    assert monitored["writes figures of workers"] == ["tokaut-worker@urgent", "tokaut-worker@standard", "tokaut-clock"]


def test_a_hotline_calls_back(found: dict[str, Any]) -> None:
    assert found["called_back"] == 200


def test_the_accounts_share_the_database_and_nobody_else(found: dict[str, Any]) -> None:
    assert found["files"]["tokaut.db"] == ["0o660", "tokaut"]
    assert set(map(tuple, found["files"].values())) == {("0o660", "tokaut")}


def test_the_backup_is_made_by_an_account_without_keys(found: dict[str, Any]) -> None:
    assert found["marked"]
    assert found["copies"] >= 1  # more if the timer has run meanwhile


def test_all_runs_and_ends_well(found: dict[str, Any]) -> None:
    assert (found["not_running"], found["failed"]) == ([], [])
