"""The fork server (tokaut/local_stack/fork_server.py): each program is a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.support.fork_server import SERVER, start_python, start_server
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack.fork_server import ForkedProcess

pytestmark = pytest.mark.slow
HOTLINE = "tokaut.local_stack.hotline_server"
SELDOM_USED = {"alembic", "psycopg", "pygments", "reportlab", "twilio.rest.api.v2010", "zxcvbn"}


def started(folder: Path, *arguments: str, **env: str) -> ForkedProcess | subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return start_python([sys.executable, "-m", *arguments], env=env, stdout=log, stderr=log, cwd=folder)


def test_a_program_that_ends_by_itself_gives_its_status_and_its_words(tmp_path: Path) -> None:
    process = started(tmp_path, "workers.main", "no-such-kind")
    assert isinstance(process, ForkedProcess)
    assert process.wait(timeout=60) == 1
    assert "Usage: python -m workers.main" in (tmp_path / "log").read_text()


def test_a_program_has_the_environment_and_the_folder_that_it_was_given(tmp_path: Path) -> None:
    process = started(tmp_path, "workers.main", "urgent", TOKAUT_MODE="a-mode", TOKAUT_DATA="here")
    assert process.wait(timeout=60) == 1
    assert "TOKAUT_MODE" in (tmp_path / "log").read_text()
    (tmp_path / "secrets").write_text("{}")
    listening = started(tmp_path, HOTLINE, str(free_port()), "secrets", "received")
    until(lambda: Path(f"/proc/{listening.pid}/cwd").readlink() == tmp_path, "it is not in its folder")
    listening.kill()
    listening.wait(timeout=60)


ENDING = """
import atexit, threading, time

def finish() -> None:
    time.sleep(0.1)
    print("a thread")

atexit.register(print, "at exit")
threading.Thread(target=finish).start()
print("the program")
"""


def test_a_program_ends_with_its_threads_its_exit_functions_and_all_that_it_printed(tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    start_server()
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "ending"]
        process = SERVER.spawn(command, env={}, stdout=log, stderr=log, cwd=tmp_path)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "log").read_text().splitlines() == ["the program", "a thread", "at exit"]


@pytest.mark.parametrize(
    ("program", "output", "status", "last_line"),
    [
        ("sys.exit(3)", "log", 3, ""),
        ("sys.exit('it has no port')", "log", 1, "it has no port"),
        ("raise LookupError('on purpose')", "log", 1, "LookupError: on purpose"),
        ("signal.signal(15, lambda *_: sys.exit(4)); signal.raise_signal(15)", "log", 4, ""),
        ("signal.raise_signal(15)", "log", -signal.SIGTERM, ""),
        ("print('x')", "/dev/full", 120, ""),
    ],
)
def test_a_program_ends_with_the_status_of_the_interpreter(
    tmp_path: Path, program: str, output: str, status: int, last_line: str
) -> None:
    (tmp_path / "ending.py").write_text(f"import signal, sys\n{program}\n")
    start_server()
    command = [sys.executable, "-m", "ending"]
    for spawn in (SERVER.spawn, executed):
        with (tmp_path / "errors").open("wb") as errors, (tmp_path / output).open("wb") as log:
            process = spawn(command, env={}, stdout=log, stderr=errors, cwd=tmp_path)
        assert process.wait(timeout=60) == status
        written = (tmp_path / "errors").read_text().splitlines() or [""]
        assert output != "log" or written[-1] == last_line


def executed(
    command: list[str], *, env: dict[str, str], stdout: IO[bytes], stderr: IO[bytes], cwd: Path
) -> subprocess.Popen[bytes]:
    """Run the same by an interpreter of its own, to compare."""
    return subprocess.Popen(command, env=env, stdout=stdout, stderr=stderr, cwd=cwd)


@pytest.mark.parametrize(("settings", "kind"), [({}, "MutexValue"), ({"PROMETHEUS_MULTIPROC_DIR": "."}, "MmapedValue")])
def test_its_own_settings_decide_whether_a_program_shares_its_metrics(
    tmp_path: Path, settings: dict[str, str], kind: str
) -> None:
    (tmp_path / "counting.py").write_text("from prometheus_client import values; print(values.ValueClass.__name__)")
    start_server()
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "counting"]
        process = SERVER.spawn(command, env=settings, stdout=log, stderr=log, cwd=tmp_path)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "log").read_text() == f"{kind}\n"


def test_a_killed_program_gives_its_signal_and_waiting_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("{}")
    process = started(tmp_path, HOTLINE, str(free_port()), "secrets", "received")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.05)
    assert process.poll() is None
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert not Path(f"/proc/{process.pid}").exists(), "it was waited for"


def test_an_answer_that_nobody_read_is_not_taken_for_the_next(tmp_path: Path) -> None:
    """Ctrl-C may interrupt the client between a request and its response."""
    (tmp_path / "secrets").write_text("{}")
    process = started(tmp_path, HOTLINE, str(free_port()), "secrets", "received")
    assert isinstance(process, ForkedProcess)
    process.kill()
    process._wait_for_end(60)
    SERVER.channel.send(json.dumps({"poll": process.pid, "number": -1}).encode())
    assert process.wait(timeout=60) == -signal.SIGKILL


def test_programs_do_not_make_the_same_keys(tmp_path: Path) -> None:
    """The fork server has used OpenSSL before it forks."""
    (tmp_path / "keys.py").write_text(
        "from reports.crypto import PrivateKey; print(PrivateKey.generate().public.key_id)"
    )
    start_server()
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "keys"]
        processes = [SERVER.spawn(command, env={}, stdout=log, stderr=log, cwd=tmp_path) for _ in range(3)]
        assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert len(set((tmp_path / "log").read_text().split())) == 3


def test_a_program_with_other_authorities_is_executed(tmp_path: Path) -> None:
    process = started(tmp_path, "workers.main", "no-such-kind", SSL_CERT_FILE=str(tmp_path / "own.pem"))
    assert isinstance(process, subprocess.Popen)
    assert process.wait(timeout=60) == 1


def test_a_fork_has_what_all_programs_share_and_no_large_module_that_few_use() -> None:
    """A module that each program imports for itself would be in memory once for each of them."""
    code = "from tokaut.local_stack.fork_server import _preload; _preload(); import sys, threading\n"
    code += "before = set(sys.modules); import workers.main, console.app, gateway.asgi, gateway.server\n"
    code += f"print(sorted(set(sys.modules) - before), sorted({SELDOM_USED} & before), threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['workers.main'] [] 1\n"


def test_another_program_is_executed(tmp_path: Path) -> None:
    process = started(tmp_path, "json.tool", "--help")
    assert isinstance(process, subprocess.Popen)
    assert process.wait(timeout=60) == 0
