"""Gauges: the current state of web."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from gateway import health as health_module
from gateway.health import Health
from gateway.metrics import WebMetrics
from reports.crypto import RecordCipher
from reports.store import outbox
from reports.store.operations.clock_skew import ClockSkew
from reports.store.operations.maintenance import MARKER_NAME
from reports.store.spool import Spool

Usage = namedtuple("Usage", "total used free")


class AvailableRedis:
    def is_up(self) -> bool:
        return True


@pytest.mark.parametrize(("spool", "database", "shown"), [(9, 7, 7), (5, 7, 5)])
def test_the_disk_that_fills_first_is_shown(
    spool: int, database: int, shown: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {tmp_path / "spool": spool, tmp_path / "database": database}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10, 10 - free[folder], free[folder]))
    monkeypatch.setattr(outbox, "oldest_ages", lambda _: {"P1": 61_000_000})
    monkeypatch.setattr(
        health_module, "measure_skew", lambda _: ClockSkew(ahead_of_database=-7_200_000_000, rows_ahead=3)
    )
    kept = Spool(tmp_path / "spool", RecordCipher([b"k" * 32]))
    health = Health(None, AvailableRedis(), kept, WebMetrics(), tmp_path / "database" / MARKER_NAME)  # type: ignore[arg-type]  # fakes
    lines = health.metrics().get_data(as_text=True).splitlines()
    assert f"tokaut_disk_free_bytes {shown}" in lines
    assert 'tokaut_oldest_undelivered_seconds{priority="P1"} 61' in lines
    assert "tokaut_backup_age_seconds +Inf" in lines
    assert "tokaut_clock_skew_seconds 7200" in lines
    assert "tokaut_times_ahead 3" in lines


def test_a_spool_whose_folder_is_gone_hides_no_other_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "oldest_ages", lambda _: {"P1": 61_000_000})
    monkeypatch.setattr(health_module, "measure_skew", lambda _: None)
    monkeypatch.setattr(health_module.spool_status, "list_statuses", lambda _: [])
    kept = Spool(tmp_path / "spool", RecordCipher([b"k" * 32]))
    health = Health(None, AvailableRedis(), kept, WebMetrics(), tmp_path / MARKER_NAME)  # type: ignore[arg-type]  # fakes
    assert "tokaut_spool_entries 0" in health.metrics().get_data(as_text=True).splitlines()
    assert (health.ready().status_code, json.loads(health.ready().get_data())["spool_entries"]) == (200, 0)
    shutil.rmtree(kept.folder)
    lines = health.metrics().get_data(as_text=True).splitlines()
    assert "tokaut_disk_free_bytes 0" in lines, "the alert rule about a full disk applies"
    assert "tokaut_database_up 1" in lines
    assert not [line for line in lines if line.startswith("tokaut_spool_entries ")]
    ready = health.ready()
    assert (ready.status_code, len(json.loads(ready.get_data())["wrong"])) == (503, 1)
    kept.folder.touch()
    assert "tokaut_disk_free_bytes 0" in health.metrics().get_data(as_text=True).splitlines()
