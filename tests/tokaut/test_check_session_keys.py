"""The lines of `tokaut check` about the file of session keys."""

from __future__ import annotations

import os
import time
from pathlib import Path

from gateway.sessions.keys import NAME, SessionKeys
from tokaut.checks.live_checklist import Advisory
from tokaut.checks.stores import session_key_faults


def test_before_the_first_start_and_while_web_runs_all_is_good(tmp_path: Path) -> None:
    assert list(session_key_faults(tmp_path)) == []
    SessionKeys(tmp_path, b"secret")
    assert list(session_key_faults(tmp_path)) == []


def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path) -> None:
    SessionKeys(tmp_path, b"secret")
    (tmp_path / NAME).chmod(0o640)
    [line] = session_key_faults(tmp_path)
    assert line.endswith(f"chmod 0600 {tmp_path / NAME}")
    (tmp_path / NAME).chmod(0o600)
    os.utime(tmp_path / NAME, (0, time.time() - 7300))
    [line] = session_key_faults(tmp_path)
    assert "last renewed 2 h ago" in line
    assert isinstance(line, Advisory), "web may be stopped on purpose"
