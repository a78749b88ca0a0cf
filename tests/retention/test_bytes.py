"""After a purge and a rewrite, no file of the embedded database contains anything of the report."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from reports.retention import RetentionPolicy
from reports.store.engine.database import Database
from reports.store.operations import maintenance, retention
from reports.store.operations.maintenance import copy_database
from reports.store.operations.retention import Purge
from tests.retention.sample_reports import History, make, write
from tests.support.prepared import migrate

pytestmark = [pytest.mark.rule("S-28")]

PLANTED, KEPT = b"planted-words-0518", b"kept-words-of-0519"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def holding(folder: Path, marker: bytes) -> set[str]:
    return {name for name, data in files(folder).items() if marker in data}


@pytest.fixture
def filled(tmp_path: Path) -> Database:
    """A database with reports of all sizes, half of them expired, mixed on the same pages."""
    random = Random(5)
    folder = tmp_path / "data"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/tokaut.db")
    migrate(database, "demo")
    now = retention.purge_time(database)
    for _ in range(4):
        histories = (_fate(random) for _ in range(250))
        write(database, [make(history, now) for history in histories])
    return database


def _fate(random: Random) -> History:
    over = random.random() < 0.5
    marker = (PLANTED if over else KEPT) + os.urandom(random.randrange(300))
    said = random.choice((None, 95))
    return History(399, closed=91 if over else 3, said=said, answered=96, marker=marker)


def purge(database: Database) -> None:
    one = Purge(database, RetentionPolicy(), retention.purge_time(database), "clock")
    while one.step(100):
        pass


def test_what_was_purged_is_in_no_file(filled: Database, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert holding(folder, PLANTED) >= {"tokaut.db"}
    before = sum(map(len, files(folder).values()))
    purge(filled)
    assert maintenance.compact(filled)
    assert holding(folder, PLANTED) == set()
    assert holding(folder, KEPT) == {"tokaut.db"}
    assert sum(map(len, files(folder).values())) < 0.7 * before
    filled.close()


def test_a_backup_made_after_it_holds_nothing_of_it(filled: Database, tmp_path: Path) -> None:
    copy_database(tmp_path / "data" / "tokaut.db", tmp_path / "before.db", lambda *_: None)
    purge(filled)
    maintenance.compact(filled)
    copy_database(tmp_path / "data" / "tokaut.db", tmp_path / "after.db", lambda *_: None)
    assert PLANTED in (tmp_path / "before.db").read_bytes(), "older backups do hold it: they go after 35 days"
    assert PLANTED not in (tmp_path / "after.db").read_bytes()
    filled.close()


def test_a_reader_in_the_way_is_waited_for_until_the_next_time(filled: Database, tmp_path: Path) -> None:
    purge(filled)
    with filled.read() as reading:
        reading.exec_driver_sql("BEGIN")
        reading.exec_driver_sql("SELECT count(*) FROM report").fetchone()
        assert not maintenance.compact(filled)
        reading.exec_driver_sql("COMMIT")
    assert maintenance.compact(filled)
    assert holding(tmp_path / "data", PLANTED) == set()
    filled.close()


def test_a_disk_without_room_for_a_copy_is_left_alone(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    assert not maintenance.compact(filled)
    filled.close()
