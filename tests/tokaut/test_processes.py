import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack.processes import ProcessDied, ProcessGroup, kill_run

pytestmark = pytest.mark.slow

LASTS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
HAS_A_CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; c = subprocess.Popen(['sleep', '600']); print(c.pid, flush=True); time.sleep(600)",
]


def started(tmp_path: Path, *commands: list[str]) -> ProcessGroup:
    processes = ProcessGroup(f"run-{uuid.uuid4()}", tmp_path)
    for number, command in enumerate(commands):
        processes.start(str(number), command, os.environ)
        said_something(tmp_path / f"{number}.log")
    return processes


def said_something(log: Path) -> None:
    until(lambda: log.exists() and log.read_text() != "", "it does not start")


def until_one_has_ended(processes: ProcessGroup) -> None:
    def look() -> bool:
        processes.check()
        return False

    until(look, "none of them ends")


def is_there(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"


def test_a_process_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    processes = ProcessGroup(f"run-{uuid.uuid4()}", tmp_path)
    processes.start("web", [sys.executable, "-c", "print('no such setting'); raise SystemExit(3)"], os.environ)
    with pytest.raises(ProcessDied, match=r"web has ended \(exit status 3\)[^$]*no such setting"):
        until_one_has_ended(processes)
    processes.stop()


def test_lines_that_an_earlier_run_logged_are_not_shown_as_the_cause(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("the cause of last week\n")
    processes = ProcessGroup(f"run-{uuid.uuid4()}", tmp_path)
    processes.start("web", [sys.executable, "-c", "raise SystemExit('the cause of today')"], os.environ)
    with pytest.raises(ProcessDied) as died:
        until_one_has_ended(processes)
    processes.stop()
    assert "the cause of today" in str(died.value) and "last week" not in str(died.value)


def test_a_process_that_is_killed_is_named(tmp_path: Path) -> None:
    processes = started(tmp_path, [sys.executable, "-c", "import os; print('up', flush=True); os.kill(os.getpid(), 9)"])
    with pytest.raises(ProcessDied, match=r"0 has ended \(killed by SIGKILL\)"):
        until_one_has_ended(processes)
    processes.stop()


def test_all_are_stopped_with_what_they_started(tmp_path: Path) -> None:
    processes = started(tmp_path, LASTS, HAS_A_CHILD)
    grandchild = int((tmp_path / "1.log").read_text())
    assert is_there(grandchild)
    processes.stop()
    assert not is_there(grandchild)


def test_what_the_others_need_is_stopped_after_them(tmp_path: Path) -> None:
    processes = ProcessGroup(f"run-{uuid.uuid4()}", tmp_path)
    processes.start("server", LASTS, os.environ, outlasts=True)
    [server] = processes.of(["server"])
    code = f"""
import pathlib, signal
def end(*_):
    state = pathlib.Path("/proc/{server}/stat").read_text().rpartition(")")[2].split()[0]
    print("the server is", "gone" if state == "Z" else "there", flush=True)
    raise SystemExit
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
signal.pause()
"""
    for name in ("one", "two"):
        processes.start(name, [sys.executable, "-c", code], os.environ)
    logs = [tmp_path / f"{name}.log" for name in ("one", "two")]
    until(lambda: all(log.read_text() == "up\n" for log in logs), "they do not start")
    processes.stop()
    assert [log.read_text() for log in logs] == ["up\nthe server is there\n"] * 2
    assert not is_there(server)


def test_one_that_does_not_listen_is_made_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokaut.local_stack.processes.ONE_WITHIN", 0.1)
    processes = started(tmp_path, LASTS, DEAF)
    there = [child.process.pid for child in processes._children]
    processes.stop()
    assert not any(map(is_there, there))


def test_ctrl_c_in_the_terminal_does_not_reach_them_before_we_do(tmp_path: Path) -> None:
    processes = started(tmp_path, LASTS)
    (child,) = processes._children
    assert os.getpgid(child.process.pid) != os.getpgid(0)
    processes.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_after_the_starter_was_killed_the_next_start_ends_what_is_left(tmp_path: Path) -> None:
    starter = f"""
import os, pathlib, time
from tokaut.local_stack.processes import ProcessGroup
ProcessGroup("killed-run", pathlib.Path({str(tmp_path)!r})).start("0", {HAS_A_CHILD!r}, os.environ)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", starter]) as parent:
        log = tmp_path / "0.log"
        said_something(log)
        grandchild = int(log.read_text())
        parent.send_signal(signal.SIGKILL)
    assert is_there(grandchild)  # only the child is bound to its parent's life
    assert kill_run("another-run") == 0
    assert kill_run("killed-run") >= 1
    assert not is_there(grandchild)


def hotline(tmp_path: Path) -> list[str]:
    (tmp_path / "secrets").write_text("{}")
    files = [str(tmp_path / "secrets"), str(tmp_path / "received")]
    return [sys.executable, "-m", "tokaut.local_stack.hotline_server", str(free_port()), *files]


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[ProcessGroup]:
    """Two hotlines that are forks of one process."""
    processes = ProcessGroup(f"run-{uuid.uuid4()}", tmp_path, forks=True)
    for name in ("one", "two"):
        processes.start(name, hotline(tmp_path), os.environ)
    yield processes
    processes.stop()


def test_forks_have_one_parent_and_their_own_names_and_go_with_it(forks: ProcessGroup) -> None:
    pids = forks.of(["one", "two"])
    names = [Path(f"/proc/{pid}/comm") for pid in pids]
    until(lambda: [name.read_text() for name in names] == ["one\n", "two\n"], "they have no names of their own")
    [server] = {parent(pid) for pid in pids}
    assert parent(server) == os.getpid()
    forks.check()
    forks.stop()
    assert not any(map(is_there, (server, *pids)))


def test_when_the_parent_of_the_forks_dies_so_do_they_and_none_can_be_started(
    forks: ProcessGroup, tmp_path: Path
) -> None:
    pids = forks.of(["one", "two"])
    os.kill(parent(pids[0]), signal.SIGKILL)
    with pytest.raises(ProcessDied, match=r"The process that the others are forks of has ended\. .*fork-server\.log"):
        until_one_has_ended(forks)
    with pytest.raises(ProcessDied, match="three was not started: the fork server"):
        forks.start("three", hotline(tmp_path), os.environ)
    until(lambda: not any(map(is_there, pids)), "they live on")
