"""The only access to the database: durable, one writer at a time, and one error if it is unavailable."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Select, insert, literal, select, update
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, StatementError

from reports.store.engine import leases, sqlite
from reports.store.engine.database import Database, DatabaseUnavailable, InvalidDatabaseURL, RowRefused
from reports.store.engine.sqlite import begin_immediate
from reports.store.engine.timeouts import BACKGROUND, INTERACTIVE, Timeouts
from reports.store.schema import tables as t


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/tokaut.db")
    with database.write() as connection:
        t.metadata.create_all(connection)
        connection.execute(insert(t.lease).values(name="a", holder="x", until=0))
    yield database
    database.close()


def until(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(t.lease.c.until)).scalar_one()


def add_one(database: Database) -> None:
    with database.write() as connection:
        now = connection.execute(select(t.lease.c.until)).scalar_one()
        connection.execute(update(t.lease).values(until=now + 1))


def open_files(database: Database) -> list[str]:
    """Return the open descriptors of this process on the database and its write-ahead log."""
    links = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return [link for link in links if link.startswith(str(file_of(database)))]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_connection_in_use_is_closed_once_it_is_given_back(database: Database) -> None:
    """If it was opened on a read-only disk, it keeps SQLite's memory map read-only for the whole process."""
    used, back = threading.Event(), threading.Event()

    def reads() -> None:
        with database.read() as connection:
            connection.execute(select(t.lease.c.until))
            used.set()
            back.wait(20)

    read_only = sqlite3.OperationalError("attempt to write a readonly database")
    read_only.sqlite_errorcode = sqlite3.SQLITE_READONLY
    reader = threading.Thread(target=reads)
    gc.disable()  # the collector would close the connection later
    try:
        reader.start()
        assert used.wait(20)
        with pytest.raises(DatabaseUnavailable), database.write():
            raise OperationalError("INSERT", {}, read_only)
        back.set()
        reader.join(20)
        assert open_files(database) == []
    finally:
        gc.enable()
    assert until(database) == 0


def test_every_connection_is_durable(database: Database) -> None:
    for _ in range(3):
        assert database.durability_faults() == []


