"""Africa's Talking's voice requests as it sends them, and the XML responses."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest

from gateway.channels.africastalking_voice import Channel, Settings
from gateway.messaging import parsing
from gateway.messaging.model import (
    HttpResponse,
    Inbound,
    ProviderEvent,
    RawRequest,
    RecordedWords,
    Reply,
    UnreadableRequest,
)
from gateway.messaging.speech import fragment_id
from runtime.settings import load_settings
from tests.support.voice_calls import AFRICASTALKING, Verb, parse

TOKEN, OLD = "a-token-of-thirty-two-characters", "an-older-token-of-32-characters-"
PUBLIC = "https://tokaut.example"
TURN = "0123abcd"
KEYS = f"{PUBLIC}/hooks/africastalking_voice/{TOKEN}/keys"
CALL = {
    "isActive": "1",
    "sessionId": "ATVId_1",
    "direction": "Inbound",
    "callerNumber": "+254711000101",
    "destinationNumber": "+254711000100",
}


@pytest.fixture(autouse=True)
def fixed_turn_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.messaging.speech.new_turn_id", lambda: TURN)


def channel(prompts: str = "") -> Channel:
    environ = {"AFRICASTALKING_TOKEN": f"{TOKEN},{OLD}", "PUBLIC_URL": PUBLIC}
    return Channel(load_settings(Settings, environ | ({"TOKAUT_PROMPTS": prompts} if prompts else {})))


def ask(address: str, fields: dict[str, str]) -> Inbound | ProviderEvent | HttpResponse:
    one, name = channel(), address.partition("?")[0]
    wire = RawRequest("POST", f"/hooks/africastalking_voice/{TOKEN}/{address}", {}, urlencode(fields).encode())
    return one.receive(name, parsing.read(one.endpoints[name], wire))


def inbound(text: str, event: str = "resume", **more: object) -> Inbound:
    who = "africastalking_voice", "+254711000101", "+254711000100"
    return Inbound("voice", *who, text, "ATVId_1", event=event, **more)  # type: ignore[arg-type]


def test_a_call_begins() -> None:
    assert ask("call", CALL) == inbound("", "new")


@pytest.mark.parametrize(
    ("address", "digits", "text"),
    [
        ("keys", "1", "1"),
        ("keys?first=0", "0", "00"),
        ("keys?first=9", "8", "98"),
        ("keys?first=9", None, "9"),
        ("keys?typed=1", "48219303", "48219303"),
        ("keys?silent=1", None, "00"),
    ],
)
def test_keys(address: str, digits: str | None, text: str) -> None:
    assert ask(address, CALL | ({} if digits is None else {"dtmfDigits": digits})) == inbound(text)


def test_a_request_names_the_answer_that_it_follows() -> None:
    digits = {"dtmfDigits": "1"}
    assert ask(f"keys?turn={TURN}", CALL | digits) == inbound("1", id=TURN)
    assert ask(f"keys?turn={TURN}&typed=1", CALL | digits) == inbound("1", id=TURN)
    answer = ask(f"keys?turn={TURN}", CALL | {"dtmfDigits": "0"})
    assert isinstance(answer, HttpResponse)
    assert answer.body.count(f"turn={TURN}&amp;first=0".encode()) == 2


def test_the_star_asks_for_the_screen_again() -> None:
    assert ask("keys", CALL | {"dtmfDigits": "*"}) == inbound("*", repeats=True)


@pytest.mark.parametrize("endpoint", ["call", "keys", "keys?first=0"])
def test_a_call_ends_at_any_address(endpoint: str) -> None:
    ended = {"isActive": "0", "durationInSeconds": "42", "currencyCode": "KES", "amount": "1.2", "dtmfDigits": "4"}
    assert ask(endpoint, CALL | ended) == ProviderEvent(
        "ended",
        "africastalking_voice",
        kind="voice",
        sender="+254711000101",
        code="+254711000100",
        session="ATVId_1",
    )
    assert channel().answer("call", None).body.endswith(b"<Response></Response>")


@pytest.mark.parametrize(
    ("address", "changed"),
    [
        ("call", {"isActive": "2"}),
        ("call", {"isActive": ""}),
        ("call", {"sessionId": ""}),
        ("keys?first=3", {}),
        ("keys?turn=1", {}),
    ],
)
def test_what_cannot_be_read(address: str, changed: dict[str, str]) -> None:
    with pytest.raises(UnreadableRequest):
        ask(address, CALL | changed)


@pytest.mark.parametrize("first", ["0", "9"])
def test_a_second_key_is_waited_for(first: str) -> None:
    answer = ask("keys", CALL | {"dtmfDigits": first})
    assert isinstance(answer, HttpResponse)
    digits, redirect = parse(answer.body.decode(), AFRICASTALKING)
    address = f"{KEYS}?first={first}"
    assert (digits.attributes["callbackUrl"], digits.children, redirect.text) == (address, [], address)


def answer(
    one: Channel, text: str, *, expects_reply: bool = True, language: str = "en", typed: bool = False
) -> list[Verb]:
    reply = Reply(text, expects_reply, language=language, is_typed=typed)
    return parse(one.answer("keys", reply).body.decode(), AFRICASTALKING)


def test_a_screen_is_spoken_three_times_and_then_the_caller_leaves() -> None:
    *digits, redirect = answer(channel(), "In danger? Call police 999.\n1 Report\n00 Leave")
    assert len(digits) == 3
    for one in digits:
        assert one.attributes == {
            "callbackUrl": f"{KEYS}?turn={TURN}",
            "timeout": "7",
            "numDigits": "1",
            "finishOnKey": "#",
        }
        [say] = one.children
        assert say.text == "In danger? Call police 9, 9, 9.\n1. Report.\n0, 0. Leave."
    assert redirect.text == f"{KEYS}?turn={TURN}&silent=1"


def test_a_code_takes_all_its_digits() -> None:
    digits = answer(channel(), "Type your 8-digit code.", typed=True)[0]
    assert digits.attributes["callbackUrl"] == f"{KEYS}?turn={TURN}&typed=1"
    assert "numDigits" not in digits.attributes


def test_a_last_screen_with_a_number_is_spoken_twice() -> None:
    verbs = answer(channel(), "NOT SENT. In danger? Call police 111.", expects_reply=False)
    assert [verb.name for verb in verbs] == ["Say", "Say"]
    assert verbs[0] == verbs[1]


def test_the_last_screen_is_the_last_action() -> None:
    assert [verb.name for verb in answer(channel(), "Thank you. Goodbye.", expects_reply=False)] == ["Say"]


def test_only_the_last_of_several_recordings_is_nested(tmp_path: Path) -> None:
    (tmp_path / "sw").mkdir()
    for text in ("Piga simu", "polisi", *"0123456789"):
        (tmp_path / "sw" / f"{fragment_id(text)}.wav").touch()
    one = channel(str(tmp_path))
    verbs = answer(one, "Piga simu polisi 999", language="sw")
    assert [verb.name for verb in verbs[:6]] == ["Play", "Play", "Play", "Play", "GetDigits", "Play"]
    assert verbs[0].attributes == {"url": f"{PUBLIC}/prompts/sw/{fragment_id('Piga simu')}.wav"}
    assert [child.name for child in verbs[4].children] == ["Play"]
    assert one.can_say("sw", ["Piga simu"]) and not one.can_say("sw", ["Ripoti"]) and not one.can_say("fr", ["Oui"])


def test_two_tokens_while_one_is_replaced() -> None:
    one = channel()
    assert one.accepts(TOKEN) and one.accepts(OLD) and not one.accepts("x")


RECORDING = "4b0c7a51-7e0e-8a3c-9d10-0123456789ab"
SOURCE = "https://voice.example/recordings/1.mp3"


def test_a_screen_that_records_speaks_its_words_and_no_keys() -> None:
    reply = Reply("Speak now.\n1 Go on\n0 Back", True, language="en", recording=RECORDING, max_seconds=90)
    say, record = parse(channel().answer("keys", reply).body.decode(), AFRICASTALKING)
    assert say.text == "Speak now."
    assert record.attributes == {
        "callbackUrl": f"{KEYS}?turn={TURN}&recorded={RECORDING}",
        "maxLength": "90",
        "finishOnKey": "#",
        "timeout": "8",
        "trimSilence": "false",
        "playBeep": "true",
    }


@pytest.mark.parametrize("source", [SOURCE, ""])
def test_the_request_after_a_recording(source: str) -> None:
    words = RecordedWords(RECORDING, source)
    assert ask(f"keys?recorded={RECORDING}", CALL | {"recordingUrl": source}) == inbound("1", recorded=words)


@pytest.mark.parametrize(("address", "expected"), [("call", ""), (f"keys?recorded={RECORDING}", RECORDING)])
def test_a_call_that_ends_while_somebody_speaks(address: str, expected: str) -> None:
    event = ask(address, CALL | {"isActive": "0", "recordingUrl": SOURCE})
    assert isinstance(event, ProviderEvent)
    assert (event.what, event.recorded) == ("ended", RecordedWords(expected, SOURCE))


def test_it_records_only_where_the_operator_has_set_where_recordings_are() -> None:
    assert not channel().can_record
    environ = {"AFRICASTALKING_TOKEN": TOKEN, "PUBLIC_URL": PUBLIC}
    with_address = environ | {"AFRICASTALKING_RECORDINGS_URL": "https://voice.example"}
    assert Channel(load_settings(Settings, with_address)).can_record
