"""Recordings of reporters, from the provider to the hotlines: each step once, with its process's rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from reports.recordings import (
    ARRIVES_WITHIN,
    MAX_PER_REPORT,
    UNFINISHED,
    RecordingState,
    kind_of_sound,
    retry_delay,
)
from reports.store.engine.database import Database
from reports.store.mailboxes import recordings
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.mailboxes.recordings import DueRecording, RecordingAtProvider, SealedRecording
from reports.store.privileges.rights import RIGHTS, WEB
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.settings import Mode
from runtime.time_units import MINUTE, SECOND
from tests.retention.sample_reports import DESK, POLICE, History, Recipient, make, write
from tests.support import databases

EXPECTED, ARRIVED, MESSAGE = new_id(1), new_id(2), new_id(3)
LETTERS = [SealedMessage(one, "0" * 16, b"wrap", b"sealed") for one in (DESK, POLICE)]
COPIES = [SealedRecording(one, "0" * 16, b"wrap", b"sound") for one in (DESK, POLICE)]


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


@pytest.fixture
def report_id(database: Database) -> str:
    made = make(History(0, recipients=(Recipient(), Recipient(POLICE))), database.now())
    write(database, [made])
    return made.report_id


def arrived(recording_id: str = ARRIVED) -> RecordingAtProvider:
    return RecordingAtProvider(recording_id, "twilio_voice", Mode.LIVE, "0" * 16, b"wrap", b"place")


def expect(database: Database, report_id: str, recording_id: str = EXPECTED) -> bool:
    return recordings.expect(database, arrived(recording_id), report_id)


def rows(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        return {row.recording_id: row for row in connection.execute(select(t.recording))}


def later(database: Database, by: int) -> None:
    """Make every recording due earlier by `by`."""
    with database.write() as connection:
        connection.execute(update(t.recording).values(next_at=t.recording.c.next_at - by))


def due(database: Database) -> DueRecording:
    later(database, MINUTE)
    [one] = recordings.list_due(database)
    return one


def test_from_the_call_to_the_hotlines(database: Database, report_id: str) -> None:
    assert expect(database, report_id) and expect(database, report_id)
    assert recordings.list_due(database) == []
    recordings.arrive(database, EXPECTED, arrived())
    recordings.arrive(database, EXPECTED, arrived())
    assert {row.state for row in rows(database).values()} == {"done", "due"}
    one = due(database)
    assert (one.recording_id, one.report_id, one.sealed, one.is_wanted) == (ARRIVED, report_id, b"place", True)
    assert recordings.store(database, one, ARRIVED, LETTERS, COPIES)
    assert not recordings.store(database, one, ARRIVED, LETTERS, COPIES), "by another scheduler"
    recordings.remove(database, one, "fetched")
    one = due(database)
    assert one.state is RecordingState.REMOVING
    recordings.finish(database, one, RecordingState.DONE, "removed")
    row = rows(database)[ARRIVED]
    assert (row.state, row.key_id, row.wrap, row.sealed) == ("done", None, None, None)
    for hotline in (DESK, POLICE):
        copy = recordings.load_copy(database, ARRIVED, hotline)
        assert copy is not None and copy.sealed == b"sound"
    assert recordings.load_copy(database, ARRIVED, "vu-other") is None
    with database.read() as connection:
        messages = connection.execute(select(t.message.c.message_id, t.message.c.recipient)).all()
        acts = connection.execute(select(t.audit.c.act).where(t.audit.c.actor == "clock")).scalars().all()
    assert sorted(map(tuple, messages)) == [(ARRIVED, DESK), (ARRIVED, POLICE)]
    assert acts == ["recording"]


def test_no_recording_is_expected_of_a_report_that_is_not_there(database: Database, report_id: str) -> None:
    assert not expect(database, new_id(9))
    assert rows(database) == {}
    assert expect(database, report_id)


def test_a_report_has_a_limited_number_of_recordings(database: Database, report_id: str) -> None:
    for n in range(MAX_PER_REPORT):
        assert expect(database, report_id, f"expected-{n}")
        recordings.arrive(database, f"expected-{n}", arrived(f"arrived-{n}"))
    assert not expect(database, report_id, "one-more")
    assert expect(database, report_id, "expected-0"), "a repeat is not refused"


def test_silence_is_told_to_nobody(database: Database, report_id: str) -> None:
    expect(database, report_id)
    recordings.note_silence(database, EXPECTED)
    later(database, ARRIVES_WITHIN + MINUTE)
    assert recordings.list_due(database) == []


def test_what_did_not_come_is_due_after_half_an_hour_and_may_come_later(database: Database, report_id: str) -> None:
    expect(database, report_id)
    later(database, ARRIVES_WITHIN)
    [one] = recordings.list_due(database)
    assert (one.state, one.sealed) == (RecordingState.EXPECTED, b"place"), "of the call"
    assert recordings.store(database, one, MESSAGE, LETTERS)
    assert recordings.finish(database, one, RecordingState.DONE, "not_received")
    recordings.arrive(database, EXPECTED, arrived())
    assert due(database).report_id == report_id


def test_a_recording_that_the_provider_names_when_asked_ends_its_wait_and_no_other(
    database: Database, report_id: str
) -> None:
    """A process that read the row before must not report it as missing."""
    waits = [EXPECTED, new_id(database.now() + 5000)]
    for wait in waits:
        expect(database, report_id, wait)
    later(database, ARRIVES_WITHIN)
    first, second = recordings.list_due(database)
    assert not recordings.find(database, first, [arrived()], [EXPECTED], [new_id(database.now())]), "of other notices"
    assert recordings.find(database, first, [arrived()], [EXPECTED], [])
    assert not recordings.find(database, first, [arrived()], [EXPECTED], [ARRIVED]), "as another process, too late"
    assert [rows(database)[one].state for one in (*waits, ARRIVED)] == ["done", "expected", "due"]
    assert rows(database)[EXPECTED].sealed is None
    assert not recordings.store(database, first, MESSAGE, LETTERS)
    assert not recordings.finish(database, first, RecordingState.DONE, "not_received")
    assert recordings.store(database, second, MESSAGE, LETTERS)
    assert [one.recording_id for one in recordings.list_named(database, report_id)] == [ARRIVED]


def test_a_report_that_was_deleted_gets_no_sound(database: Database, report_id: str) -> None:
    expect(database, report_id)
    recordings.arrive(database, EXPECTED, arrived())
    one = due(database)
    with database.write() as connection:
        connection.execute(update(t.report).where(t.report.c.report_id == report_id).values(delete_asked_at=1))
    assert not due(database).is_wanted
    assert not recordings.store(database, one, ARRIVED, LETTERS, COPIES)
    assert recordings.load_copy(database, ARRIVED, DESK) is None


def test_a_recording_of_no_report_is_kept_until_it_is_deleted_at_the_provider(database: Database) -> None:
    recordings.arrive(database, new_id(9), arrived())
    one = due(database)
    assert (one.report_id, one.is_wanted) == (ARRIVED, False)
    recordings.remove(database, one, "no_report")
    recordings.finish(database, due(database), RecordingState.DONE, "removed")
    assert rows(database) == {}, "no purge would delete it"


def test_a_failure_is_tried_again_later_each_time(database: Database, report_id: str) -> None:
    expect(database, report_id)
    recordings.arrive(database, EXPECTED, arrived())
    recordings.postpone(database, due(database), "timeout")
    assert recordings.list_due(database) == []
    row = rows(database)[ARRIVED]
    assert (row.attempt, row.last_class) == (1, "timeout")
    assert [retry_delay(attempt) // SECOND for attempt in (1, 2, 3, 4, 5, 6, 99)] == [10, 30, 60, 300, 900, 900, 900]


def test_another_scheduler_changes_nothing_behind_the_first(database: Database, report_id: str) -> None:
    expect(database, report_id)
    recordings.arrive(database, EXPECTED, arrived())
    one = due(database)
    recordings.remove(database, one, "fetched")
    recordings.postpone(database, one, "timeout")
    row = rows(database)[ARRIVED]
    assert (row.state, row.last_class) == ("removing", "fetched")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"ID3\x03\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf3\x48\xc4", "audio/mpeg"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", None),
        (b"<html>", None),
        (b"\xff\xd8\xff\xe0", None),  # a picture
        (b"\x89PNG", None),
        (b"", None),
    ],
)
def test_only_sound_is_sound(data: bytes, kind: str | None) -> None:
    assert kind_of_sound(data) == kind


def test_web_cannot_read_where_a_recording_is_nor_the_sound() -> None:
    assert WEB not in RIGHTS["recording_copy"]
    reads = [one for one in RIGHTS["recording"][WEB].split("; ") if one.startswith("SELECT")]
    assert reads == ["SELECT (recording_id, report_id, state)"]
    assert set(UNFINISHED) == set(RecordingState) - {RecordingState.DONE, RecordingState.LEFT}
