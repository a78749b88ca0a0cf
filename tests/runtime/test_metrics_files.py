"""The metrics of several processes on one page: a new process continues the values of a dead one."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, values

from runtime import metrics_files

# A process that counts one event, ticks at a given time, and ends in a given way.
PROCESS = """
import os, sys
from prometheus_client import CollectorRegistry, Counter, Gauge
from runtime import metrics_files

kind, tick, end = sys.argv[1:]
os.umask(0o077)
registry = CollectorRegistry()
with metrics_files.claim_files(kind):
    events = Counter("tokaut_trials", "Trials", registry=registry)
    ticked = Gauge("tokaut_ticked", "Ticked", registry=registry, multiprocess_mode="mostrecent")
    leads = Gauge("tokaut_leads", "Leads", registry=registry, multiprocess_mode="max")
events.inc()
if float(tick):
    ticked.set(float(tick))
    leads.set(1)
sys.stdout.write(metrics_files.render(registry).decode())
sys.stdout.flush()
if end == "waits":
    sys.stdin.read()
elif end == "killed":
    os.kill(os.getpid(), 9)
"""


def command(kind: str, tick: float, end: str) -> list[str]:
    return [sys.executable, "-c", PROCESS, kind, str(tick), end]


def settings(folder: Path, also: Path | None = None) -> dict[str, str]:
    return {
        **os.environ,
        metrics_files.FOLDER_VARIABLE: str(folder),
        **({metrics_files.OTHER_FOLDER_VARIABLE: str(also)} if also else {}),
    }


def figures(page: str) -> dict[str, float]:
    return {line.split()[0]: float(line.split()[1]) for line in page.splitlines() if line.startswith("tokaut_")}


def run(folder: Path, kind: str, tick: float = 0, end: str = "ends", also: Path | None = None) -> dict[str, float]:
    done = subprocess.run(
        command(kind, tick, end), env=settings(folder, also), capture_output=True, text=True, check=False
    )
    assert done.returncode == (-signal.SIGKILL if end == "killed" else 0), done.stderr
    return figures(done.stdout)


def test_whoever_comes_after_a_dead_one_goes_on(tmp_path: Path) -> None:
    assert run(tmp_path, "clock", 100, "killed") == {"tokaut_trials_total": 1, "tokaut_ticked": 100, "tokaut_leads": 1}
    there = sorted(path.name for path in tmp_path.iterdir())
    assert run(tmp_path, "urgent") == {"tokaut_trials_total": 2, "tokaut_ticked": 100, "tokaut_leads": 1}
    assert run(tmp_path, "clock", 200, "killed") == {"tokaut_trials_total": 3, "tokaut_ticked": 200, "tokaut_leads": 1}
    assert run(tmp_path, "clock")["tokaut_ticked"] == 200, "it gets older, and is not gone"
    assert there == sorted(path.name for path in tmp_path.iterdir() if "clock" in path.name), "no file for each of them"


def test_two_of_a_kind_at_once_have_a_place_each(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("clock", 100, "waits"), env=settings(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        while "tokaut_leads 1" not in first.stdout.readline():
            pass
        assert run(tmp_path, "clock") == {"tokaut_trials_total": 2, "tokaut_ticked": 100, "tokaut_leads": 1}
        first.kill()
    assert {path.stem.rpartition("_")[2] for path in tmp_path.glob("*.db")} == {"clock-1", "clock-2"}


@pytest.mark.parametrize(("folder", "files"), [(0o750, 0o640), (0o700, 0o600)])
def test_files_are_as_open_as_their_folder_and_nobody_else_writes(tmp_path: Path, folder: int, files: int) -> None:
    tmp_path.chmod(folder)
    run(tmp_path, "urgent", 100)
    modes = {(path.suffix, stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir()}
    assert modes == {(".db", files), (".lock", 0o600)}


def test_another_accounts_folder_is_read_and_not_written(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    assert run(own, "web", also=other)["tokaut_trials_total"] == 1, "it is not there yet"
    other.mkdir()
    run(other, "clock", 100)
    before = sorted(path.name for path in other.iterdir())
    assert run(own, "web", also=other) == {"tokaut_trials_total": 3, "tokaut_ticked": 100, "tokaut_leads": 1}
    assert sorted(path.name for path in other.iterdir()) == before


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    assert run(tmp_path / "gone", "web", 100)["tokaut_trials_total"] == 1


def test_without_a_folder_the_figures_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(metrics_files.FOLDER_VARIABLE, raising=False)
    registry, before = CollectorRegistry(), values.ValueClass
    with metrics_files.claim_files("web"):
        Counter("tokaut_trials", "Trials", registry=registry).inc()
    assert values.ValueClass is before
    assert b"tokaut_trials_total 1.0" in metrics_files.render(registry)


# A process that sets a gauge for each of its labels, and lets only some labels continue.
LABELLED = """
import sys
from prometheus_client import CollectorRegistry, Counter, Gauge
from runtime import metrics_files

