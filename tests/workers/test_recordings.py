"""Recordings are fetched only from the provider's host, sealed to the hotlines, and deleted there; none is lost."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from reports.countries.country import load_countries
from reports.crypto import SealContext, SealedBody, open_body, seal_body
from reports.crypto.key_files import SENDER_KEY, create_key_pair, read_private_key
from reports.recordings import MAX_BYTES
from reports.store.engine.database import DatabaseUnavailable
from reports.store.mailboxes import correspondence, recordings
from reports.store.mailboxes.recordings import RecordingAtProvider
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.settings import Mode, load_settings
from runtime.time_units import DAY, HOUR, MINUTE
from tests.reports.test_json_bodies import MESSAGE
from tests.support.recordings import MP3, RecordingServer, Stored
from tests.support.twilio import Account
from tests.workers.fake_http_server import FakeHttpServer
from tests.workers.sample_store import ONE, TWO, SampleStore
from tests.workers.test_deliver import SECRET, delivery_runner, webhook
from workers.jobs.recordings import RecordingJob
from workers.metrics import WorkerMetrics
from workers.network.http_client import ClientResponse, HttpClient
from workers.network.sound_fetch import RecordingUnavailable, SoundClient
from workers.recordings import africastalking_voice, twilio_voice

pytestmark = pytest.mark.slow

ACCOUNT = Account("AC" + "0123456789abcdef" * 2, "0123456789abcdef0123456789abcdef")
SID = "RE" + "5f" * 16
CALL = "CA" + "7c" * 16
ROUTE = ((ONE, "primary"), (TWO, "fallback"))


class FakeAlertSender:
    """A fake sender of alerts."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def add_hourly(self, alert: Any) -> None:
        self.reasons.append(alert.reason)


@pytest.fixture
def provider() -> Iterator[RecordingServer]:
    server = RecordingServer(ACCOUNT).start()
    yield server
    server.stop()


def twilio(url: str, mode: Mode = Mode.DEMO, token: str = ACCOUNT.token) -> twilio_voice.Recorder:
    environ = {"TWILIO_AUTH_TOKEN": token, "TWILIO_ACCOUNT_SID": ACCOUNT.sid, "TWILIO_URL": url}
    return twilio_voice.Recorder(load_settings(twilio_voice.Settings, environ), mode)


def africastalking(url: str) -> africastalking_voice.Recorder:
    environ = {"AFRICASTALKING_RECORDINGS_URL": url}
    return africastalking_voice.Recorder(load_settings(africastalking_voice.Settings, environ), Mode.DEMO)