def test_what_is_not_durable_is_said(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.store.engine.database.SQLITE_SETTINGS", {"synchronous": 3})
    assert database.durability_faults() == [
        "The database says synchronous = 2; a report is safe only with 3. Change it there."
    ]


def test_what_raised_is_undone_and_the_next_writer_is_free(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as connection:
        connection.execute(update(t.lease).values(until=99))
        raise KeyError
    assert until(database) == 0
    add_one(database)
    other = Database(str(database.engine.url))
    add_one(other)
    assert until(database) == 2


def test_writers_take_turns(database: Database) -> None:
    added: list[int] = []

    def add() -> None:
        for _ in range(25):
            # On a busy machine a write may time out; the test checks only that none is lost.
            with suppress(DatabaseUnavailable):
                add_one(database)
                added.append(1)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert until(database) == len(added) > 100


def test_no_thread_waits_in_vain_while_the_others_write(database: Database) -> None:
    """A bug that the fuzzer found: SQLite's own retries left some threads without the lock for a second."""

    def add() -> int:
        for _ in range(15):
            with database.write() as connection:
                time.sleep(0.003)  # a slow disk
                connection.execute(update(t.lease).values(until=t.lease.c.until + 1))
        return 15

    with ThreadPoolExecutor(8) as pool:
        added = sum(one.result() for one in [pool.submit(add) for _ in range(8)])
    assert until(database) == added


def test_no_process_waits_in_vain_while_another_writes(database: Database) -> None:
    """SQLite retries ever more rarely, and then always finds the lock taken."""
    over = threading.Event()

    def write_back_to_back() -> None:
        with closing(sqlite3.connect(str(database.engine.url.database), isolation_level=None, timeout=5)) as other:
            while not over.is_set():
                other.execute("BEGIN IMMEDIATE")
                time.sleep(0.09)
                other.execute("COMMIT")
                time.sleep(0.01)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(write_back_to_back)
        try:
            for _ in range(10):
                add_one(database)
        finally:
            over.set()
    assert until(database) == 10


def test_what_the_driver_says_of_a_begin_is_said_by_sqlalchemy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DatabaseUnavailable sends the report to the spool; the driver's own error would be a 500."""

    class Torn:
        def execute(self, statement: str) -> None:
            if statement.startswith("BEGIN"):
                raise sqlite3.DatabaseError("file is not a database")

    def refused(statement: str) -> None:
        raise NotADatabase(statement)

    class NotADatabase(Exception): ...

    with database.engine.connect().execution_options(immediate=True) as connection:
        monkeypatch.setattr(connection.connection, "dbapi_connection", Torn())
        monkeypatch.setattr(connection, "exec_driver_sql", refused)
        with pytest.raises(NotADatabase):
            begin_immediate(connection)
        monkeypatch.undo()


def test_a_lock_that_stays_is_away_within_the_limit(database: Database) -> None:
    other = Database(str(database.engine.url))
    with other.write():
        with pytest.raises(DatabaseUnavailable), database.write():
            pytest.fail("two writers at once")
        assert until(database) == 0, "a reader is never locked out"
    add_one(database)


def test_who_was_frozen_while_it_waited_is_not_given_up_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its timeout is over when it continues, and just then others have the lock."""
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", 0)
    monkeypatch.setattr(sqlite, "LOCK_RETRY_MS", 40)
    other, held = Database(str(database.engine.url)), threading.Event()

    def hold() -> None:
        with other.write():
            held.set()
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert held.wait(5)
        add_one(database)
        holding.result()
    assert until(database) == 1


def test_away_never_says_what_was_sent(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable) as away, database.write() as connection:
        connection.execute(insert(t.lease).values(name="a", holder="a word that was sent", until=1))
    assert str(away.value) == "IntegrityError"
    assert away.value.__cause__ is None


@pytest.mark.parametrize("values", [{"name": "a", "holder": "x", "until": 1}, {"name": "b", "until": 1}])
def test_values_that_are_refused_are_told_from_an_outage(database: Database, values: dict[str, object]) -> None:
    with pytest.raises(RowRefused, match=r"^IntegrityError$") as refused, database.write() as connection:
        connection.execute(insert(t.lease).values(values))
    assert isinstance(refused.value, DatabaseUnavailable), "what spools a report at an outage still does"
    add_one(database)


@pytest.mark.parametrize(
    ("error", "is_the_rows"),
    [
        (DataError("INSERT", {}, sqlite3.DataError("string or blob too big")), True),
        (IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE constraint failed")), True),
        (StatementError("a value of another type", "INSERT", {}, TypeError()), True),
        (OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked")), False),
        (OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")), False),
    ],
)
def test_only_an_error_of_the_values_is_the_rows(database: Database, error: Exception, is_the_rows: bool) -> None:
    with pytest.raises(DatabaseUnavailable) as raised, database.write():
        raise error
    assert isinstance(raised.value, RowRefused) == is_the_rows


@pytest.mark.rule("B-73")
def test_a_database_that_is_not_there_is_away() -> None:
    with pytest.raises(DatabaseUnavailable), Database("postgresql://127.0.0.1:1/x").read():
        pytest.fail("there is no such database")


@pytest.mark.parametrize("address", ["nonsense", "", "mysql://host/x", "postgres", "sqlite"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(InvalidDatabaseURL, match=r"^DATABASE_URL is not a valid address; write sqlite:////"):
        Database(address)


def test_the_clock_can_be_moved(tmp_path: Path) -> None:
    here, later = Database(f"sqlite:///{tmp_path}/x.db"), Database(f"sqlite:///{tmp_path}/x.db", offset=3600)
    assert 3_599_000_000 < later.now() - here.now() < 3_601_000_000


def _asking(database: Database) -> Select[tuple[int]]:
    return select(database.now_sql())


def test_a_statement_that_is_put_together_once_asks_the_clock_each_time(database: Database) -> None:
    asking = database.once(_asking)
    with database.read() as connection:
        before = connection.execute(asking).scalar_one()
        database.offset += 3_600_000_000
        assert database.once(_asking) is asking
        assert connection.execute(asking).scalar_one() - before >= 3_600_000_000


def test_a_clock_is_never_taken_for_a_number_of_the_same_statement(database: Database) -> None:
    """SQLAlchemy reuses a compiled statement for all statements that look the same."""
    late = t.lease.c.until < database.now_sql()
    for limit, there in ((t.lease.c.until < literal(0, BigInteger), False), (late, True)):
        with database.read() as connection:
            assert bool(connection.execute(select(t.lease.c.name).where(limit)).all()) == there


def test_a_commit_that_finds_no_hand_leaves_no_lock_behind(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering = Database(f"sqlite:///{tmp_path}/tokaut.db", timeouts=INTERACTIVE)

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    gc.disable()
    try:
        with monkeypatch.context() as poor:
            poor.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(DatabaseUnavailable):
                add_one(answering)
        add_one(answering)
    finally:
        gc.enable()
    assert until(database) == 1
    answering.close()


# The database file of a running process


def file_of(database: Database) -> Path:
    assert database.engine.url.database
    return Path(database.engine.url.database)


def remove(file: Path) -> None:
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()


def replace_with_a_copy(file: Path) -> None:
    copy = file.with_suffix(".copy")
    copy.write_bytes(file.read_bytes())
    copy.rename(file)


@pytest.mark.parametrize("timeouts", [BACKGROUND, INTERACTIVE], ids=["worker", "web"])
@pytest.mark.parametrize("lose", [remove, replace_with_a_copy])
def test_a_lost_database_file_counts_as_unavailable(
    database: Database, lose: Callable[[Path], None], timeouts: Timeouts
) -> None:
    other = Database(str(database.engine.url), timeouts=timeouts)
    add_one(other)
    lose(file_of(database))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match="deleted or replaced"):
            add_one(other)
        with pytest.raises(DatabaseUnavailable, match="deleted or replaced"):
            until(other)
    other.close()


def test_a_file_that_goes_before_its_commit_is_reported_by_the_commit(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="deleted or replaced"), database.write() as connection:
        connection.execute(update(t.lease).values(until=5))
        remove(file_of(database))


def test_a_write_ahead_log_that_is_gone_counts_as_unavailable(database: Database) -> None:
    add_one(database)
    Path(f"{file_of(database)}-wal").unlink()
    with pytest.raises(DatabaseUnavailable, match="deleted or replaced"):
        add_one(database)


def test_the_same_file_put_back_is_used_again(database: Database) -> None:
    add_one(database)
    aside = file_of(database).with_suffix(".aside")
    file_of(database).rename(aside)
    with pytest.raises(DatabaseUnavailable):
        add_one(database)
    aside.rename(file_of(database))
    add_one(database)
    assert until(database) == 2


WRITES_AND_DIES = """
import os, sys
from reports.store.engine import leases
from reports.store.engine.database import Database
leases.acquire(Database(sys.argv[1]), "a", "x", 30)
os._exit(0)
"""


@pytest.mark.slow
def test_a_disk_that_is_writable_again_is_written_again(tmp_path: Path) -> None:
    """A killed process leaves its memory map, which SQLite opens read-only while the disk is read-only."""
    address = f"sqlite:///{tmp_path}/tokaut.db"
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], capture_output=True, check=False).returncode:
        pytest.skip("this account may not mount a file system")
    try:
        with closing(Database(address)) as database, database.write() as connection:
            t.metadata.create_all(connection)
        subprocess.run([sys.executable, "-c", WRITES_AND_DIES, address], check=True)
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        with closing(Database(address, timeouts=INTERACTIVE)) as database:
            assert until(database) > 0
            with pytest.raises(DatabaseUnavailable):
                leases.acquire(database, "b", "x", 30)
            subprocess.run(["mount", "-o", "remount,rw", tmp_path], check=True)
            with suppress(DatabaseUnavailable):  # the first try gets a read-only connection
                leases.acquire(database, "b", "x", 30)
            assert leases.acquire(database, "b", "x", 30)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
