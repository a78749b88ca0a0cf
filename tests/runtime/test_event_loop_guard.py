"""No call waits for a disk or a database on an event loop's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reports.crypto import RecordCipher
from reports.store.engine.database import Database
from reports.store.spool import Spool
from runtime import event_loop_guard
from runtime.logs import EVENTS, is_allowed
from tests.support import blocked


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", RecordCipher([b"k" * 32]))
    yield spool
    spool.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/tokaut.db")
    yield database
    database.close()


def on_a_protected_loop(act: Callable[[], object]) -> None:
    async def main() -> None:
        event_loop_guard.protect(asyncio.get_running_loop())
        act()

    asyncio.run(main())


def taken_back() -> list[str]:
    """Return the detected calls and clear the list, so that the end of the test does not fail for them."""
    found, blocked.found = blocked.found, []
    return [one.partition("\n")[0] for one in found]


def read(database: Database) -> None:
    with database.read():
        pass


def write(database: Database) -> None:
    with database.write():
        pass


@pytest.mark.parametrize("act", [read, write])
def test_the_database_refuses_in_tests(database: Database, act: Callable[[Database], None]) -> None:
    with pytest.raises(blocked.BlocksTheLoop):
        on_a_protected_loop(lambda: act(database))
    assert len(taken_back()) == 1


@pytest.mark.parametrize("act", [lambda spool: spool.put(b"a report"), lambda spool: spool.drain(lambda _: None)])
def test_the_spool_refuses_in_tests(spool: Spool, act: Callable[[Spool], object]) -> None:
    with pytest.raises(blocked.BlocksTheLoop):
        on_a_protected_loop(lambda: act(spool))
    assert len(taken_back()) == 1
    assert spool.names() == []


def test_in_production_it_is_logged_and_told_and_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr(event_loop_guard, "_on_violation", [])  # remove the callback of the tests
    event_loop_guard.add_callback(told.append)
    on_a_protected_loop(lambda: read(database))
    assert len(told) == 1
    assert "event_loop_blocked" in "".join(capsys.readouterr())
    event_loop_guard.remove_callback(told.append)


def test_whoever_asks_to_be_forgotten_is_told_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(event_loop_guard, "_on_violation", [])
    event_loop_guard.add_callback(told.append)
    event_loop_guard.remove_callback(told.append)
    on_a_protected_loop(lambda: event_loop_guard.check("read"))
    assert told == []


def test_other_threads_and_other_loops_may_wait(database: Database) -> None:
    read(database)

    async def another_loop() -> None:
        read(database)

    async def a_thread_beside_a_protected_loop() -> None:
        event_loop_guard.protect(asyncio.get_running_loop())
        await asyncio.to_thread(read, database)

    asyncio.run(another_loop())
    asyncio.run(a_thread_beside_a_protected_loop())
    thread = threading.Thread(target=read, args=(database,))
    thread.start()
    thread.join()
    assert taken_back() == []


def test_what_blocks_is_logged_by_its_name(database: Database) -> None:
    with capture_logs() as logged, pytest.raises(blocked.BlocksTheLoop):
        on_a_protected_loop(lambda: write(database))
    assert len(taken_back()) == 1
    assert logged == [{"event": "event_loop_blocked", "log_level": "error", "call": "database.write"}]
    assert "event_loop_blocked" in EVENTS and is_allowed("call", "database.write")