class SpokenReport:
    """The recording job, and one report whose reporter has spoken."""

    def __init__(self, store: SampleStore, provider: RecordingServer) -> None:
        self.store, self.provider, self.alerts = store, provider, FakeAlertSender()
        self.key = create_key_pair(store.keys, SENDER_KEY)
        store.submit(ROUTE, priority="P2")
        [self.report] = self.rows(t.report)
        self.job = self.made(
            {"twilio_voice": twilio(provider.url), "africastalking_voice": africastalking(provider.url)}
        )

    def made(self, sources: Any) -> RecordingJob:
        return RecordingJob(
            self.store.database,
            keys=self.store.keys,
            countries=load_countries(["vu"], "demo"),
            sources=sources,
            alert_sender=self.alerts,  # type: ignore[arg-type]
            metrics=WorkerMetrics(CollectorRegistry()),
        )

    def rows(self, table: Any) -> list[Any]:
        with self.store.database.read() as connection:
            return list(connection.execute(select(table)))

    def sealed(self, recording_id: str, channel: str, place: dict[str, str]) -> RecordingAtProvider:
        box = seal_body(self.key, SealContext("demo", recording_id, 1, SENDER_KEY), b"", json.dumps(place).encode())
        return RecordingAtProvider(recording_id, channel, Mode.DEMO, box.key_id, box.wrap, box.sealed)

    def expected(self, call: str = CALL, channel: str = "twilio_voice") -> str:
        """Store, as web does, that a reporter was asked to speak; return the id for the provider's notice."""
        database, expected = self.store.database, new_id(self.store.database.now())
        assert recordings.expect(database, self.sealed(expected, channel, {"call": call}), self.report.report_id)
        return expected

    def spoken(self, source: str = SID, channel: str = "twilio_voice") -> str:
        """Store, as web does, that a recording has arrived; return its id."""
        expected, arrived = self.expected(channel=channel), new_id(self.store.database.now() + 1000)
        recordings.arrive(self.store.database, expected, self.sealed(arrived, channel, {"source": source}))
        self.pass_time(MINUTE)
        return arrived

    def pass_time(self, by: int) -> None:
        c = t.recording.c
        with self.store.database.write() as connection:
            connection.execute(update(t.recording).values(next_at=c.next_at - by, created_at=c.created_at - by))

    def run(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.job.run()

    def heard(self, recording_id: str, hotline: str) -> bytes | None:
        copy = recordings.load_copy(self.store.database, recording_id, hotline)
        if copy is None:
            return None
        context = SealContext.of_recording("demo", self.report.report_id, recording_id, hotline)
        private = read_private_key(self.store.keys, hotline, copy.key_id)
        return open_body(private, context, SealedBody(copy.key_id, copy.wrap, b"", copy.sealed))

    def told(self, hotline: str = ONE) -> list[dict[str, Any]]:
        found = []
        for row in sorted(self.rows(t.message), key=lambda row: row.created_at):
            if row.recipient == hotline:
                private = read_private_key(self.store.keys, hotline, row.key_id)
                context = SealContext.of_message("demo", row.report_id, row.message_id, hotline)
                found.append(json.loads(open_body(private, context, SealedBody(row.key_id, row.wrap, b"", row.sealed))))
        return found

    def state(self, recording_id: str) -> tuple[str, str | None]:
        [row] = [row for row in self.rows(t.recording) if row.recording_id == recording_id]
        return row.state, row.last_class


@pytest.fixture
def spoken_report(store: SampleStore, provider: RecordingServer) -> Iterator[SpokenReport]:
    made = SpokenReport(store, provider)
    yield made
    made.job = made.made({})  # closes the HTTP clients of the first job


@pytest.mark.parametrize("content_type", ["audio/mpeg", "binary/octet-stream", ""])
def test_it_is_fetched_sealed_to_each_hotline_and_deleted_there(spoken_report: SpokenReport, content_type: str) -> None:
    spoken_report.provider.twilio(SID, content_type=content_type)
    spoken = spoken_report.spoken()
    spoken_report.run(2)
    assert [spoken_report.heard(spoken, name) for name in (ONE, TWO)] == [MP3, MP3]
    folder = f"/2010-04-01/Accounts/{ACCOUNT.sid}/Recordings/{SID}"
    assert spoken_report.provider.asked == [("GET", f"{folder}.mp3"), ("DELETE", f"{folder}.json")]
    assert spoken_report.provider.stored == {}
    assert spoken_report.state(spoken) == ("done", "gone")
    [said] = spoken_report.told()
    assert (said["kind"], said["message_id"], said["text"], said["contact"]) == ("recording", spoken, None, None)
    assert said["recording"]["content_type"] == "audio/mpeg" and said["recording"]["bytes"] == len(MP3)
    assert {row.sealed for row in spoken_report.rows(t.recording)} == {None}, "where it was is forgotten with it"
    spoken_report.run(3)
    assert len(spoken_report.provider.asked) == 2 and len(spoken_report.told()) == 1
    assert spoken_report.alerts.reasons == []


def test_a_recording_of_africas_talking_cannot_be_deleted_there(spoken_report: SpokenReport) -> None:
    spoken_report.provider.africastalking("a1b2")
    spoken = spoken_report.spoken(f"{spoken_report.provider.url}/recordings/a1b2.mp3", "africastalking_voice")
    spoken_report.run(2)
    assert spoken_report.heard(spoken, ONE) == MP3
    assert spoken_report.state(spoken) == ("left", "not_deleted")
    assert spoken_report.provider.asked == [("GET", "/recordings/a1b2.mp3")]


@pytest.mark.parametrize(
    "source",
    [
        "http://127.0.0.2:9/recordings/1.mp3",
        "https://evil.example/recordings/1.mp3",
        "{url}.evil.example/recordings/1.mp3",
        "{url}@evil.example/recordings/1.mp3",
        "{url}:8/recordings/1.mp3",
        "{url}/recordings/../internal/1.mp3",
        "{url}//evil.example/1.mp3",
        "{url}/recordings/1.mp3?to=http://evil.example",
        "{url}/recordings/1.mp3#x",
        "{url}/recordings/%2e%2e/1.mp3",
        "{url}/recordings/1.mp3\r\nX: y",
        "{url}",
        "",
    ],
)
def test_no_address_that_came_from_outside_is_fetched(spoken_report: SpokenReport, source: str) -> None:
    spoken_report.provider.africastalking("1")
    spoken = spoken_report.spoken(source.format(url=spoken_report.provider.url) or "/", "africastalking_voice")
    spoken_report.run()
    assert spoken_report.provider.asked == []
    assert spoken_report.state(spoken) == ("removing", "foreign_address")
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing"], (
        "the hotline knows that somebody spoke"
    )
    assert spoken_report.alerts.reasons == ["recording_missing"]


