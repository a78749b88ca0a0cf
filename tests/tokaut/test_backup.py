"""`tokaut backup`: a complete copy of one moment while others write; never beside a key."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner

from reports.crypto.key_files import create_key_pair
from reports.store.database_check import refuse_wrong_database
from reports.store.engine.database import Database
from reports.store.operations import maintenance
from reports.store.schema import tables as t
from tests.support.postgres import Postgres, binaries
from tests.support.prepared import migrate
from tokaut.__main__ import main


class TrainingSite:
    """One installation in training mode, and a folder for its backups."""

    def __init__(self, folder: Path) -> None:
        self.data, self.medium = folder / "data", folder / "medium"
        self.database = self.data / "tokaut.db"
        self.settings = {"TOKAUT_MODE": "training", "TOKAUT_DATA": str(self.data), "TOKAUT_KEYS": str(folder / "keys")}

    def run(self, *command: str, **settings: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, list(command), env={**self.settings, **settings})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    def age(self) -> float:
        return maintenance.backup_age_seconds(self.data / maintenance.MARKER_NAME)

    def backups(self) -> list[Path]:
        return sorted(self.medium.glob("*"))

    def write(self, name: str) -> None:
        with sqlite3.connect(self.database, timeout=5) as connection:
            connection.execute("INSERT INTO lease VALUES (?, '', 0)", (name,))
        connection.close()

    def names(self, database: Path) -> set[str]:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        found = {row[0] for row in connection.execute("SELECT name FROM lease")}
        connection.close()
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[TrainingSite]:
    site = TrainingSite(tmp_path)
    assert site.run("migrate")[0] == 0
    yield site


def test_a_copy_is_whole_closed_and_stands_alone(site: TrainingSite) -> None:
    site.write("before")
    status, said = site.run("backup", str(site.medium))
    assert status == 0, said
    (copy,) = site.backups()
    assert copy.name.startswith("training-") and copy.stat().st_mode & 0o777 == 0o600
    assert site.medium.stat().st_mode & 0o777 == 0o700
    assert site.names(copy) == {"before"}
    assert "checked" in said and "Take the copy to another one" in said
    assert site.age() < 60


def test_what_is_in_the_wal_alone_is_in_the_copy(site: TrainingSite) -> None:
    holder = sqlite3.connect(site.database)  # an open connection keeps the WAL
    holder.execute("INSERT INTO lease VALUES ('fresh', '', 0)")
    holder.commit()
    assert site.database.with_name("tokaut.db-wal").stat().st_size > 0
    assert site.run("backup", str(site.medium))[0] == 0
    holder.close()
    assert site.names(site.backups()[0]) == {"fresh"}


def test_it_ends_though_others_write_all_the_time(site: TrainingSite) -> None:
    """The copy has everything committed before it began, and no half transaction."""
    connection = sqlite3.connect(site.database)
    connection.execute("CREATE TABLE padding (x)")
    connection.executemany("INSERT INTO padding VALUES (?)", [(os.urandom(4000),) for _ in range(4000)])
    connection.execute("CREATE TABLE pair (a, b)")
    connection.commit()
    connection.close()
    stop = threading.Event()
    written = []

    def write() -> None:
        line = sqlite3.connect(site.database, timeout=10)
        while not stop.is_set():
            number = len(written)
            with line:
                line.execute("INSERT INTO pair VALUES (?, NULL)", (number,))
                line.execute("UPDATE pair SET b = a WHERE a = ?", (number,))
            written.append(time.monotonic())
        line.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(written) < 50:
            time.sleep(0.001)
        before, began = len(written), time.monotonic()
        assert site.run("backup", str(site.medium))[0] == 0
    finally:
        stop.set()
        writer.join()
    assert sum(at > began for at in written) > 5, "nobody wrote meanwhile"
    copy = sqlite3.connect(site.backups()[0])
    rows = copy.execute("SELECT a, b FROM pair").fetchall()
    copy.close()
    assert before <= len(rows) <= len(written)
    assert [a for a, _ in rows] == list(range(len(rows))) and all(a == b for a, b in rows)


def copy_of(site: TrainingSite, age: float) -> Path:
    """Make a file that looks like a copy which is `age` seconds old."""
    site.medium.mkdir(mode=0o700, exist_ok=True)
    at = datetime.now(UTC) - timedelta(seconds=age)
    path = site.medium / f"training-{at:%Y%m%dT%H%M%S.%fZ}.tokaut.db"
    path.touch()
    os.utime(path, (0, at.timestamp()))
    return path


def test_old_copies_go_and_what_is_not_ours_stays(site: TrainingSite) -> None:
    site.run("backup", str(site.medium))
    ours, theirs, live = site.backups()[0], site.medium / "notes.txt", site.medium / "live-2020.tokaut.db"
    for path in (theirs, live):
        path.touch()
    for path in (ours, theirs, live):
        os.utime(path, (0, time.time() - 36 * 86_400))
    since = copy_of(site, 10 * 86_400)
    status, said = site.run("backup", str(site.medium))
    assert (status, "1 older than 35 days deleted" in said) == (0, True)
    assert not ours.exists() and theirs.exists() and live.exists() and since.exists() and len(site.backups()) == 4


def test_a_clock_that_jumps_ahead_deletes_no_copy_for_a_day(site: TrainingSite) -> None:
    day = 86_400
    ours = [copy_of(site, age) for age in (0, day, 2 * day)]
    at = time.time() + 366 * day
    for since, kept in ((0, 3), (day - 60, 3), (day + 60, 0)):
        with time_machine.travel(at + since, tick=False):
            status, said = site.run("backup", str(site.medium))
            os.utime(max(site.backups()), (0, at + since))  # the disk has the true time
        assert (status, sum(path.exists() for path in ours)) == (0, kept), said
        assert ("3 older than 35 days stay" in said) is bool(kept)


@pytest.mark.parametrize(("days", "interval"), [("1", 900), ("7", 7 * 86_400), ("35", 86_400)])
def test_each_schedule_deletes_its_old_copies(site: TrainingSite, days: str, interval: int) -> None:
    period = int(days) * 86_400
    ages = range(interval, period + 4 * interval, interval)
    copies = {age + 1: copy_of(site, age + 1) for age in ages}
    assert site.run("backup", str(site.medium), "--days", days)[0] == 0
    assert [age for age, path in copies.items() if path.exists()] == [age for age in copies if age <= period]


def test_nothing_is_kept_of_a_copy_that_failed(site: TrainingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.database.write_bytes(b"x" * 4096)
    status, said = site.run("backup", str(site.medium))
    assert (status, len(said.splitlines())) == (1, 1) and "could not be made" in said
    assert site.backups() == []
    assert site.age() == float("inf")


def test_a_damaged_database_makes_no_backup(site: TrainingSite) -> None:
    """A torn page in a backup would be noticed only when the backup is needed."""
    connection = sqlite3.connect(site.database)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.executemany("INSERT INTO lease VALUES (?, ?, 0)", [(f"{n}", "x" * 70) for n in range(500)])
    connection.commit()
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'lease'").fetchone()
    connection.close()
    with site.database.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 2048)
    status, said = site.run("backup", str(site.medium))
    assert (status == 1 and "damaged" in said) or "no whole database" in said
    assert site.backups() == []


def test_the_new_copy_is_never_deleted(site: TrainingSite) -> None:
    for days in ("-1", "9" * 400, "36501"):
        status, said = site.run("backup", str(site.medium), "--days", days)
        assert (status, site.backups()) == (2, []), said
    ahead = time.time() + 40 * 86_400
    with time_machine.travel(ahead, tick=False):  # a clock that is ahead of the disk's
        assert site.run("backup", str(site.medium), "--days", "1")[0] == 0
    assert len(site.backups()) == 1


def leftovers(site: TrainingSite) -> list[Path]:
    """Write what a backup and a restore leave that were killed, and return the files."""
    unfinished = site.medium / "training-20260101T000000.000000Z.tokaut.db.part"
    restored = site.data / "tokaut.db.part"
    (site.medium / "erasures").mkdir(parents=True, exist_ok=True)
    paths = [unfinished, unfinished.with_name(unfinished.name + "-journal"), restored]
    paths += [restored.with_name(restored.name + ending) for ending in ("-wal", "-shm")]
    paths += [site.medium / "erasures" / "20260101-one.jsonl.part"]
    for path in paths:
        path.write_bytes(b"a report that was purged")
    return paths


def test_what_a_killed_backup_left_is_deleted_by_the_next_one(site: TrainingSite) -> None:
    left, theirs = leftovers(site), site.medium / "film.part"
    theirs.touch()
    assert site.run("backup", str(site.medium))[0] == 0
    assert [path for path in left if path.exists()] == []
    assert theirs.exists()


def test_nothing_is_deleted_of_a_backup_that_runs(site: TrainingSite) -> None:
    left = leftovers(site)
    with maintenance.lock_copies(site.database) as is_alone:
        assert is_alone
        assert site.run("backup", str(site.medium))[0] == 0
    assert all(path.exists() for path in left)


def test_what_others_named_like_a_part_stays(site: TrainingSite) -> None:
    """`split` gives such names to the pieces of a copy that is taken to a smaller disk."""
    name = "training-20260101T000000.000000Z.tokaut.db"
    (site.medium / f"{name}.parts").mkdir(parents=True)
    (site.medium / f"{name}.part").mkdir()
    (site.medium / "training-kept.tokaut.db").mkdir()
    os.utime(site.medium / "training-kept.tokaut.db", (0, 0))
    for theirs in (f"{name}.part-aa", f"{name}.part-wal2", "training-ours.tokaut.db.part"):
        (site.medium / theirs).touch()
    before = set(site.backups())
    status, said = site.run("backup", str(site.medium))
    assert status == 0, said
    assert before < set(site.backups())


def test_the_copy_of_another_installation_that_runs_stays(site: TrainingSite, tmp_path: Path) -> None:
    """Both write to one folder. A third backup may begin once the one that found them both has ended."""
    other = TrainingSite(tmp_path / "other")
    other.medium = site.medium
    assert other.run("migrate")[0] == 0
    left = [path for path in leftovers(site) if path.is_relative_to(site.medium)]
    with maintenance.share_folder(site.medium, lambda _: None):
        assert other.run("backup", str(site.medium))[0] == 0
        assert all(path.exists() for path in left)
    assert other.run("backup", str(site.medium))[0] == 0
    assert not any(path.exists() for path in left)


def test_a_folder_without_locks_keeps_only_what_may_still_be_written(
    site: TrainingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [path for path in leftovers(site) if path.is_relative_to(site.medium)]
    os.utime(left[0], (0, time.time() - 2 * 86_400))

    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")  # as NFS for a folder

    monkeypatch.setattr("tokaut.commands.backup.lock_copies", lambda _: nullcontext(True))
    monkeypatch.setattr("fcntl.flock", refuse)
    assert site.run("backup", str(site.medium))[0] == 0
    assert [path.exists() for path in left] == [False, True, True]


def test_the_folder_of_the_database_itself_has_one_lock(site: TrainingSite, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{site.database}", "TOKAUT_DATA": str(tmp_path / "none")}
    left = site.data / "training-20260101T000000.000000Z.tokaut.db.part"
    for path in (left, site.data / "tokaut.db.part"):
        path.touch()
    assert site.run("backup", str(site.data), **settings)[0] == 0
    assert not list(site.data.glob("*.part"))


def test_a_backup_that_is_ended_leaves_nothing(site: TrainingSite) -> None:
    connection = sqlite3.connect(site.database)
    connection.execute("CREATE TABLE padding (x)")
    connection.executemany("INSERT INTO padding VALUES (?)", [(os.urandom(4000),) for _ in range(4000)])
    connection.commit()
    connection.close()
    slow = "import sys, time; from reports.store.operations import maintenance; from tokaut.__main__ import main; "
    slow += (
        "copy = maintenance._write_copy; maintenance._write_copy = lambda source, part, progress: copy(source, part, "
    )
    slow += "lambda *pages: time.sleep(0.5)); main(sys.argv[1:])"
    command = [sys.executable, "-c", slow, "backup", str(site.medium)]
    with subprocess.Popen(command, env={**os.environ, **site.settings}) as process:
        while not list(site.medium.glob("*.part")):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
    assert (process.returncode, site.backups()) == (143, [])


def test_a_journal_of_deletions_that_cannot_be_read_fails_the_backup(
    site: TrainingSite, capfd: pytest.CaptureFixture[str]
) -> None:
    """It would be missed only after a restore, when what reporters deleted comes back."""
    (site.data / "erasures").touch()  # as root a test cannot lose the right to read a folder
    status, said = site.run("backup", str(site.medium))
    assert (status, "journal of deletions, was not copied (Not a directory)" in said.splitlines()[-1]) == (1, True)
    assert len(site.backups()) == 1


def refuse(monkeypatch: pytest.MonkeyPatch, act: str, name: str) -> None:
    """Let an act of Path fail for files with this in their name: as root a test cannot lose a right."""
    real = getattr(Path, act)

    def refusing(path: Path, *more: Any, **named: Any) -> Any:
        if name in path.name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *more, **named)

    monkeypatch.setattr(Path, act, refusing)


def journal_of(site: TrainingSite) -> Path:
    """Make a journal of two days, and return its folder."""
    journal = site.data / "erasures"
    journal.mkdir()
    for age in (1, 2):
        (journal / f"{datetime.now(UTC) - timedelta(days=age):%Y%m%d}-one.jsonl").write_text("{}\n")
    return journal


@pytest.mark.parametrize("kept", ["old", "leftover", "journal"])
def test_a_file_that_cannot_be_deleted_stops_nothing_else(
    site: TrainingSite, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    journal = journal_of(site)
    (site.medium / "erasures").mkdir(parents=True)
    old = [site.medium / f"training-2020010{day}T000000.000000Z.tokaut.db" for day in range(1, 4)]
    leftover = site.medium / "training-20210101T000000.000000Z.tokaut.db.part"
    expired = [site.medium / "erasures" / f"2025010{day}-one.jsonl" for day in range(1, 4)]
    for path in (*old, leftover, *expired):
        path.touch()
    for path in old:
        os.utime(path, (0, 0))
    copy_of(site, 2 * 86_400)
    stuck = {"old": old[1], "leftover": leftover, "journal": expired[1]}[kept]
    refuse(monkeypatch, "unlink", stuck.name)
    status, said = site.run("backup", str(site.medium))
    assert (status, "checked" in said) == (1, True)
    assert [path for path in (*old, leftover, *expired) if path.exists()] == [stuck]
    assert f"{stuck} could not be deleted (Permission denied)." in said.splitlines()[-1]
    assert "cannot be used" not in said and "was not copied" not in said
    copied = {path.name for path in (site.medium / "erasures").iterdir()}
    assert {path.name for path in journal.iterdir()} <= copied
    assert site.age() < 60
    monkeypatch.undo()
    assert site.run("backup", str(site.medium))[0] == 0 and not stuck.exists()


def test_a_day_of_the_journal_that_cannot_be_read_stops_no_other(
    site: TrainingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable, other = sorted(journal_of(site).iterdir())
    refuse(monkeypatch, "open", unreadable.name)
    status, said = site.run("backup", str(site.medium))
    assert (status, "checked" in said) == (1, True)
    assert f"{unreadable}, the journal of deletions, was not copied" in said.splitlines()[-1]
    assert [path.name for path in (site.medium / "erasures").iterdir()] == [other.name]


def test_the_journal_is_copied_though_the_database_is_not(site: TrainingSite, monkeypatch: pytest.MonkeyPatch) -> None:
    journal_of(site)
    monkeypatch.setattr("tokaut.commands.backup.MIN_FREE_BYTES", 1 << 60)
    status, said = site.run("backup", str(site.medium))
    assert (status, "too little room" in said) == (1, True)
    assert len(list((site.medium / "erasures").iterdir())) == 2


@pytest.mark.rule("X-09")
def test_a_link_to_a_folder_of_secrets_is_refused(site: TrainingSite, tmp_path: Path) -> None:
    create_key_pair(tmp_path / "keys", "vu-pikinini")
    (tmp_path / "secrets").mkdir()
    for name in ("keys", "secrets"):
        (tmp_path / "link").symlink_to(tmp_path / name)
        secret = {"TOKAUT_STORE_KEY_FILE": str(tmp_path / "secrets" / "store_key")}
        status, said = site.run("backup", str(tmp_path / "link"), **secret)
        assert status == 1 and len(said.splitlines()) == 1, said
        assert not list(tmp_path.rglob("*.tokaut.db"))
        (tmp_path / "link").unlink()


def test_a_database_elsewhere_needs_no_folder_of_data(site: TrainingSite, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{site.database}", "TOKAUT_DATA": str(tmp_path / "none")}
    status, said = site.run("backup", str(site.medium), **settings)
    assert (status, "This is the disk of the database itself" in said) == (0, True), said


@pytest.mark.rule("X-09")
@pytest.mark.parametrize("where", ["keys", "keys/inside", ".", "data", "beside a key", "beside a secret"])
def test_never_beside_a_key(site: TrainingSite, tmp_path: Path, where: str) -> None:
    create_key_pair(tmp_path / "keys", "vu-pikinini")
    settings = {}
    folder = tmp_path / where
    if where == "beside a key":
        create_key_pair(folder / "old", "vu-pikinini")
    if where == "beside a secret":
        settings["TOKAUT_STORE_KEY_FILE"] = str(folder / "store_key")
    status, said = site.run("backup", str(folder), **settings)
    assert status == 1 and len(said.splitlines()) == 1, said
    assert not list(tmp_path.rglob("*.tokaut.db"))
    assert site.age() == float("inf")


def test_other_reasons_not_to(site: TrainingSite, tmp_path: Path) -> None:
    assert "tokaut check" in site.run("backup", str(site.medium), TOKAUT_DATA=str(tmp_path / "new"))[1]
    assert "its own tools" in site.run("backup", str(site.medium), DATABASE_URL="postgresql://db.example/tokaut")[1]
    (tmp_path / "file").touch()
    assert site.run("backup", str(tmp_path / "file"))[0] == 1
    assert "it is a directory" in site.run("backup", str(site.medium), DATABASE_URL=f"sqlite:///{tmp_path}")[1]


def test_check_says_how_old_it_is(site: TrainingSite) -> None:
    shared = {"COUNTRIES": "vu", "CHANNELS": "ussd"}  # without them `check` looks at the settings alone
    assert "No backup was ever made." in site.run("check", **shared)[1]
    site.run("backup", str(site.medium))
    assert "backup: good" in site.run("check", **shared)[1]
    os.utime(site.data / maintenance.MARKER_NAME, (0, time.time() - 3 * 3600))
    assert "The last backup is 3 h old." in site.run("check", **shared)[1]
    os.utime(site.data / maintenance.MARKER_NAME, (0, time.time() + 366 * 86_400))
    assert "last-backup is from a time that has not come" in site.run("check", **shared)[1]
    assert site.age() == float("inf"), "the age of 0 would hide for a year that no backup is made"


@pytest.mark.slow
def test_postgresql_by_its_own_tools(postgres: Postgres, tmp_path: Path) -> None:
    """The commands of docs/operating/restore.md: dump into a file, restore into a new database."""
    here, there = (postgres.new_database().replace("+psycopg", "") for _ in range(2))
    database = Database(here)
    migrate(database, "demo")
    with database.write() as connection:
        connection.execute(t.lease.insert().values(name="before", holder="", until=0))
    file = tmp_path / "live.dump"
    programs = found if (found := binaries()) else Path()
    for command in (
        ["pg_dump", "--format=custom", "--no-owner", f"--file={file}", here],
        ["pg_restore", "--no-owner", "--exit-on-error", f"--dbname={there}", str(file)],
    ):
        done = subprocess.run([programs / command[0], *command[1:]], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    restored = Database(there)
    refuse_wrong_database(restored, "demo", "")
    with restored.read() as connection:
        assert connection.execute(t.lease.select()).all() == [("before", "", 0)]
    database.close()
    restored.close()
