"""Words that are spoken in a call: after Send, only if the country allows it, and for the report's hotlines only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.sessions.store import SENT_SECONDS
from reports.crypto import SealContext, SealedBody, open_body
from reports.crypto.key_files import SENDER_KEY, read_private_key
from reports.store.engine.database import DatabaseUnavailable
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import TO_SENT, dial_path
from tests.support.app import App
from tests.support.voice_calls import Call

pytestmark = pytest.mark.slow

CHANNELS = ("twilio_voice", "africastalking_voice")
SHIPPED = Path("reports/countries/vu.toml")
AT = "https://voice.example"
SOURCES = {"twilio_voice": "RE" + "5f" * 16, "africastalking_voice": f"{AT}/recordings/5f5f.mp3"}
TO_SPEAK = (*TO_SENT, "Add more", "Add your words")
NOT_RECORDED = "Your voice cannot be recorded now"
SPEAK = "Staff will hear your voice. No names needed. Speak after the tone."


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> Iterator[App]:
    text = SHIPPED.read_text(encoding="utf-8")
    country = text.replace("[[code]]", "[voice]\nrecordings = true\nrecording_seconds = 90\n\n[[code]]", 1)
    (tmp_path / "vu.toml").write_text(country, encoding="utf-8")
    app = App(redis_url, {"TOKAUT_COUNTRY_DIR": str(tmp_path), "AFRICASTALKING_RECORDINGS_URL": AT})
    yield app
    app.close()


def call(app: App, channel: str, phone: str = "+6785550101") -> Call:
    made = app.ussd(phone, channel)
    assert isinstance(made, Call)
    return made


def code_and_pin_spoken(screen: str) -> tuple[str, str]:
    """Return the keys for code and PIN from a spoken screen."""
    [code], [pin] = re.findall(r"Code (\d{4} \d{4})", screen), re.findall(r"PIN (\d{4})", screen)
    return f"{code.replace(' ', '')}#", f"{pin}#"


def states(app: App) -> list[str]:
    return sorted(row.state for row in app.rows(t.recording))


def place(app: App, name: str = "source") -> str:
    """Return the address of the only recording at the provider, or another field that the scheduler reads."""
    [row] = [row for row in app.rows(t.recording) if row.sealed is not None]
    key = read_private_key(app.keys, SENDER_KEY, row.key_id)
    context = SealContext("demo", row.recording_id, 1, SENDER_KEY)  # type: ignore[arg-type]
    return str(json.loads(open_body(key, context, SealedBody(row.key_id, row.wrap, b"", row.sealed)))[name])


@pytest.mark.parametrize("channel", CHANNELS)
def test_words_are_spoken_after_send(app: App, channel: str) -> None:
    phone = call(app, channel)
    screens = dial_path(phone, *TO_SPEAK)
    assert screens[-1].startswith(SPEAK)
    assert app.count(t.recording) == 0
    assert phone.press("1").text == "Speak now. To end, press hash."
    assert phone.records
    assert phone.verbs[0].attributes["maxLength"] == "90"
    assert states(app) == ["expected"]
    thanks = phone.speak(SOURCES[channel])
    assert thanks.text.startswith("Thank you. This goes to staff.")
    assert states(app) == ["done", "due"]
    assert place(app) == SOURCES[channel]
    assert {row.report_id for row in app.rows(t.recording)} == {row.report_id for row in app.rows(t.report)}
    phone.drop_call()
    assert states(app) == ["done", "due"]


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_scheduler_can_ask_for_it_by_the_call_until_the_provider_has_named_it(app: App, channel: str) -> None:
    phone = call(app, channel)
    dial_path(phone, *TO_SPEAK, "1")
    assert place(app, "call") == phone.session
    phone.speak(SOURCES[channel])
    assert place(app) == SOURCES[channel], "of the wait nothing is left"


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_call_is_remembered_while_somebody_speaks_for_as_long_as_the_country_allows(
    app: App, channel: str, redis_url: str
) -> None:
    """Otherwise a reporter who spoke for three minutes would hear the first screen, or the recording would be lost."""
    dial_path(call(app, channel), *TO_SPEAK, "1")
    with redis.Redis.from_url(redis_url) as client:
        [key] = client.keys("s:*")
        assert SENT_SECONDS < client.ttl(key) <= SENT_SECONDS + 90


@pytest.mark.parametrize("channel", CHANNELS)
def test_words_are_spoken_under_my_report(app: App, channel: str) -> None:
    """A reporter who cannot write can answer staff. The recording belongs to the report that code and PIN opened."""
    pair = code_and_pin_spoken(dial_path(call(app, channel), *TO_SENT)[-1])
    [report] = app.rows(t.report)
    phone: Any = call(app, channel)
    screens = dial_path(phone, "My report", *pair, "Speak")
    assert "2 Speak" in screens[-2] and screens[-1].startswith(SPEAK)
    assert phone.press("1").text == "Speak now. To end, press hash." and phone.records
    thanks = phone.speak(SOURCES[channel])
    assert thanks.text.startswith("Thank you. This goes to staff. In danger? Call police 111.")
    assert phone.type("Say more").text.startswith(SPEAK)
    assert {row.report_id for row in app.rows(t.recording)} == {report.report_id}
    assert states(app) == ["done", "due"]
    phone.press("0")
    assert "2 Speak" in phone.press("0").text
    assert place(app) == SOURCES[channel]


@pytest.mark.rule("S-35")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_call_that_drops_under_my_report_loses_no_word(app: App, channel: str) -> None:
    pair = code_and_pin_spoken(dial_path(call(app, channel), *TO_SENT)[-1])
    phone: Any = call(app, channel)
    dial_path(phone, "My report", *pair, "Speak", "1")
    phone.hang_up_while_speaking(SOURCES[channel])
    assert states(app) == ["done", "due"]
    assert {row.report_id for row in app.rows(t.recording)} == {row.report_id for row in app.rows(t.report)}


@pytest.mark.rule("S-35")
def test_nothing_is_recorded_of_who_has_no_code_and_pin(app: App) -> None:
    phone = call(app, "twilio_voice")
    for screen in dial_path(phone, "My report", "48219303#", "7350#"):
        assert "Speak" not in screen and not phone.records
    assert app.count(t.recording) == 0


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_second_recording_is_one_more(app: App, channel: str) -> None:
    phone = call(app, channel)
    dial_path(phone, *TO_SPEAK, "1")
    phone.speak(SOURCES[channel])
    phone.type("Say more")
    phone.press("1")
    phone.speak(SOURCES[channel].replace("5f5f", "6a6a", 1))
    assert states(app) == ["done", "done", "due", "due"]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_call_that_drops_while_somebody_speaks_loses_no_word(app: App, channel: str) -> None:
    phone: Any = call(app, channel)
    dial_path(phone, *TO_SPEAK, "1")
    phone.hang_up_while_speaking(SOURCES[channel])
    assert states(app) == ["done", "due"]
    assert place(app) == SOURCES[channel]
    assert {row.report_id for row in app.rows(t.recording)} == {row.report_id for row in app.rows(t.report)}


def test_the_last_request_of_a_call_may_come_to_the_address_of_the_number(app: App) -> None:
    """Africa's Talking does not document whether it uses that address or the recording's."""
    phone: Any = call(app, "africastalking_voice")
    dial_path(phone, *TO_SPEAK, "1")
    ended = {"isActive": "0", "recordingUrl": SOURCES["africastalking_voice"]}
    assert phone._send(phone._address("call"), ended).status_code == 200
    assert place(app) == SOURCES["africastalking_voice"]
    assert states(app) == ["done", "due"]


def test_only_the_last_request_of_a_call_may_have_the_recording(app: App) -> None:
    """The request after the recording may come before its file is ready."""
    phone: Any = call(app, "africastalking_voice")
    dial_path(phone, *TO_SPEAK, "1")
    assert phone.speak("").text.startswith(NOT_RECORDED)
    assert phone.press("00").text == "Thank you. Goodbye."
    ended = {"isActive": "0", "recordingUrl": SOURCES["africastalking_voice"]}
    assert phone._send(phone._address("call"), ended).status_code == 200
    assert place(app) == SOURCES["africastalking_voice"]
    assert {row.report_id for row in app.rows(t.recording)} == {row.report_id for row in app.rows(t.report)}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_reporter_who_says_nothing_goes_on(app: App, channel: str) -> None:
    """Nothing is said to go to staff, and the reporter can try again: perhaps they spoke too quietly."""
    phone: Any = call(app, channel)
    dial_path(phone, *TO_SPEAK, "1")
    assert phone.say_nothing().text == f"{NOT_RECORDED}\n1 Try again\n2 Answer questions\n0 Done\n00 Leave"
    assert states(app) == ["done"]
    assert phone.press("1").text.startswith(SPEAK)
    phone.press("1")
    assert phone.speak(SOURCES[channel]).text.startswith("Thank you. This goes to staff.")
    assert states(app) == ["done", "done", "due"]


@pytest.mark.parametrize("channel", CHANNELS)
def test_silence_under_my_report(app: App, channel: str) -> None:
    pair = code_and_pin_spoken(dial_path(call(app, channel), *TO_SENT)[-1])
    phone: Any = call(app, channel)
    dial_path(phone, "My report", *pair, "Speak", "1")
    assert phone.say_nothing().text.startswith(f"{NOT_RECORDED}. In danger? Call police 111.\n1 Try again\n0 Back")
    assert phone.press("0").text.count("\n2 Speak\n") == 1


@pytest.mark.rule("S-08")
def test_two_zeros_leave_at_once_while_it_records(app: App) -> None:
    phone: Any = call(app, "twilio_voice")
    dial_path(phone, *TO_SPEAK, "1")
    phone.speak(SOURCES["twilio_voice"], "0")  # web waits for the second key
    ended = phone.press("0")
    assert (ended.text, ended.expects_reply) == ("Thank you. Goodbye.", False)
    assert states(app) == ["done", "due"], "the screen said that all of it is sent"


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_repeat_of_any_request_changes_nothing(app: App, channel: str) -> None:
    phone = call(app, channel)
    dial_path(phone, *TO_SPEAK, "1")
    assert phone.again().text == "Speak now. To end, press hash." and phone.records
    assert states(app) == ["expected"]
    thanks = phone.speak(SOURCES[channel])
    assert phone.again().text == thanks.text
    assert states(app) == ["done", "due"]


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-06")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_second_person_reaches_nothing_of_it(app: App, channel: str) -> None:
    """A call from the same phone has the same screens as any other, without address or id of the first recording."""
    tours = ((), ("1", "2", "3"), ("My report", "48219303#", "7350#"), ("4",))
    fresh = [dial_path(call(app, channel, "+6785550102"), *tour) for tour in tours]
    for finish in ("speak", "hang_up_while_speaking"):
        phone: Any = call(app, channel, "+6785550103")
        dial_path(phone, *TO_SPEAK, "1")
        getattr(phone, finish)(SOURCES[channel])
        phone.drop_call()
        first = {row.recording_id for row in app.rows(t.recording)}
        for tour, seen in zip(tours, fresh, strict=True):
            second = call(app, channel, "+6785550103")
            assert dial_path(second, *tour) == seen
            answered = repr(second.verbs) + repr(second.heard)
            assert not any(one in answered for one in (*first, SOURCES[channel]))


@pytest.mark.parametrize("channel", CHANNELS)
def test_nothing_is_recorded_before_send(app: App, channel: str) -> None:
    phone = call(app, channel)
    for screen in dial_path(phone, *TO_SENT[:-1]):
        assert "voice" not in screen and not phone.records
    assert app.count(t.recording) == 0


def test_no_country_that_does_not_allow_it_and_no_provider_that_cannot_records(redis_url: str, tmp_path: Path) -> None:
    app = App(redis_url)
    try:
        for channel in CHANNELS:
            assert "Add your words" not in dial_path(call(app, channel), *TO_SPEAK[:-1])[-1]
    finally:
        app.close()
    text = SHIPPED.read_text(encoding="utf-8").replace("[[code]]", "[voice]\nrecordings = true\n\n[[code]]", 1)
    (tmp_path / "vu.toml").write_text(text, encoding="utf-8")
    app = App(redis_url, {"TOKAUT_COUNTRY_DIR": str(tmp_path)})
    try:
        assert "Add your words" in dial_path(call(app, "twilio_voice"), *TO_SPEAK[:-1])[-1]
        assert "Add your words" not in dial_path(call(app, "africastalking_voice"), *TO_SPEAK[:-1])[-1], (
            "no address is set"
        )
        menu = dial_path(app.ussd("+6785550101", "ussd"), *TO_SENT)[-1]
        assert "voice" not in menu
    finally:
        app.close()


def test_a_report_that_is_only_in_the_spool_has_no_recording(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = call(app, "twilio_voice")
    dial_path(phone, *TO_SPEAK)
    monkeypatch.setattr("gateway.conversation.recordings.recordings.expect", lambda *_: False)
    assert phone.press("1").text.startswith("Your voice cannot be recorded now")
    assert not phone.records


def test_a_recording_of_no_call_that_is_known_is_deleted_too(app: App) -> None:
    """Its report was purged, or nobody expected it: web stores its address, and the scheduler deletes it there."""
    phone: Any = call(app, "twilio_voice")
    dial_path(phone, *TO_SPEAK, "1")
    report, _, expected = phone.verbs[0].attributes["recordingStatusCallback"].partition("#")[0].partition("?id=")
    record = dict(phone.verbs[0].attributes)
    record["recordingStatusCallback"] = f"{report}?id=12"
    assert phone.file_ready(record, SOURCES["twilio_voice"]) == 204
    assert states(app) == ["expected"], "no id of ours"
    record["recordingStatusCallback"] = f"{report}?id={expected[:-4]}ffff"
    assert phone.file_ready(record, SOURCES["twilio_voice"]) == 204
    assert states(app) == ["due", "expected"]
    [one] = [row for row in app.rows(t.recording) if row.state == "due"]
    assert one.report_id == one.recording_id


def test_web_answers_that_it_could_not_store_it_so_that_it_is_sent_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone: Any = call(app, "twilio_voice")
    dial_path(phone, *TO_SPEAK, "1")
    record = dict(phone.verbs[0].attributes)

    def unavailable(*_: object) -> None:
        raise DatabaseUnavailable("test")

    with monkeypatch.context() as patched:
        patched.setattr("gateway.conversation.recordings.recordings.arrive", unavailable)
        heard = phone._request(record["action"], "#", phone._recording(SOURCES["twilio_voice"])).text
        assert heard.startswith(NOT_RECORDED), "only what is stored is said to go to staff"
        assert phone.file_ready(record, SOURCES["twilio_voice"]) == 503
    assert phone.file_ready(record, SOURCES["twilio_voice"]) == 204
    assert states(app) == ["done", "due"]