@pytest.mark.parametrize("source", ["RE12", f"{SID}/../../Calls", f"../{SID}", SID.upper(), f"{SID}.json", f"{SID}\n"])
def test_only_an_id_of_a_recording_leads_into_twilios_api(spoken_report: SpokenReport, source: str) -> None:
    spoken_report.spoken(source)
    spoken_report.run()
    assert spoken_report.provider.asked == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"sound": b"<html>not a sound</html>"}, "not_sound"),
        ({"sound": b"ID3" + bytes(MAX_BYTES)}, "too_large"),
    ],
)
def test_what_is_no_sound_or_too_large_is_told_at_once_and_deleted(
    spoken_report: SpokenReport, how: Any, reason: str
) -> None:
    spoken_report.provider.twilio(SID, **how)
    spoken = spoken_report.spoken()
    spoken_report.run()
    assert spoken_report.state(spoken) == ("removing", reason)
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing"]
    spoken_report.run()
    assert spoken_report.state(spoken) == ("done", "gone")
    assert spoken_report.heard(spoken, ONE) is None


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"status": 503}, "busy"),
        ({"status": 401}, "locked_out"),
        ({"status": 302, "headers": {"Location": "https://evil.example/"}}, "moved"),
        ({"status": 404}, "not_found"),
        ({"length": len(MP3) + 100}, "reset"),
        ({"sound": b""}, "reset"),
    ],
)
def test_it_is_tried_for_a_day_and_the_hotline_is_told_after_a_quarter_of_an_hour(
    spoken_report: SpokenReport, how: Any, reason: str
) -> None:
    stored = spoken_report.provider.twilio(SID, **how)
    spoken = spoken_report.spoken()
    spoken_report.run()
    assert spoken_report.state(spoken) == ("due", reason)
    assert spoken_report.told() == [] and spoken_report.alerts.reasons == []
    spoken_report.pass_time(15 * MINUTE)
    spoken_report.run()
    assert spoken_report.state(spoken) == ("due", reason)
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing"]
    spoken_report.pass_time(HOUR)
    spoken_report.run()
    assert len(spoken_report.told()) == 1, "once"
    stored.__init__()  # type: ignore[misc]  # it answers again
    spoken_report.pass_time(HOUR)
    spoken_report.run(2)
    assert spoken_report.heard(spoken, ONE) == MP3
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing", "recording"]
    assert spoken_report.state(spoken) == ("done", "gone")


