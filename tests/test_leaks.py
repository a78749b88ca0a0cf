"""The check for resources that a test leaves open (tests/support/leaks.py) finds planted leaks."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.house.files import ROOT
from tests.support.leaks import AllowedResources, Resources, leaked_resources


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
        found = leaked_resources(before, AllowedResources(), grace=0)
        assert found
        assert said in str(found)
    assert not leaked_resources(before, AllowedResources())


def test_a_server_that_all_tests_share_is_allowed_also_after_a_restart() -> None:
    class Shared:
        pid: int | None = None

    shared, before = Shared(), Resources.now()
    with ExitStack() as open_children:
        for _ in range(2):
            command = [sys.executable, "-c", "input()"]
            shared.pid = open_children.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE)).pid
            assert not leaked_resources(before, AllowedResources([shared]), grace=0)
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
ENDED = "over.set(); thread.join()"
FILES = {"test_clean.py": (False, ENDED), "test_of_a_test.py": (True, ENDED), "test_of_a_module.py": (False, "")}


@pytest.fixture(scope="module")
def said_by_a_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of pytest for the three files, each of which leaves something else open."""
    folder = tmp_path_factory.mktemp("leaky")
    (folder / "conftest.py").write_text(CONFTEST)
    for name, (leaks, at_the_end) in FILES.items():
        (folder / name).write_text(LEAKY.format(leaks=leaks, at_the_end=at_the_end))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TEST_LEAK_GRACE": "0"}
    options = ["-q", "-rpE", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", *options, *(str(folder / name) for name in FILES)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "outcome", "said"),
    [
        ("test_clean.py", {"PASSED": 3}, None),
        ("test_of_a_test.py", {"PASSED": 3, "ERROR": 2}, "This test left behind:\nthread 'forgotten'"),
        ("test_of_a_module.py", {"PASSED": 3, "ERROR": 1}, "This module left behind:\nthread 'of the module'"),
    ],
)
def test_a_run_with_a_leak_fails(name: str, outcome: dict[str, int], said: str | None, said_by_a_run: str) -> None:
    found = Counter(re.findall(rf"^([A-Z]+) {name}::", said_by_a_run, re.MULTILINE))
    assert found == outcome, said_by_a_run
    assert said is None or said in said_by_a_run
