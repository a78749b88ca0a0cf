"""Files for one account, and no core dump."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, resource
from runtime.hardening import harden
harden()
print(oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.rule("X-30")
def test_umask_and_core_limit() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0o77 (0, 0)"