def test_after_a_day_it_is_given_up_and_deleted(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID, status=500)
    spoken = spoken_report.spoken()
    spoken_report.pass_time(DAY + HOUR)
    spoken_report.run()
    assert spoken_report.state(spoken) == ("removing", "busy")
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing"]
    spoken_report.run()
    assert spoken_report.provider.stored == {}


def test_what_cannot_be_deleted_is_tried_for_two_weeks_with_an_alert(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID, delete_status=500)
    spoken = spoken_report.spoken()
    spoken_report.run(2)
    assert spoken_report.state(spoken) == ("removing", "busy")
    assert spoken_report.alerts.reasons == []
    spoken_report.pass_time(2 * HOUR)
    spoken_report.run()
    assert spoken_report.alerts.reasons == ["recording_not_deleted"]
    spoken_report.pass_time(15 * DAY)
    spoken_report.run()
    assert spoken_report.state(spoken) == ("left", "busy")
    assert spoken_report.heard(spoken, ONE) == MP3


def test_a_reporter_who_deleted_the_report_is_not_heard_and_the_recording_goes(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID)
    spoken = spoken_report.spoken()
    with spoken_report.store.database.write() as connection:
        connection.execute(update(t.report).values(delete_asked_at=1))
    spoken_report.run(2)
    assert [method for method, _ in spoken_report.provider.asked] == ["DELETE"]
    assert spoken_report.state(spoken) == ("done", "gone")
    assert spoken_report.heard(spoken, ONE) is None and spoken_report.told() == []


@pytest.mark.parametrize("channel", ["twilio_voice", "africastalking_voice"])
def test_a_recording_that_never_comes_is_told(spoken_report: SpokenReport, channel: str) -> None:
    expected = spoken_report.expected(channel=channel)
    spoken_report.run()
    assert spoken_report.told() == [] and spoken_report.provider.asked == []
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    assert spoken_report.state(expected) == ("done", "not_received")
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing"]
    assert spoken_report.alerts.reasons == ["recording_missing"]
    assert {row.sealed for row in spoken_report.rows(t.recording)} == {None}, "the call is forgotten"


def test_a_recording_whose_notice_was_lost_is_asked_for_fetched_and_deleted(spoken_report: SpokenReport) -> None:
    """Two recordings of one call. A bug left them at the provider, and the hotlines were told that none had come."""
    spoken_report.provider.twilio(SID, call=CALL)
    spoken_report.provider.twilio("RE" + "6a" * 16, call=CALL)
    spoken_report.provider.twilio("RE" + "7b" * 16, call="CA" + "00" * 16)
    spoken_report.provider.twilio("RE" + "8c" * 16, call=CALL, listed_as="absent")
    waits = [spoken_report.expected(), spoken_report.expected()]
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run(3)
    assert [spoken_report.state(one) for one in waits] == [("done", "found")] * 2
    assert sorted(said["kind"] for said in spoken_report.told()) == ["recording"] * 2
    ids = {row.recording_id for row in spoken_report.rows(t.recording)} - set(waits)
    assert {spoken_report.heard(one, ONE) for one in ids} == {MP3}
    assert sorted(path[-2:] for path in spoken_report.provider.stored) == ["7b", "8c"], "those of this call are gone"
    assert {row.sealed for row in spoken_report.rows(t.recording)} == {None}
    assert spoken_report.alerts.reasons == []


def test_a_recording_that_was_named_is_not_taken_for_the_one_whose_notice_was_lost(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID, call=CALL, status=503)
    spoken, lost = spoken_report.spoken(), spoken_report.expected()
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    assert spoken_report.state(spoken) == ("due", "busy"), "still tried"
    assert spoken_report.state(lost) == ("done", "not_received")