kind, current, *set_now = sys.argv[1:]
registry = CollectorRegistry()
with metrics_files.claim_files(kind, lambda name, labels: labels.get("hotline", current) == current):
    events = Counter("tokaut_trials", "Trials", ["hotline"], registry=registry)
    rests = Gauge("tokaut_rests", "Rests", ["hotline"], registry=registry, multiprocess_mode="mostrecent")
    ticked = Gauge("tokaut_ticked", "Ticked", registry=registry, multiprocess_mode="mostrecent")
for name in set_now:
    events.labels(name).inc()
    rests.labels(name).set(1)
    ticked.set(5)
sys.stdout.write(metrics_files.render(registry).decode())
"""


def run_labelled(folder: Path, kind: str, current: str, *set_now: str) -> dict[str, float]:
    command_line = [sys.executable, "-c", LABELLED, kind, current, *set_now]
    done = subprocess.run(command_line, env=settings(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return figures(done.stdout)


def test_a_gauge_whose_label_is_gone_is_deleted_at_the_next_start(tmp_path: Path) -> None:
    events = {f'tokaut_trials_total{{hotline="{name}"}}': 1 for name in ("one", "two")}
    rests = {f'tokaut_rests{{hotline="{name}"}}': 1 for name in ("one", "two")}
    assert run_labelled(tmp_path, "clock", "one", "one", "two") == events | rests | {"tokaut_ticked": 5}
    assert run_labelled(tmp_path, "urgent", "one") == events | rests | {"tokaut_ticked": 5}, "not its kind"
    del rests['tokaut_rests{hotline="two"}']
    assert run_labelled(tmp_path, "clock", "one") == events | rests | {"tokaut_ticked": 5}, "no counter begins anew"
    assert not list(tmp_path.glob("*.part"))


def test_the_files_of_another_process_are_cleaned_only_after_its_end(tmp_path: Path) -> None:
    run_labelled(tmp_path, "clock", "two", "two")
    lock = metrics_files._try_lock(tmp_path / "clock-1.lock")
    assert lock is not None
    assert 'tokaut_rests{hotline="two"}' in run_labelled(tmp_path, "clock", "one")
    os.close(lock)
    for path in tmp_path.glob("*clock-1.db"):
        path.rename(path.with_name(path.name.replace("clock-1", "clock-2")))
    assert 'tokaut_rests{hotline="two"}' not in run_labelled(tmp_path, "clock", "one")


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, b"\x40\0\0\0" + b"x" * 100])
def test_a_damaged_file_hides_no_other_and_stops_no_process(tmp_path: Path, damage: bytes) -> None:
    assert run(tmp_path, "urgent", 100)["tokaut_trials_total"] == 1
    (tmp_path / "counter_clock-1.db").write_bytes(damage)
    assert run(tmp_path, "urgent") == {"tokaut_trials_total": 2, "tokaut_ticked": 100, "tokaut_leads": 1}
    assert (tmp_path / "counter_clock-1.db").exists(), "a process of another kind leaves it"
    assert run(tmp_path, "clock")["tokaut_trials_total"] == 3
