"""Inbound SMS that wait for replay: oldest first, in pages, so that unreadable ones hide no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.sms import messages
from tests.support import databases

CALLER = b"c" * 32


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


def keep(database: Database, *names: int, at: int = 2) -> None:
    rows = [{"inbound_key": bytes([n]) * 32, "seen_at": at, "caller_key": CALLER, "waiting": b"sealed"} for n in names]
    with database.write() as connection:
        connection.execute(insert(t.inbound), rows)


def test_the_next_page_begins_after_the_last_row_of_this_one(database: Database) -> None:
    keep(database, 3, 1, 2)
    keep(database, 9, 8, at=1)
    seen: list[int] = []
    after = None
    while page := messages.list_inbound(database, at_most=2, after=after):
        seen += [row.inbound_key[0] for row in page]
        after = (page[-1].seen_at, page[-1].inbound_key)
    assert seen == [8, 9, 1, 2, 3], "oldest first, and of the same moment by their key"


def test_what_was_played_waits_no_more(database: Database) -> None:
    keep(database, 1, 2)
    messages.mark_processed(database, bytes([1]) * 32)
    assert [row.inbound_key[0] for row in messages.list_inbound(database)] == [2]