def test_only_the_waits_of_a_call_end_with_its_recordings(spoken_report: SpokenReport) -> None:
    """Of two calls about one report, the provider could not yet be asked about the earlier one."""
    other = "CA" + "5d" * 16
    spoken_report.provider.twilio(SID, call=other)
    earlier = spoken_report.expected(CALL)
    spoken_report.pass_time(MINUTE)
    later = spoken_report.expected(other)
    spoken_report.provider.stored[f"/2010-04-01/Accounts/{ACCOUNT.sid}/Calls/{CALL}/Recordings"] = Stored(
        b"", status=503
    )
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    assert (spoken_report.state(earlier), spoken_report.state(later)) == (("expected", "busy"), ("done", "found"))


def test_a_recording_that_may_belong_to_another_report_is_delivered_to_nobody(spoken_report: SpokenReport) -> None:
    """One call may open two reports, and the provider's list names only the call. A person must decide."""
    spoken_report.provider.twilio(SID, call=CALL)
    expected, other = spoken_report.expected(), new_id(spoken_report.store.database.now())
    arrived = spoken_report.sealed(other, "twilio_voice", {"source": "RE" + "6a" * 16})
    recordings.arrive(spoken_report.store.database, "of no report here", arrived)
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    assert spoken_report.state(expected) == ("left", "not_deleted")
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing"]
    assert "recording_not_deleted" in spoken_report.alerts.reasons
    assert any(path.endswith(SID) for path in spoken_report.provider.stored), "it is there for the person who looks"


def test_a_notice_that_arrives_while_the_provider_is_asked_is_the_one_that_counts(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID, call=CALL)
    expected = spoken_report.expected()
    spoken_report.pass_time(31 * MINUTE)
    [due] = recordings.list_due(spoken_report.store.database)
    arrived = new_id(spoken_report.store.database.now())
    recordings.arrive(
        spoken_report.store.database, expected, spoken_report.sealed(arrived, "twilio_voice", {"source": SID})
    )
    found = spoken_report.sealed(new_id(spoken_report.store.database.now() + 1), "twilio_voice", {"source": SID})
    assert not recordings.find(spoken_report.store.database, due, [found], [expected], [])
    spoken_report.pass_time(MINUTE)
    spoken_report.run(3)
    assert [said["kind"] for said in spoken_report.told()] == ["recording"]


def test_a_recording_that_is_not_complete_is_asked_for_again(spoken_report: SpokenReport) -> None:
    stored = spoken_report.provider.twilio(SID, call=CALL, listed_as="in-progress")
    expected = spoken_report.expected()
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    assert spoken_report.state(expected) == ("expected", "not_found")
    stored.listed_as = "completed"
    spoken_report.pass_time(HOUR)
    spoken_report.run(3)
    assert spoken_report.state(expected) == ("done", "found") and spoken_report.provider.stored == {}


def test_a_provider_that_does_not_say_what_it_has_is_asked_for_a_day(spoken_report: SpokenReport) -> None:
    folder = f"/2010-04-01/Accounts/{ACCOUNT.sid}/Calls/{CALL}/Recordings"
    spoken_report.provider.stored[folder] = Stored(b"", status=503)
    expected = spoken_report.expected()
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    assert spoken_report.state(expected) == ("expected", "busy")
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing"]
    for answer in (b"[]", b'{"recordings": 1}', b'{"recordings": [{"sid": "RE', b"[" * 60_000):
        spoken_report.provider.stored[folder] = Stored(answer)
        spoken_report.pass_time(HOUR)
        spoken_report.run()
        assert spoken_report.state(expected) == ("expected", "reset")
    spoken_report.provider.stored[folder] = Stored(b"", status=401)
    spoken_report.pass_time(DAY)
    spoken_report.run()
    assert spoken_report.state(expected) == ("left", "locked_out")
    assert spoken_report.alerts.reasons == ["recording_missing", "recording_not_deleted"]
    assert len(spoken_report.told()) == 1


