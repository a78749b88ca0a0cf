"""What each host says of its spool, who is told, and a store key that is not the database's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reports.crypto import RecordCipher
from reports.store.database_check import WrongDatabase, refuse_another_key
from reports.store.engine.database import Database
from reports.store.operations import spool_status
from reports.store.operations.clock_skew import ClockSkew
from reports.store.operations.spool_status import SpoolStatus
from runtime.time_units import MINUTE
from tests.support import databases
from tests.workers.filings import SECOND, Desk
from tests.workers.room import Room
from tokaut.commands.watch import next_action

OLD, NEW, WRONG = (bytes([n]) * 32 for n in (1, 2, 3))
EMPTY = SpoolStatus("host-a", 0, 0, 0)
LEADS = ClockSkew(leader_until=10 * SECOND)


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.made(request.param, request, tmp_path)
    yield made
    made.close()


def test_web_does_not_start_with_another_key(database: Database) -> None:
    refuse_another_key(database, RecordCipher([OLD]))  # the first start
    refuse_another_key(database, RecordCipher([OLD]))
    with pytest.raises(WrongDatabase, match="TOKAUT_STORE_KEY is not the key that this database was written with"):
        refuse_another_key(database, RecordCipher([WRONG]))
    refuse_another_key(database, RecordCipher([OLD]))  # the wrong one has left nothing


def test_a_key_may_be_rotated_and_the_old_one_removed(database: Database) -> None:
    for keys in ([OLD], [NEW, OLD], [NEW]):
        refuse_another_key(database, RecordCipher(keys))
    with pytest.raises(WrongDatabase):
        refuse_another_key(database, RecordCipher([WRONG]))


def test_what_a_host_says_replaces_what_it_said(database: Database) -> None:
    for said in (EMPTY, replace(EMPTY, entries=3, oldest=20, bad=1)):
        spool_status.save_status(database, said)
    spool_status.save_status(database, SpoolStatus("host-b", 0, 0, 0))
    assert [(one.host, one.entries, one.bad) for one in spool_status.list_statuses(database)] == [
        ("host-a", 3, 1),
        ("host-b", 0, 0),
    ]


def test_an_entry_grows_older_while_its_host_says_nothing(database: Database) -> None:
    spool_status.save_status(database, replace(EMPTY, entries=1, oldest=20))
    database.offset += 6 * MINUTE
    [found] = spool_status.list_statuses(database)
    assert found.oldest >= 380
    assert found.is_late


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (EMPTY, []),
        (replace(EMPTY, entries=2, oldest=299), []),
        (replace(EMPTY, entries=2, oldest=400), ["spool_waits"]),
        (replace(EMPTY, bad=1), ["spool_bad"]),
        (replace(EMPTY, entries=1, oldest=400, bad=1), ["spool_bad", "spool_waits"]),
    ],
)
def test_on_call_and_watch_are_told(tmp_path: Path, said: SpoolStatus, why: list[str]) -> None:
    database = databases.with_tables(f"sqlite:///{tmp_path}/tokaut.db")
    spool_status.save_status(database, said)
    room = Room(Desk.at(database, tmp_path / "keys"))
    assert sorted(alert.reason for alert in room.tell()) == why
    assert all("host-a" in alert.subject_id for alert in room.notifier.alerts)
    shown = next_action([], database.now(), LEADS, spool_status.list_statuses(database))
    assert ("docs/operating/spool.md" in shown) == bool(why)
    database.close()
