"""The benchmark runs and returns every figure. docs/performance.md has the figures."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tokaut.bench import load_client, machine
from tokaut.bench.table import figure_rows

SERIES = {"per_second", "p50", "p99", "cpu_ms", "client_cpu"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.CompletedProcess[str], Path]]:
    folder = tmp_path_factory.mktemp("bench") / "var"
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-m", "tokaut", "bench", "--quick", "--draw", str(folder / "drawn.svg")]
    environment = os.environ | {"TOKAUT_DATA": str(folder)}
    yield subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False), folder


@pytest.fixture(scope="module")
def figures(run: tuple[subprocess.CompletedProcess[str], Path]) -> Any:
    done, folder = run
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads((folder / "bench.json").read_text())


@pytest.mark.slow
class TestQuickRun:
    def test_it_says_on_what_the_figures_were_taken(self, figures: Any) -> None:
        assert figures["machine"]["cores"] >= 1
        assert len(figures["machine"]["load_before"]) == 3
        assert {"python", "flask", "gunicorn", "redis"} <= set(figures["versions"])
        assert figures["settings"]["rounds"] == 1
        assert figures["settings"]["web_processes"] == 1

    def test_web_and_the_floor_are_compared(self, figures: Any) -> None:
        screens = figures["screens"]
        for name in ("web", "floor"):
            assert set(screens[name]) == SERIES
            assert screens[name]["per_second"] > 0
            assert 0 < screens[name]["p50"] <= screens[name]["p99"]
            assert 0 <= screens[name]["client_cpu"] <= 1
        assert set(screens["ratio"]) == {"floor"}
        assert all(ratio["per_second"] > 0 for ratio in screens["ratio"].values())
        assert len(screens["rounds"]) == 1

    def test_reports_are_committed_and_arrive(self, figures: Any) -> None:
        assert figures["sending"]["reports_per_second"] >= 0
        assert figures["sending"]["per_second"] > 0
        arrival = figures["to_hotline"]
        assert arrival["reports"] == 3
        for since in ("from_send", "from_commit", "from_sent"):
            assert arrival[since]["p50"] <= arrival[since]["p95"]
        assert arrival["from_sent"]["p50"] <= arrival["from_send"]["p50"]
        for workers in ("deliveries_one", "deliveries_two"):
            assert figures[workers]["delivered"] > 1
            assert figures[workers]["per_second"] > 0
            assert figures[workers]["tls"] == (shutil.which("openssl") is not None)
        assert figures["deliveries_far"]["per_second"] > 0
        assert all(limit > 0 for limit in figures["limits"].values())
        cost = figures["report_cost"]
        assert cost["reports"] > 0
        assert cost["all"] == pytest.approx(cost["web"] + cost["workers"] + cost["clock"], abs=0.05)
        assert figures["sending_postgresql"] is None, "nobody has named a database"

    def test_somebody_has_an_urgent_report_though_its_first_hotline_is_down(self, figures: Any) -> None:
        assert 29 <= figures["primary_down"]["p50"] <= figures["primary_down"]["p99"] <= 60

    def test_half_of_the_load_is_asked_for_evenly(self, figures: Any) -> None:
        for name in ("half_load", "half_load_sending"):
            assert set(figures[name]) == SERIES | {"goal_p99"}
        assert figures["half_load"]["per_second"] < figures["screens"]["web"]["per_second"]

    def test_sizes_and_round_trips_are_counted_and_within_their_goals(self, figures: Any) -> None:
        """These are counts, the same on every machine."""
        kept, trips = figures["session_bytes"], figures["round_trips"]
        assert 0 < kept["median"] <= kept["largest"] <= kept["goal"]
        assert 0 < trips["ussd"] <= trips["goal"]["ussd"]
        assert 0 < trips["sms"] <= trips["goal"]["sms"]

    @pytest.mark.skipif(not machine.PROC.exists(), reason="no /proc on this system: what it tells is null")
    def test_what_a_process_uses_is_told(self, figures: Any) -> None:
        memory = figures["memory_mb"]
        for found in (memory["after_load"], memory["1000 sessions"], memory["100000 sessions"]):
            assert 0 < found["pss"] <= found["rss"]
        assert memory["growth"] < 1.5
        stored = figures["stored_reports_mb"]
        assert (stored["before"]["reports"], stored["after"]["reports"]) == (1, 1001)
        assert 0 < stored["after"]["rss"] < stored["before"]["rss"] * 1.5
        assert figures["screens"]["web"]["cpu_ms"] >= 0

    def test_the_table_has_every_row(self, run: tuple[subprocess.CompletedProcess[str], Path], figures: Any) -> None:
        for name, *_ in figure_rows(figures):
            assert name.split(",")[0].split(":")[0][:40] in run[0].stdout  # a long name is wrapped

    def test_the_picture_says_what_was_found(
        self, run: tuple[subprocess.CompletedProcess[str], Path], figures: Any
    ) -> None:
        picture = (run[1] / "drawn.svg").read_text()
        assert picture.startswith("<svg ") and picture.endswith("</svg>\n")
        for name in ("web", "floor"):
            assert f"({figures['screens'][name]['per_second']:.0f} a second)" in picture

    def test_it_leaves_nothing_running(self, run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
        folder = f"TOKAUT_DATA={run[1] / 'bench' / 'demo'}".encode()
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                assert folder not in environ.read_bytes().split(b"\0")
            except OSError:
                continue


def test_a_path_holds_all_replies_so_far() -> None:
    assert list(load_client.text_fields(["", "1", "98", "0"])) == ["", "1", "1%2A98", "1%2A98%2A0"]


def test_the_callers_phones_are_made_up_numbers() -> None:
    assert load_client.phone_number(1) == "+6785550001"
    assert load_client.phone_number(10_001) == "+6785550001"


def test_what_proc_does_not_tell_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "PROC", tmp_path)
    assert machine.processes_with("gunicorn") == []
    assert machine.cpu_seconds([]) is None
    assert machine.memory_use([]) == {"rss": None, "pss": None}
    assert machine.describe_machine()["memory_mb"] is None
