"""Run a trial in a machine with a real systemd. Skips if none can be booted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.machine import CHECKOUT


def tried(trial: str) -> Iterator[dict[str, Any]]:
    """Run a trial and yield its results. `trial`: the module of tests.deploy to run, which writes /found.json."""
    if os.getuid() != 0 or shutil.which("systemd-nspawn") is None:
        pytest.skip("no root or no systemd-nspawn, so no systemd runs the units: apt-get install systemd-container")
    if CHECKOUT.is_relative_to("/tmp"):
        pytest.skip("the checkout lies under /tmp, and a machine that boots has a /tmp of its own")
    folder = Path(tempfile.mkdtemp(prefix="tm-"))
    command = ["unshare", "--mount", sys.executable, "-m", "tests.deploy.machine", str(folder), trial]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    said = (folder / "said").read_text() if (folder / "said").exists() else ""
    if not said:
        shutil.rmtree(folder)
        pytest.skip(f"this machine lets no systemd boot in a container: {(done.stdout + done.stderr)[-300:]}")
    assert (folder / "found.json").exists(), said[-5000:]
    yield json.loads((folder / "found.json").read_text())
    shutil.rmtree(folder)