def test_after_the_provider_answers_again_the_lost_recording_comes(spoken_report: SpokenReport) -> None:
    folder = f"/2010-04-01/Accounts/{ACCOUNT.sid}/Calls/{CALL}/Recordings"
    spoken_report.provider.stored[folder] = Stored(b"", status=503)
    spoken_report.provider.twilio(SID, call=CALL)
    spoken_report.expected()
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    del spoken_report.provider.stored[folder]
    spoken_report.pass_time(HOUR)
    spoken_report.run(3)
    assert [said["kind"] for said in spoken_report.told()] == ["recording_missing", "recording"]
    assert spoken_report.provider.stored == {}


def test_a_lost_recording_of_a_report_that_was_deleted_is_deleted_at_the_provider(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID, call=CALL)
    spoken_report.expected()
    with spoken_report.store.database.write() as connection:
        connection.execute(update(t.report).values(delete_asked_at=1))
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run(3)
    assert spoken_report.provider.stored == {} and spoken_report.told() == []
    assert [method for method, _ in spoken_report.provider.asked] == ["GET", "DELETE"], "the list, and no sound"


@pytest.mark.parametrize("call", ["CA12", f"{CALL}/../../Accounts", CALL.upper(), ""])
def test_only_an_id_of_a_call_leads_into_twilios_api(spoken_report: SpokenReport, call: str) -> None:
    expected = spoken_report.expected(call)
    spoken_report.pass_time(31 * MINUTE)
    spoken_report.run()
    assert spoken_report.provider.asked == []
    assert spoken_report.state(expected) == ("left", "foreign_address")


def test_without_a_key_of_the_hotline_nothing_is_deleted_at_the_provider(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID)
    spoken = spoken_report.spoken()
    public = spoken_report.store.keys / "public"
    public.rename(spoken_report.store.keys / "away")
    spoken_report.run()
    assert spoken_report.state(spoken) == ("due", "no_key")
    (spoken_report.store.keys / "away").rename(public)
    spoken_report.pass_time(MINUTE)
    spoken_report.run(2)
    assert spoken_report.heard(spoken, ONE) == MP3


def test_a_channel_that_was_switched_off_keeps_its_recordings_waiting(spoken_report: SpokenReport) -> None:
    spoken = spoken_report.spoken()
    spoken_report.job = spoken_report.made({})
    spoken_report.run()
    assert spoken_report.state(spoken) == ("due", "no_channel")


def test_two_schedulers_at_once_store_it_once(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID)
    spoken = spoken_report.spoken()
    [due] = recordings.list_due(spoken_report.store.database)
    spoken_report.job._step(due)
    spoken_report.job._step(due)  # as a second scheduler that read the row before
    assert len(spoken_report.told()) == 1
    spoken_report.run()
    assert spoken_report.state(spoken) == ("done", "gone")


def test_in_live_mode_only_https_leads_anywhere() -> None:
    with pytest.raises(RecordingUnavailable) as caught:
        twilio("http://127.0.0.1:1", Mode.LIVE).fetch(SID)
    assert (caught.value.reason, caught.value.is_final) == ("foreign_address", True)


def test_a_name_that_leads_into_a_private_network_is_not_asked() -> None:
    environ = {"TWILIO_AUTH_TOKEN": "t" * 32, "TWILIO_ACCOUNT_SID": ACCOUNT.sid}
    settings = load_settings(twilio_voice.Settings, environ | {"TWILIO_URL": "https://api.example"})
    inside = HttpClient(resolve=lambda *_: ["10.0.0.1"])
    with pytest.raises(RecordingUnavailable) as caught:
        twilio_voice.Recorder(settings, Mode.LIVE, inside).fetch(SID)
    assert caught.value.reason == "private_address"


def test_a_hotlines_system_gets_the_sound_with_the_message(spoken_report: SpokenReport) -> None:
    spoken_report.provider.twilio(SID)
    spoken = spoken_report.spoken()
    spoken_report.run(2)
    [(message_id, report_id)] = correspondence.list_undelivered_messages(spoken_report.store.database)
    [(delivery, _)] = correspondence.deliver_message(spoken_report.store.database, message_id, report_id)
    with FakeHttpServer() as hotline:
        assert delivery_runner(spoken_report.store, hotline).deliver(delivery)
        [taken] = hotline.requests
    about = taken.data["data"]["recording"]
    assert base64.b64decode(about["base64"]) == MP3
    assert about["sha256"] == hashlib.sha256(MP3).hexdigest()
    assert MESSAGE.is_valid(taken.data["data"])
    assert taken.data["data"]["message_id"] == spoken


