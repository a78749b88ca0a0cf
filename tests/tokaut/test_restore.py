"""`tokaut restore`: only while nothing runs, only complete backups of this mode; existing files are moved aside."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine

from reports.store.engine.database import Database
from reports.store.operations import maintenance
from runtime.time_units import DAY, SECOND
from tests.docs.pages import ROOT
from tests.retention.sample_reports import History, Recipient, make, write
from tests.tokaut.test_backup import TrainingSite, site

__all__ = ["site"]


def copied(site: TrainingSite) -> Path:
    site.write("before")
    assert site.run("backup", str(site.medium))[0] == 0
    site.write("after")
    return site.backups()[0]


def test_it_is_as_it_was_and_what_was_there_is_kept(site: TrainingSite) -> None:
    copy = copied(site)
    status, said = site.run("restore", str(copy))
    assert status == 0, said
    assert f"{site.database} has been replaced by the backup {copy.name}.\n" in said
    assert site.names(site.database) == {"before"}
    assert site.database.stat().st_mode & 0o777 == 0o600
    (aside,) = site.data.glob("tokaut.db.before-*")
    assert site.names(aside) == {"before", "after"}
    assert str(aside) in said and "start web and wait" in said
    assert copy.exists()


def cut_power(site: TrainingSite) -> None:
    """Leave the database as a power cut does: the last commits are in the WAL beside it."""
    holder = sqlite3.connect(site.database)
    holder.execute("INSERT INTO lease VALUES ('in the WAL', '', 0)")
    holder.commit()
    left = {ending: site.database.with_name(f"tokaut.db{ending}").read_bytes() for ending in ("", "-wal")}
    holder.close()
    for ending, data in left.items():
        site.database.with_name(f"tokaut.db{ending}").write_bytes(data)


def test_no_old_wal_is_played_into_it(site: TrainingSite) -> None:
    copy = copied(site)
    cut_power(site)
    assert site.run("restore", str(copy))[0] == 0
    assert site.names(site.database) == {"before"}
    (aside,) = site.data.glob("tokaut.db.before-*Z")
    assert "in the WAL" in site.names(aside)


def test_undoing_a_restore_brings_back_the_last_commits(site: TrainingSite) -> None:
    """They may be in the WAL beside the file that was put aside, and nowhere else."""
    copy = copied(site)
    cut_power(site)
    assert site.run("restore", str(copy))[0] == 0
    (aside,) = site.data.glob("tokaut.db.before-*Z")
    assert site.run("restore", str(aside))[0] == 0
    assert site.names(site.database) == {"before", "after", "in the WAL"}
    assert not list(site.data.glob("*.part*"))


@pytest.mark.parametrize("wrong", ["a directory", "no folder", "full"])
def test_a_database_that_cannot_be_written_is_one_line(
    site: TrainingSite, tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copied(site)
    place = {"a directory": site.medium, "no folder": tmp_path / "file" / "tokaut.db", "full": site.database}[wrong]
    (tmp_path / "file").touch()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    if wrong == "full":
        monkeypatch.setattr(maintenance, "_write_copy", full)
    status, said = site.run("restore", str(copy), DATABASE_URL=f"sqlite:///{place}")
    assert status == 1 and len(said.splitlines()) == 1, said
    assert {"a directory": "Is a directory", "no folder": "Not a directory", "full": "Make room"}[wrong] in said
    assert site.names(site.database) == {"before", "after"}


def send(site: TrainingSite, count: int, state: str) -> None:
    """Store reports, each with one delivery in this state."""
    database = Database(f"sqlite:///{site.database}")
    write(database, [make(History(0, recipients=(Recipient(state=state),)), database.now()) for _ in range(count)])
    database.close()


def test_it_says_which_reports_the_backup_lacks(site: TrainingSite) -> None:
    """At night a sound database may be replaced by yesterday's; what came since is then at no hotline."""
    send(site, 1, "delivered")
    copy = copied(site)
    said = site.run("restore", str(copy))[1]
    assert "are not in the backup" not in said
    send(site, 2, "delivered")
    send(site, 3, "due")
    said = site.run("restore", str(copy))[1]
    (undo,) = re.findall(r"tokaut restore (\S+)", said)
    assert "5 reports in it are not in the backup, and no hotline has received 3 of them." in said
    assert site.run("restore", undo)[0] == 0
    connection = sqlite3.connect(site.database)
    assert connection.execute("SELECT count(*) FROM report").fetchone() == (6,)
    connection.close()


def test_two_restores_in_one_second_keep_both_databases(site: TrainingSite) -> None:
    copy = copied(site)
    with time_machine.travel(time.time(), tick=True):
        for name in ("first", "second"):
            site.write(name)
            assert site.run("restore", str(copy))[0] == 0
    kept = [site.names(path) for path in site.data.glob("tokaut.db.before-*Z")]
    assert sorted(map(len, kept)) == [2, 3], kept


