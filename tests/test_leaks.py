"""The check that fails a test which leaves something behind (tests/support/leaks.py): planted leaks are found."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.house.files import ROOT
from tests.support.leaks import Allowed, Resources, left


@contextmanager
def thread(_: Path) -> Iterator[None]:
    over = threading.Event()
    one = threading.Thread(target=over.wait, daemon=True)
    one.start()
    try:
        yield
    finally:
        over.set()
        one.join()


@contextmanager
def child(_: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        yield


@contextmanager
def open_socket(_: Path) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)):
        yield


@contextmanager
def database(folder: Path) -> Iterator[None]:
    connection = sqlite3.connect(folder / "one.db")
    connection.execute("CREATE TABLE one (number)")
    try:
        yield
    finally:
        connection.close()


LEAKS = {"thread": thread, "child process": child, "socket:": open_socket, "one.db": database}


@pytest.mark.parametrize(("said", "opened"), LEAKS.items(), ids=list(LEAKS))
def test_what_is_left_open_is_found_and_named(said: str, opened: object, tmp_path: Path) -> None:
    before = Resources.now()
    with LEAKS[said](tmp_path):
        found = left(before, Allowed(), grace=0)
        assert found
        assert said in str(found)
    assert not left(before, Allowed())


def test_a_server_that_all_tests_share_is_allowed_also_after_a_restart() -> None:
    class Shared:
        pid: int | None = None

    shared, before = Shared(), Resources.now()
    with ExitStack() as open_children:
        for _ in range(2):
            command = [sys.executable, "-c", "input()"]
            shared.pid = open_children.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE)).pid
            assert not left(before, Allowed([shared]), grace=0)
            open_children.close()


LEAKY = """
import threading, pytest

@pytest.fixture(scope="module")
def of_the_module():
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="of the module", daemon=True)
    thread.start()
    yield thread
    {at_the_end}

def test_clean():
    pass

def test_leaks():
    if {leaks}:
        threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()

def test_shares(of_the_module):
    assert of_the_module.is_alive()
"""
CONFTEST = "from tests.conftest import nothing_left_by_the_module, nothing_left_by_the_test\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leaks", "at_the_end", "outcome", "said"),
    [
        (False, "over.set(); thread.join()", "3 passed", None),
        (True, "over.set(); thread.join()", "3 passed, 2 errors", "This test left behind:\nthread 'forgotten'"),
        (False, "", "3 passed, 1 error", "This module left behind:\nthread 'of the module'"),
    ],
)
def test_a_run_with_a_leak_fails(leaks: bool, at_the_end: str, outcome: str, said: str | None, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_leaky.py").write_text(LEAKY.format(leaks=leaks, at_the_end=at_the_end))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TEST_LEAK_GRACE": "0"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"{outcome} in" in done.stdout.replace("\x1b", ""), done.stdout + done.stderr
    assert said is None or said in done.stdout
