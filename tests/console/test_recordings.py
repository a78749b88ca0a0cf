"""A recording of a reporter: staff of a hotline that has the report hear it on the page, each time audited."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import load_public_keys
from reports.json_bodies import MessageKind, message_json
from reports.recordings import RecordingState
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes import correspondence, recordings
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.mailboxes.recordings import RecordingAtProvider, SealedRecording
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.settings import Mode
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE, OTHER, THIRD
from tests.support.console import Console
from tests.support.recordings import MP3
from tests.support.staff import Person
from tokaut.local_stack.settings import StackPlan

SPOKE = "The reporter spoke in the call."
MISSING = "no recording could be fetched"


def spoken(database: Database, made: StackPlan, report: str, sound: bytes | None = MP3) -> str:
    """Store a recording as the scheduler does, deliver it, and return its id. Without `sound` it was not fetched."""
    keys = load_public_keys(made.folder.inside / "keys", [HOTLINE, OTHER])
    expected, recording = new_id(database.now()), new_id(database.now() + 1000)
    call, arrived = (
        RecordingAtProvider(one, "twilio_voice", Mode.DEMO, "0" * 16, b"", b"") for one in (expected, recording)
    )
    recordings.expect(database, call, report)
    recordings.arrive(database, expected, arrived)
    with database.write() as connection:
        connection.execute(t.recording.update().values(next_at=1))
    [due] = [one for one in recordings.list_due(database) if one.state is RecordingState.DUE]
    about = {"content_type": "audio/mpeg", "bytes": len(MP3), "sha256": "0" * 64} if sound else None
    kind = MessageKind.RECORDING if sound else MessageKind.RECORDING_MISSING
    data = message_json(
        report_id=report,
        message_id=recording,
        mode=Mode.DEMO,
        created_at=database.now() // 1_000_000,
        kind=kind,
        recording=about,
    )
    letters, copies = [], []
    for name, key in keys.items():
        box = seal_body(key, SealContext.of_message(Mode.DEMO, report, recording, name), b"", data)
        letters.append(SealedMessage(name, box.key_id, box.wrap, box.sealed))
        box = seal_body(key, SealContext.of_recording(Mode.DEMO, report, recording, name), b"", sound or b"")
        copies.append(SealedRecording(name, box.key_id, box.wrap, box.sealed))
    assert recordings.store(database, due, recording, letters, copies if sound else ())
    correspondence.deliver_message(database, recording, report)
    return recording


def address(report: str, recording: str) -> str:
    return f"/reports/{report}/recordings/{recording}"


def heard(database: Database) -> list[tuple[str, str]]:
    a = t.audit.c
    with database.read() as connection:
        rows = connection.execute(select(a.actor, a.object_id).where(a.act == "heard").order_by(a.at))
        return [(row.actor, row.object_id) for row in rows]


@pytest.mark.rule("S-24")
def test_the_page_has_a_player_that_plays_nothing_by_itself(
    made: StackPlan, database: Database, report: str, mere: Person
) -> None:
    recording = spoken(database, made, report)
    page = mere.get(f"/reports/{report}")
    assert SPOKE in page.text
    assert f'<audio controls preload="none" src="{address(report, recording)}"></audio>' in page.html
    assert "autoplay" not in page.html
    assert "media-src 'self'" in page.headers["Content-Security-Policy"]
    assert heard(database) == []
    printed = mere.post(f"/reports/{report}/print", {}, at=f"/reports/{report}")
    assert SPOKE in printed.text and "<audio" not in printed.html


@pytest.mark.rule("S-23")
def test_each_time_somebody_listens_is_in_the_audit(
    made: StackPlan, database: Database, report: str, mere: Person
) -> None:
    recording = spoken(database, made, report)
    for times in (1, 2):
        sound = mere.get(address(report, recording))
        assert (sound.status, sound.headers["Content-Type"]) == (200, "audio/mpeg")
        assert sound.answer.get_data() == MP3
        assert heard(database) == [(f"staff:{HOTLINE}/mere", report)] * times
    assert sound.headers["Cache-Control"] == "no-store"
    assert sound.headers["X-Content-Type-Options"] == "nosniff"
    assert sound.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert sound.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "mere listened to what the reporter said." in mere.get(f"/reports/{report}").text


def test_a_browser_may_ask_for_a_part(made: StackPlan, database: Database, report: str, mere: Person) -> None:
    recording = spoken(database, made, report)
    part = mere.get(address(report, recording), Range="bytes=10-19")
    assert (part.status, part.answer.get_data()) == (206, MP3[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(MP3)}"
    assert len(heard(database)) == 1


@pytest.mark.rule("S-23")
def test_nobody_else_hears_it(made: StackPlan, console: Console, database: Database, report: str) -> None:
    recording = spoken(database, made, report)
    other = someone(console, "olo", "staff", OTHER)
    assert other.get(address(report, recording)).answer.get_data() == MP3, "its own copy"
    refused = [someone(console, "tom", "staff", THIRD), someone(console, "aud", "auditor")]
    for person in refused:
        assert person.get(address(report, recording)).status == 404
    unknown = other.get(address(report, new_id(1)))
    assert (unknown.status, other.get(address(report, "x")).status) == (404, 404)
    assert [actor for actor, _ in heard(database)] == [f"staff:{OTHER}/olo"]


def test_a_recording_belongs_to_its_report(made: StackPlan, database: Database, report: str, mere: Person) -> None:
    recording = spoken(database, made, report)
    another = new_id(database.now())
    assert mere.get(address(another, recording)).status == 404


@pytest.mark.rule("S-23")
def test_without_the_audit_nothing_is_heard(
    made: StackPlan, database: Database, report: str, mere: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = spoken(database, made, report)

    def broken(*_: object) -> None:
        raise DatabaseUnavailable("test")

    monkeypatch.setattr("reports.store.cases.case_view.audit_log.append", broken)
    answer = mere.get(address(report, recording))
    assert answer.status >= 500 and MP3 not in answer.answer.get_data()


def test_staff_read_that_somebody_spoke_and_it_is_not_here(
    made: StackPlan, database: Database, report: str, mere: Person
) -> None:
    recording = spoken(database, made, report, None)
    page = mere.get(f"/reports/{report}").html
    assert MISSING in page and "<audio" not in page
    assert mere.get(address(report, recording)).status == 404


def test_what_is_no_sound_is_not_served(made: StackPlan, database: Database, report: str, mere: Person) -> None:
    recording = spoken(database, made, report, b"<html><script>1</script></html>")
    assert mere.get(address(report, recording)).status == 404