@pytest.mark.parametrize("kind", ["email", "no copy"])
def test_where_the_sound_cannot_go_the_message_says_that_somebody_spoke(spoken_report: SpokenReport, kind: str) -> None:
    """A mail has no sound; and if the recording is gone, the message must still say that the reporter spoke."""
    spoken_report.provider.twilio(SID)
    spoken_report.spoken()
    spoken_report.run(2)
    if kind == "no copy":
        with spoken_report.store.database.write() as connection:
            connection.execute(t.recording_copy.delete())
    [(message_id, report_id)] = correspondence.list_undelivered_messages(spoken_report.store.database)
    [(delivery, _)] = correspondence.deliver_message(spoken_report.store.database, message_id, report_id)
    with FakeHttpServer() as hotline:
        connector = webhook(hotline, SECRET)
        if kind == "email":
            connector.takes_sound = False
        assert delivery_runner(spoken_report.store, hotline, **{ONE: connector}).deliver(delivery)
        [taken] = hotline.requests
    assert taken.data["data"]["kind"] == "recording"
    assert "base64" not in taken.data["data"]["recording"]


def test_a_step_that_raises_stops_no_other_recording_and_somebody_is_told(
    spoken_report: SpokenReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken_report.provider.twilio(SID)
    broken, good = spoken_report.spoken(), spoken_report.spoken()
    real = RecordingJob._step

    def fails(job: RecordingJob, due: recordings.DueRecording) -> None:
        if due.recording_id == broken:
            raise ValueError("a row that this program cannot read")
        real(job, due)

    monkeypatch.setattr(RecordingJob, "_step", fails)
    spoken_report.run(2)
    assert spoken_report.state(good) == ("done", "gone")
    assert spoken_report.state(broken) == ("due", "our_fault") and spoken_report.alerts.reasons == []
    spoken_report.pass_time(2 * HOUR)
    spoken_report.run()
    assert spoken_report.alerts.reasons == ["recording_missing"]


def test_a_recording_that_the_database_always_refuses_stops_no_other(
    spoken_report: SpokenReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken_report.provider.twilio(SID)
    refused, good = spoken_report.spoken(), spoken_report.spoken()
    real = recordings.store

    def store(database: Any, due: recordings.DueRecording, *arguments: Any) -> bool:
        if due.recording_id == refused:
            raise DatabaseUnavailable("the statement took too long")
        return real(database, due, *arguments)

    monkeypatch.setattr(recordings, "store", store)
    spoken_report.run(2)
    assert spoken_report.state(good) == ("done", "gone")
    assert spoken_report.state(refused) == ("due", "our_fault")


def test_a_database_that_is_away_ends_the_round(spoken_report: SpokenReport, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken_report.provider.twilio(SID)
    spoken_report.spoken()

    def away(*_: object) -> None:
        raise DatabaseUnavailable("OperationalError")

    monkeypatch.setattr(recordings, "store", away)
    monkeypatch.setattr(recordings, "postpone", away)
    with pytest.raises(DatabaseUnavailable):
        spoken_report.run()
    assert spoken_report.alerts.reasons == []


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "many", "-1"])
def test_a_length_that_is_no_number_is_not_compared(length: str) -> None:
    class Client:
        def call(self, *_: object, **__: object) -> ClientResponse:
            headers = Message()
            headers["Content-Type"], headers["Content-Length"] = "audio/mpeg", length
            return ClientResponse(200, headers, MP3)

    client: Any = Client()
    assert SoundClient("https://voice.example", {}, live=False, client=client).fetch("/a.mp3") == MP3
