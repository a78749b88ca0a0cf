"""Recordings of reporters' words, on their way from the provider of a call to the hotlines of the report.

`web` records that a reporter was asked to speak, and the provider's notices. The scheduler fetches the sound, stores it
sealed to each hotline of the route with a message that names it, and deletes it at the provider. `web` has no right to
the table of the sound.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from reports.json_bodies import MessageKind
from reports.recordings import ARRIVES_WITHIN, MAX_PER_REPORT, UNFINISHED, RecordingState, retry_delay
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_due
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.schema import tables as t
from runtime.settings import Mode
from runtime.time_units import SECOND

READY_AFTER = 5 * SECOND  # a provider names a recording before its file is ready
MAX_CALL_TIME = 4 * 60 * 60 * SECOND  # Twilio ends a call then
FORGOTTEN: Mapping[str, None] = dict.fromkeys(("key_id", "wrap", "sealed"))  # where it is, or was


@dataclass(frozen=True, slots=True)
class RecordingAtProvider:
    """A recording at a provider: its place there or, while it is not named, its call. Sealed to the scheduler."""

    recording_id: str
    channel: str
    mode: Mode
    key_id: str
    wrap: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class DueRecording:
    """A recording whose next step is due. Times in microseconds.

    `is_wanted`: its report exists, and the reporter has not deleted it.
    """

    recording_id: str
    report_id: str
    channel: str
    mode: Mode
    state: RecordingState
    created_at: int
    attempt: int
    key_id: str | None
    wrap: bytes | None
    sealed: bytes | None
    told_at: int | None
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class SealedRecording:
    """The sound of a recording, sealed to one hotline."""

    recipient: str
    key_id: str
    wrap: bytes
    sealed: bytes


# Functions for web


def expect(database: Database, expected: RecordingAtProvider, report_id: str) -> bool:
    """Record that a reporter is asked to speak. A repeat changes nothing.

    Returns False if the report is not in the database, or has too many recordings.
    """
    r, c = t.report.c, t.recording.c
    now = database.now()
    with database.write() as connection:
        if connection.execute(select(r.report_id).where(r.report_id == report_id)).first() is None:
            return False
        count = select(func.count(c.recording_id)).where(
            c.report_id == report_id, c.recording_id != expected.recording_id
        )
        if connection.execute(count).scalar_one() >= 2 * MAX_PER_REPORT:  # a recording that arrived has two rows
            return False
        row = asdict(expected) | {"report_id": report_id, "state": RecordingState.EXPECTED}
        row |= {"created_at": now, "attempt": 0, "next_at": now + ARRIVES_WITHIN}
        connection.execute(database.insert_or_ignore(t.recording).values(row))
    return True


def arrive(database: Database, expected_id: str, arrived: RecordingAtProvider) -> None:
    """Store where the recording is that was expected under an id. A repeat changes nothing.

    A recording without a known report is stored too, so that it is deleted at the provider.
    """
    c, now = t.recording.c, database.now()
    with database.write() as connection:
        report_id = connection.execute(select(c.report_id).where(c.recording_id == expected_id)).scalar()
        row = asdict(arrived) | {"report_id": report_id or arrived.recording_id}
        row |= {"state": RecordingState.DUE, "created_at": now, "attempt": 0}
        connection.execute(database.insert_or_ignore(t.recording).values(row | {"next_at": now + READY_AFTER}))
        _end_wait(connection, expected_id)


def note_silence(database: Database, expected_id: str) -> None:
    """Record that the provider has no recording: the reporter did not speak, or hung up before."""
    with database.write() as connection:
        _end_wait(connection, expected_id)


def _end_wait(connection: Connection, expected_id: str) -> None:
    c = t.recording.c
    is_expected = (c.recording_id == expected_id) & (c.state == RecordingState.EXPECTED)
    connection.execute(update(t.recording).where(is_expected).values(state=RecordingState.DONE, **FORGOTTEN))


# Functions for the scheduler


def list_due(database: Database, at_most: int = 20) -> list[DueRecording]:
    """Return the recordings whose time has come, the oldest first."""
    c, r = t.recording.c, t.report.c
    names = [c[name] for name in DueRecording.__dataclass_fields__ if name != "is_wanted"]
    is_wanted = r.report_id.is_not(None) & r.delete_asked_at.is_(None)
    query = select(*names, is_wanted.label("is_wanted"))
    query = query.outerjoin_from(t.recording, t.report, r.report_id == c.report_id)
    is_ripe = is_due(c.next_at, database.now_sql(), ARRIVES_WITHIN)
    query = query.where(c.state.in_(UNFINISHED), is_ripe).order_by(c.next_at).limit(at_most)
    with database.read() as connection:
        return [
            DueRecording(**{**row, "is_wanted": bool(row["is_wanted"])}) for row in connection.execute(query).mappings()
        ]


def list_named(database: Database, report_id: str) -> list[RecordingAtProvider]:
    """Return the recordings of a report that its provider has named, and that are still there as far as known."""
    return _at_provider(database, report_id, RecordingState.DUE, RecordingState.REMOVING)


def list_expected(database: Database, report_id: str) -> list[RecordingAtProvider]:
    """Return the calls in which recordings of a report are expected, each under the id of the wait."""
    return _at_provider(database, report_id, RecordingState.EXPECTED)


def _at_provider(database: Database, report_id: str, *states: RecordingState) -> list[RecordingAtProvider]:
    c = t.recording.c
    names = [c[name] for name in RecordingAtProvider.__dataclass_fields__]
    query = select(*names).where(c.report_id == report_id, c.state.in_(states), c.sealed.is_not(None))
    with database.read() as connection:
        return [RecordingAtProvider(**row) for row in connection.execute(query).mappings()]


def has_neighbours(database: Database, due: DueRecording) -> bool:
    """Return whether another report has a recording that may be of the same call.

    A call may open two reports, and the provider names only the call. A hotline must never hear a recording of a report
    that it does not have.
    """
    c = t.recording.c
    is_near = c.created_at.between(due.created_at - MAX_CALL_TIME, due.created_at + MAX_CALL_TIME)
    query = select(c.recording_id).where(c.report_id != due.report_id, c.channel == due.channel, is_near).limit(1)
    with database.read() as connection:
        return connection.execute(query).first() is not None


def find(
    database: Database,
    due: DueRecording,
    found: Sequence[RecordingAtProvider],
    ended: Sequence[str],
    named: Collection[str],
) -> bool:
    """Store recordings that the provider listed when it was asked, and end the wait for them.

    `ended`: the ids of the other waits of that call. `named`: the ids of the recordings that were known when it was
    asked. Returns False, and stores nothing, if a notice has arrived since.
    """
    c, r, now = t.recording.c, t.report.c, database.now()
    with database.write() as connection:
        connection.execute(select(r.report_id).where(r.report_id == due.report_id).with_for_update())
        is_named = c.state.in_((RecordingState.DUE, RecordingState.REMOVING)) & c.sealed.is_not(None)
        known = connection.execute(select(c.recording_id).where(c.report_id == due.report_id, is_named)).scalars()
        done = {"state": RecordingState.DONE, "last_class": "found", **FORGOTTEN}
        if set(known) != set(named) or not _set(connection, due, **done):
            return False
        for one in found:
            row = asdict(one) | {"report_id": due.report_id, "state": RecordingState.DUE}
            row |= {"created_at": now, "attempt": 0, "next_at": now}
            connection.execute(insert(t.recording).values(row))
        is_waiting = c.recording_id.in_(list(ended)) & (c.state == RecordingState.EXPECTED)
        connection.execute(update(t.recording).where(is_waiting).values(done))
    return True


def store(
    database: Database,
    due: DueRecording,
    message_id: str,
    sealed_messages: Sequence[SealedMessage],
    copies: Sequence[SealedRecording] = (),
) -> bool:
    """Store a message about a recording, sealed to each hotline, and the sound if there are `copies`.

    With the sound the recording goes on to be deleted at the provider. Without it the hotlines are told that it could
    not be fetched. Returns False, and stores nothing, if the report was deleted meanwhile, the message is there, or the
    recording has gone on since it was read.
    """
    r, c, now = t.report.c, t.recording.c, database.now()
    with database.write() as connection:
        report = select(r.report_id).where(r.report_id == due.report_id, r.delete_asked_at.is_(None))
        if connection.execute(report.with_for_update()).first() is None:
            return False
        state = connection.execute(select(c.state).where(c.recording_id == due.recording_id)).scalar()
        if state != due.state:
            return False
        rows = [
            asdict(one) | {"message_id": message_id, "report_id": due.report_id, "created_at": now}
            for one in sealed_messages
        ]
        if not rows or not connection.execute(database.insert_or_ignore(t.message).values(rows)).rowcount:
            return False
        if copies:
            ids = {"recording_id": due.recording_id, "report_id": due.report_id}
            connection.execute(insert(t.recording_copy), [asdict(copy) | ids for copy in copies])
        kind = MessageKind.RECORDING if copies else MessageKind.RECORDING_MISSING
        audit_log.append(connection, "clock", kind, due.report_id, now)
        _set(connection, due, **({"stored_at": now} if copies else {"told_at": now}))
    return True


def postpone(database: Database, due: DueRecording, why: str) -> None:
    """Postpone the next attempt. `why`: the class of the failure."""
    attempt = due.attempt + 1
    with database.write() as connection:
        next_at = database.now() + retry_delay(attempt)
        _set(connection, due, attempt=attempt, next_at=next_at, last_class=why)


def remove(database: Database, due: DueRecording, why: str) -> None:
    """Let the recording be deleted at the provider next. `why`: that it was fetched, or why it was given up."""
    with database.write() as connection:
        _set(connection, due, state=RecordingState.REMOVING, next_at=database.now(), attempt=0, last_class=why)


def finish(database: Database, due: DueRecording, state: RecordingState, why: str) -> bool:
    """Finish a recording, and delete where it was at the provider. `state`: done, or left.

    Returns False if it has gone on since it was read.
    """
    c = t.recording.c
    with database.write() as connection:
        is_finished = _set(connection, due, state=state, last_class=why, **FORGOTTEN)
        if not _report_exists(connection, due.report_id):  # no purge will delete this row
            connection.execute(t.recording.delete().where(c.recording_id == due.recording_id))
    return is_finished


def _report_exists(connection: Connection, report_id: str) -> bool:
    r = t.report.c
    return connection.execute(select(r.report_id).where(r.report_id == report_id)).first() is not None


def _set(connection: Connection, due: DueRecording, **values: Any) -> bool:
    """Change a row unless another process has changed it since it was read. Return whether it was changed."""
    c = t.recording.c
    unchanged = (c.recording_id == due.recording_id) & (c.state == due.state) & (c.attempt == due.attempt)
    return bool(connection.execute(update(t.recording).where(unchanged).values(**values)).rowcount)


# Access by staff


def load_copy(database: Database, recording_id: str, hotline: str) -> SealedRecording | None:
    """Return the sound sealed to a hotline; None if there is none, or none any more."""
    with database.read() as connection:
        return find_copy(connection, recording_id, hotline)


def find_copy(connection: Connection, recording_id: str, hotline: str) -> SealedRecording | None:
    """Do as `load_copy`, on an open connection."""
    c = t.recording_copy.c
    query = select(c.recipient, c.key_id, c.wrap, c.sealed)
    row = connection.execute(query.where(c.recording_id == recording_id, c.recipient == hotline)).first()
    return None if row is None else SealedRecording(*row)
