"""The program of `make faults`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.fork_server import ROOT
from tests.support.moved_clocks import ABSENT, LIBRARY

PROGRAM = """
import sys, tempfile
from pathlib import Path
from rich.console import Console
from tests.faults import __main__ as faults
from tests.support.fork_server import start_python
from tests.support.moved_clocks import MovedClocks

class Run:
    def __init__(self, *_, **__): ...
    def go(self):
        clocks = MovedClocks(Path(tempfile.mkdtemp()))
        for settings in ({}, clocks.settings("web")):
            command = [sys.executable, "-m", "workers.main", "nobody"]
            with tempfile.TemporaryFile() as out:
                print("ended with", start_python(command, env=settings, stdout=out, stderr=out).wait(60))
        raise faults.ExperimentFailed("it was not an experiment")

faults.Run = Run
sys.exit(faults.main(["jumps"], Console()))
"""


@pytest.mark.slow
@pytest.mark.skipif(LIBRARY is None, reason=ABSENT)
def test_a_part_may_start_processes_of_each_kind_in_its_thread() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout.count("ended with 1") == 4, ran.stdout + ran.stderr
    assert ran.stdout.count("it was not an experiment") == 2
    assert ran.returncode == 1