def test_it_says_how_old_the_backup_is(site: TrainingSite) -> None:
    copy = copied(site)
    connection = sqlite3.connect(copy)
    at = time.time_ns() // 1000 - 36 * DAY
    entry = "INSERT INTO audit (audit_id, at, actor, act, object_id) VALUES ('a', ?, 'web', 'sent', 'b')"
    connection.execute(entry, (at,))
    connection.commit()
    connection.close()
    said = site.run("restore", str(copy))[1]
    assert f"whose newest entry is from {datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%d %H:%M} UTC." in said
    assert "older than 35 days: reports come back that were deleted before the journal begins" in said


def test_it_names_a_journal_that_web_does_not_have(site: TrainingSite, tmp_path: Path) -> None:
    journal = site.data / "erasures"
    journal.mkdir()
    for host in ("one", "two"):
        (journal / f"20261201-{host}.jsonl").write_text("{}\n")
    copied(site)
    copy = next(site.medium.glob("*.db"))
    assert "journal of deletions" not in site.run("restore", str(copy))[1]
    min(journal.iterdir()).unlink()
    max(journal.iterdir()).write_text("")
    said = site.run("restore", str(copy))[1]
    assert f"2 files of the journal of deletions in {site.medium / 'erasures'} are not in {journal}." in said


def test_check_names_what_a_restore_has_put_aside_while_backups_would_be_deleted(site: TrainingSite) -> None:
    shared = {"COUNTRIES": "vu", "CHANNELS": "ussd"}
    site.run("restore", str(copied(site)))
    assert "before-" not in site.run("check", **shared)[1]
    (aside,) = site.data.glob("tokaut.db.before-*Z")
    wal = aside.with_name(f"{aside.name}-wal")  # of a process that was killed
    wal.touch()
    for path in (aside, wal):
        os.utime(path, (0, time.time() - 36 * 86_400))
        assert f"{path} has reports that were deleted since: delete it" in site.run("check", **shared)[1]


def test_not_while_a_process_has_it_open(site: TrainingSite) -> None:
    copy = copied(site)
    opens = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM lease').fetchall()"
    waits = "; print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", opens + waits, str(site.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"open\n"
        status, said = site.run("restore", str(copy))
        holder.communicate()
    assert (status, "is in use" in said) == (1, True)
    for line in (ROOT / "Procfile").read_text().splitlines():  # each process that still runs has the file open
        assert re.search(rf"\b{line.partition(':')[0]}\b", said.partition("Stop")[2]), said
    assert site.names(site.database) == {"before", "after"}


def test_a_broken_database_is_put_aside_with_all_that_belongs_to_it(site: TrainingSite) -> None:
    copy = copied(site)
    site.database.write_bytes(b"\0" * 5000)
    site.database.with_name("tokaut.db-wal").write_bytes(b"left")
    assert site.run("restore", str(copy))[0] == 0
    assert site.names(site.database) == {"before"}
    assert [path.read_bytes() for path in site.data.glob("tokaut.db.before-*-wal")] == [b"left"]
    assert [path.read_bytes() for path in site.data.glob("tokaut.db.before-*Z")] == [b"\0" * 5000]


def test_where_there_was_none(site: TrainingSite, tmp_path: Path) -> None:
    copy = copied(site)
    site.settings["TOKAUT_DATA"] = str(tmp_path / "new")
    assert site.run("restore", str(copy))[0] == 0
    assert site.names(tmp_path / "new" / "tokaut.db") == {"before"}


def test_a_copy_that_this_account_cannot_read_is_not_called_damaged(
    site: TrainingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copied(site)
    as_root = Path.open

    def refused(path: Path, *how: str) -> object:
        if path == copy:
            raise PermissionError(13, os.strerror(13), str(path))
        return as_root(path, *how)

    monkeypatch.setattr(Path, "open", refused)
    status, said = site.run("restore", str(copy))
    assert (status, "cannot be read (Permission denied)" in said, "older one" in said) == (1, True, False), said


@pytest.mark.rule("X-25")
@pytest.mark.parametrize("what", ["none", "no database", "torn", "another mode", "empty"])
def test_nothing_else_is_taken(site: TrainingSite, tmp_path: Path, what: str) -> None:
    copy = copied(site)
    if what == "none":
        copy.unlink()
    elif what == "torn":
        copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    elif what != "another mode":
        copy.write_bytes(b"" if what == "empty" else b"x" * 9000)
    status, said = site.run("restore", str(copy), **({"TOKAUT_MODE": "live"} if what == "another mode" else {}))
    assert status == 1 and len(said.splitlines()) == 1, said
    assert site.names(site.database) == {"before", "after"}
    assert not list(site.data.glob("*before-*"))
