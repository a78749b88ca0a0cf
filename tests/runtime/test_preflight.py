"""Checks before a server's first process; a fork must not inherit what they open or start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

OPENS_AND_STARTS = """
import json, sqlite3, sys, threading
from pathlib import Path
from runtime.hardening import run_in_child

def check():
    global connection
    connection = sqlite3.connect(sys.argv[1])
    connection.execute("CREATE TABLE a (b)")
    connection.commit()
    threading.Thread(target=threading.Event().wait, daemon=True).start()

run_in_child(check)
files = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.exists()]
print(json.dumps([sys.argv[1] in files, threading.active_count()]))
"""
EXITS = """
import os, sys
from runtime.hardening import run_in_child
run_in_child(lambda: {})
print("it went on")
"""

SHARES = """
import gc, os, sys
from runtime.hardening import prepare_fork
from runtime.operator_error import OperatorError

def load():
    global loaded_by
    loaded_by = os.getpid()
    {}

prepare_fork(load, lambda: print(loaded_by == os.getpid()))
print(loaded_by == os.getpid(), gc.get_freeze_count() > 1000)
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)


def test_nothing_that_the_check_opened_is_left_here(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    done = run(OPENS_AND_STARTS, str(file))
    assert json.loads(done.stdout) == [False, 1], done.stderr
    assert file.exists()


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ('sys.exit("TOKAUT_MODE is wrong")', "TOKAUT_MODE is wrong\n"),
        ("sys.exit(1)", ""),
        ("1 / 0", "ZeroDivisionError: division by zero\n"),
        ("os.kill(os.getpid(), 9)", "The check before the start was killed by signal 9. Start again.\n"),
    ],
    ids=["a wrong setting", "a code", "a fault of ours", "killed"],
)
def test_it_exits_as_the_check_does(check: str, said: str) -> None:
    done = run(EXITS.format(check))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(said)


def test_what_is_loaded_before_the_fork_is_shared_and_the_check_runs_elsewhere() -> None:
    assert run(SHARES.format("")).stdout.splitlines() == ["False", "True True"]


def test_it_exits_with_the_fault_of_what_it_loads() -> None:
    done = run(SHARES.format('raise OperatorError("report.yaml:3:1: it has no words")'))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "report.yaml:3:1: it has no words\n")


@pytest.mark.slow
@pytest.mark.parametrize("process", ["gateway", "console"])
def test_the_master_of_a_server_has_loaded_the_texts_when_it_forks(process: str) -> None:
    code = f"""
import importlib, runpy
from types import SimpleNamespace
from flows import catalogues, loader
importlib.import_module("{process}.app").check = lambda _: None
server = SimpleNamespace(app=SimpleNamespace(app_uri="gateway.asgi:create_app()"), cfg=None)
runpy.run_path("{process}/gunicorn.conf.py")["on_starting"](server)
print([one.cache_info().currsize for one in (loader.shipped, catalogues.shipped)])
"""
    done = run(code)
    assert done.stdout == "[1, 1]\n", done.stderr
