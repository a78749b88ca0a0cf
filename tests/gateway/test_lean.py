"""What web leaves out is not loaded, whatever loads it elsewhere."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gateway
from gateway.lean import without

CONF = Path(gateway.__file__ or "").with_name("gunicorn.conf.py")
LOADED = f"import runpy, sys; runpy.run_path({str(CONF)!r}); print(*sys.modules)"


@pytest.mark.slow
def test_web_does_without_coloured_tracebacks() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "structlog" in loaded
    assert [name for name in loaded if name.startswith(("rich", "alembic"))] == []


def test_what_is_loaded_stays_and_what_was_left_out_can_be_loaded_later() -> None:
    with without("json"):
        assert "json" in sys.modules
    with without("tabnanny"), pytest.raises(ImportError):
        importlib.import_module("tabnanny")
    assert importlib.import_module("tabnanny")
