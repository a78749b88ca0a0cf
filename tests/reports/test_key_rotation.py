"""A key rotation leaves every row readable: with the new key, and during it with the old one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from reports.crypto import DecryptError, SealContext, SealedBody, open_body, open_head, seal_body
from reports.crypto.key_files import SENDER_KEY, PrivateKeySet, create_key_pair, load_private_keys, load_public_keys
from reports.store.engine.database import Database
from reports.store.operations.key_rotation import BATCH_SIZE, RotationResult, count_by_key, count_outdated, rewrap_rows
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from tests.support import databases

HOTLINE, OTHER = "vu-pikinini", "vu-police"


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    for hotline in (HOTLINE, OTHER, SENDER_KEY):
        create_key_pair(folder, hotline)
    return folder


def sealed(keys: Path, context: SealContext) -> dict[str, Any]:
    box = seal_body(
        load_public_keys(keys, [context.hotline])[context.hotline],
        context,
        b"head",
        b"body of " + context.hotline.encode(),
    )
    return {"key_id": box.key_id, "wrap": box.wrap, "head": box.head, "sealed": box.sealed}


def put_reports(database: Database, keys: Path, count: int, hotlines: tuple[str, ...] = (HOTLINE, OTHER)) -> None:
    reports, bodies = [], []
    for n in range(count):
        report_id = new_id(n * 1000)
        common = {"country": "VU", "priority": "P2", "completeness": "complete", "mode": "live", "state": "queued"}
        key = n.to_bytes(32, "big")
        reports.append({"report_id": report_id, "origin_key": key, "created_at": 1, "revision": 2, **common})
        for revision in (1, 2):
            for hotline in hotlines:
                box = sealed(keys, SealContext("live", report_id, revision, hotline))
                bodies.append({"report_id": report_id, "revision": revision, "recipient": hotline, **box})
    with database.write() as connection:
        connection.execute(insert(t.report), reports)
        connection.execute(insert(t.report_body), bodies)


def put_pending(database: Database, keys: Path) -> None:
    context = SealContext("live", new_id(1), 3, HOTLINE)
    row = {
        "origin_key": bytes(32),
        "recipient": HOTLINE,
        "report_id": context.report_id,
        "revision": context.revision,
        "kind": "rescue",
        "created_at": 1,
        "due_at": 2,
        "country": "VU",
        "mode": context.mode,
        "priority": "P1",
        "completeness": "incomplete",
        "role": "primary",
        "rank": 0,
        "why": "INCOMPLETE_ONLY",
    }
    with database.write() as connection:
        connection.execute(insert(t.pending), row | sealed(keys, context))


def put_outgoing(database: Database, keys: Path) -> None:
    context = SealContext("live", new_id(1), 1, SENDER_KEY)
    box = sealed(keys, context)
    del box["head"]
    row = {"id": context.report_id, "channel": "africastalking", "mode": "live", "state": "due", "attempt": 0}
    times = {"next_at": 1, "created_at": 1, "expires_at": 2}
    with database.write() as connection:
        connection.execute(insert(t.outgoing), row | times | box)


def put_recording(database: Database, keys: Path) -> tuple[SealContext, SealContext]:
    """Store a recording: its address sealed to the worker, its sound to a hotline. Return both contexts."""
    put_reports(database, keys, 1, (OTHER,))
    at = new_id(5)
    with database.read() as connection:
        report_id = connection.execute(select(t.report.c.report_id)).scalar_one()
    place, sound = SealContext("live", at, 1, SENDER_KEY), SealContext.of_recording("live", report_id, at, HOTLINE)
    ids = {"recording_id": at, "report_id": report_id}
    times = {"channel": "twilio_voice", "mode": "live", "state": "due", "created_at": 1, "next_at": 1, "attempt": 0}
    boxes = [sealed(keys, context) for context in (place, sound)]
    for box in boxes:
        del box["head"]
    with database.write() as connection:
        connection.execute(insert(t.recording), [ids | times | boxes[0]])
        gone = {**ids, "recording_id": new_id(6), **times, "key_id": None, "wrap": None, "sealed": None}
        connection.execute(insert(t.recording), [gone])
        connection.execute(insert(t.recording_copy), ids | {"recipient": HOTLINE} | boxes[1])
    return place, sound


def test_recordings_are_re_wrapped_too(database: Database, keys: Path) -> None:
    for table, context in zip((t.recording, t.recording_copy), put_recording(database, keys), strict=True):
        new = create_key_pair(keys, context.hotline)
        private = load_private_keys(keys, [context.hotline])
        assert count_outdated(database, context.hotline, new.key_id) == 1
        assert rewrap_rows(database, private, context.hotline, new) == RotationResult(done=1, unreadable=0)
        with database.read() as connection:
            row = connection.execute(select(table).where(table.c.sealed.is_not(None))).one()
        box = SealedBody(row.key_id, row.wrap, b"", row.sealed)
        assert open_body(private.of(context.hotline, new.key_id), context, box).startswith(b"body of")


def bodies(database: Database, keys: PrivateKeySet) -> set[tuple[str, str, bytes]]:
    with database.read() as connection:
        rows = connection.execute(select(t.report_body)).all()
    found = set()
    for row in rows:
        box, context = (
            SealedBody(row.key_id, row.wrap, row.head, row.sealed),
            SealContext("live", row.report_id, row.revision, row.recipient),
        )
        private = keys.of(row.recipient, row.key_id)
        assert open_head(private, context, box) == b"head"
        found.add((row.recipient, row.key_id, open_body(private, context, box)))
    return found


def test_every_row_of_the_hotline_is_under_the_new_key_and_no_other_row(database: Database, keys: Path) -> None:
    put_reports(database, keys, 300)
    before = load_public_keys(keys, [HOTLINE, OTHER])
    new = create_key_pair(keys, HOTLINE)
    told: list[int] = []
    assert count_outdated(database, HOTLINE, new.key_id) == 600
    private = load_private_keys(keys, [HOTLINE, OTHER])
    assert rewrap_rows(database, private, HOTLINE, new, told.append) == RotationResult(done=600, unreadable=0)
    assert told == [BATCH_SIZE, 600 - BATCH_SIZE]
    assert bodies(database, private) == {
        (HOTLINE, new.key_id, b"body of vu-pikinini"),
        (OTHER, before[OTHER].key_id, b"body of vu-police"),
    }
    assert count_outdated(database, HOTLINE, new.key_id) == count_by_key(database, before[HOTLINE].key_id) == 0
    assert rewrap_rows(database, private, HOTLINE, new) == RotationResult(done=0, unreadable=0)


def test_what_is_pending_and_what_is_to_be_sent_are_re_wrapped_too(database: Database, keys: Path) -> None:
    put_pending(database, keys)
    put_outgoing(database, keys)
    for table, hotline in ((t.pending, HOTLINE), (t.outgoing, SENDER_KEY)):
        new = create_key_pair(keys, hotline)
        assert rewrap_rows(database, load_private_keys(keys, [hotline]), hotline, new).done == 1
        with database.read() as connection:
            row = connection.execute(select(table)).one()
        report_id = row.id if table is t.outgoing else row.report_id
        context = SealContext("live", report_id, 1 if table is t.outgoing else 3, hotline)
        box = SealedBody(row.key_id, row.wrap, b"", row.sealed)
        assert open_body(load_private_keys(keys, [hotline]).of(hotline, new.key_id), context, box).startswith(
            b"body of"
        )


def test_what_a_hotline_keeps_for_itself_is_re_wrapped_too(database: Database, keys: Path) -> None:
    put_reports(database, keys, 1, (OTHER,))
    with database.read() as connection:
        report_id = str(connection.execute(select(t.report.c.report_id)).scalar_one())
    note_id = new_id(1)
    context = SealContext.of_message("live", report_id, note_id, HOTLINE)
    box = sealed(keys, context)
    row = {"note_id": note_id, "report_id": report_id, "recipient": HOTLINE, "kind": "reason", "actor": "x"}
    row |= {"created_at": 1, "key_id": box["key_id"], "wrap": box["wrap"], "sealed": box["sealed"]}
    with database.write() as connection:
        connection.execute(insert(t.note), row)
    new = create_key_pair(keys, HOTLINE)
    assert rewrap_rows(database, load_private_keys(keys, [HOTLINE]), HOTLINE, new) == RotationResult(1, 0)
    assert count_by_key(database, box["key_id"]) == 0
    with database.read() as connection:
        kept = connection.execute(select(t.note)).one()
    private = load_private_keys(keys, [HOTLINE]).of(HOTLINE, new.key_id)
    assert open_body(private, context, SealedBody(kept.key_id, kept.wrap, b"", kept.sealed)) == b"body of vu-pikinini"


def test_a_row_that_does_not_open_is_counted_and_stops_no_other(database: Database, keys: Path) -> None:
    put_reports(database, keys, 3, (HOTLINE,))
    with database.write() as connection:
        lost = (
            connection.execute(select(t.report_body.c.report_id).order_by(t.report_body.c.report_id)).scalars().first()
        )
        connection.execute(t.report_body.update().where(t.report_body.c.report_id == lost).values(wrap=bytes(81)))
    new = create_key_pair(keys, HOTLINE)
    assert rewrap_rows(database, load_private_keys(keys, [HOTLINE]), HOTLINE, new) == RotationResult(
        done=4, unreadable=2
    )


def test_without_the_old_private_key_nothing_is_changed(database: Database, keys: Path) -> None:
    put_reports(database, keys, 1, (HOTLINE,))
    old = load_public_keys(keys, [HOTLINE])[HOTLINE].key_id
    (keys / "private" / HOTLINE / f"{old}.key").unlink()
    new = create_key_pair(keys, HOTLINE)
    assert rewrap_rows(database, load_private_keys(keys, [HOTLINE]), HOTLINE, new) == RotationResult(
        done=0, unreadable=2
    )
    assert count_by_key(database, old) == 2


def test_the_destroyed_private_key_opens_no_row_of_before(database: Database, keys: Path) -> None:
    """This makes an old backup unreadable: its wraps name a key that no longer exists."""
    put_reports(database, keys, 1, (HOTLINE,))
    with database.read() as connection:
        backup = connection.execute(select(t.report_body)).first()
    assert backup is not None
    new = create_key_pair(keys, HOTLINE)
    rewrap_rows(database, load_private_keys(keys, [HOTLINE]), HOTLINE, new)
    (keys / "private" / HOTLINE / f"{backup.key_id}.key").unlink()
    with pytest.raises(DecryptError):
        load_private_keys(keys, [HOTLINE]).of(HOTLINE, backup.key_id)
    context = SealContext("live", backup.report_id, backup.revision, HOTLINE)
    with pytest.raises(DecryptError):
        box = SealedBody(backup.key_id, backup.wrap, backup.head, backup.sealed)
        open_body(load_private_keys(keys, [HOTLINE]).of(HOTLINE, new.key_id), context, box)
