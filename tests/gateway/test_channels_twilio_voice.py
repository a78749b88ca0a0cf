"""Twilio's voice requests as it sends them, and the TwiML responses."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from gateway.channels.twilio_voice import Channel, Settings
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
from runtime.settings import SettingError, load_settings
from tests.support.voice_calls import TWIML, Verb, parse

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://tokaut.example"
SID = "CA" + "1" * 32
TURN = "0123abcd"
# The fields from Twilio's page on voice requests; the numbers are fictional.
CALL = {
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
    "CallSid": SID,
    "CallStatus": "ringing",
    "Called": "+6785550100",
    "CalledCountry": "VU",
    "Caller": "+6785550101",
    "Direction": "inbound",
    "From": "+6785550101",
    "FromCity": "",
    "StirVerstat": "TN-Validation-Passed-A",
    "To": "+6785550100",
}
KEYS = CALL | {"CallStatus": "in-progress", "msg": "Gather End", "FinishedOnKey": ""}


@pytest.fixture(autouse=True)
def fixed_turn_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.messaging.speech.new_turn_id", lambda: TURN)


def channel(prompts: str = "", public: str = PUBLIC) -> Channel:
    environ = {"TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_ACCOUNT_SID": ACCOUNT, "PUBLIC_URL": public}
    return Channel(load_settings(Settings, environ | ({"TOKAUT_PROMPTS": prompts} if prompts else {})))


def ask(address: str, fields: dict[str, str], one: Channel | None = None) -> Inbound | ProviderEvent | HttpResponse:
    """Send a signed request to `/hooks/twilio_voice/<address>`."""
    one = one or channel()
    target = f"/hooks/twilio_voice/{address}"
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC + target, fields)
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    wire = RawRequest("POST", target, headers, urlencode(fields).encode())
    name = address.partition("?")[0]
    read = parsing.read(one.endpoints[name], wire)
    assert one.may_be_genuine(wire.headers)
    assert one.verify_signature(wire, read)
    return one.receive(name, read)


def forged(address: str, fields: dict[str, str], signed: dict[str, str], signed_address: str = "") -> bool:
    target = f"/hooks/twilio_voice/{address}"
    signature = RequestValidator(TOKEN).compute_signature(
        f"{PUBLIC}/hooks/twilio_voice/{signed_address or address}", signed
    )
    wire = RawRequest("POST", target, {"x-twilio-signature": signature}, urlencode(fields).encode())
    one = channel()
    return not one.verify_signature(wire, parsing.read(one.endpoints[address.partition("?")[0]], wire))


def inbound(text: str, event: str = "resume", **more: object) -> Inbound:
    return Inbound("voice", "twilio_voice", "+6785550101", "+6785550100", text, SID, event=event, **more)  # type: ignore[arg-type]


def test_a_call_begins() -> None:
    assert ask("call", CALL) == inbound("", "new")


@pytest.mark.parametrize(
    ("address", "digits", "text"),
    [
        ("keys", "1", "1"),
        ("keys?first=0", "0", "00"),
        ("keys?first=9", "8", "98"),
        ("keys?first=9", None, "9"),
        ("keys?first=0", None, "0"),
        ("keys?first=0", "1", "01"),
        ("keys?typed=1", "48219303", "48219303"),
        ("keys?typed=1", "0", "0"),
        ("keys?silent=1", None, "00"),
        ("keys", None, ""),
    ],
)
def test_keys(address: str, digits: str | None, text: str) -> None:
    assert ask(address, KEYS | ({} if digits is None else {"Digits": digits})) == inbound(text)


def test_a_request_names_the_answer_that_it_follows() -> None:
    digits = {"Digits": "1"}
    assert ask(f"keys?turn={TURN}", KEYS | digits) == inbound("1", id=TURN)
    assert ask(f"keys?turn={TURN}&typed=1", KEYS | digits) == inbound("1", id=TURN)
    answer = ask(f"keys?turn={TURN}", KEYS | {"Digits": "0"})
    assert isinstance(answer, HttpResponse)
    assert answer.body.count(f"turn={TURN}&amp;first=0".encode()) == 2


def test_the_star_asks_for_the_screen_again() -> None:
    assert ask("keys", KEYS | {"Digits": "*"}) == inbound("*", repeats=True)


@pytest.mark.parametrize("first", ["0", "9"])
def test_a_second_key_is_waited_for(first: str) -> None:
    answer = ask("keys", KEYS | {"Digits": first})
    assert isinstance(answer, HttpResponse)
    gather, redirect = parse(answer.body.decode(), TWIML)
    address = f"{PUBLIC}/hooks/twilio_voice/keys?first={first}"
    assert (gather.attributes["action"], gather.children, redirect.text) == (address, [], address)


@pytest.mark.parametrize(
    "query", ["?first=1", "?first=00", "?silent=2", "?typed=1&first=0", "?x=1", "?first=", "?turn=1"]
)
def test_an_address_that_no_answer_names(query: str) -> None:
    with pytest.raises(UnreadableRequest):
        ask(f"keys{query}", KEYS | {"Digits": "1"})


@pytest.mark.parametrize("status", ["completed", "busy", "no-answer", "failed", "canceled"])
def test_a_call_ends(status: str) -> None:
    assert ask("status", CALL | {"CallStatus": status, "CallDuration": "42"}) == ProviderEvent(
        "ended", "twilio_voice", kind="voice", sender="+6785550101", code="+6785550100", session=SID
    )


@pytest.mark.parametrize("status", ["ringing", "in-progress", "queued", "a-new-one"])
def test_a_call_that_goes_on(status: str) -> None:
    answer = ask("status", CALL | {"CallStatus": status})
    assert isinstance(answer, HttpResponse)
    assert answer.status == 204


@pytest.mark.parametrize("number", ["anonymous", "Anonymous", "", "+266696687", "+7378742833", "+86282452253"])
def test_withheld_numbers_are_no_sender(number: str) -> None:
    """Otherwise all callers who withhold their number would count as one person."""
    received = ask("call", CALL | {"From": number})
    assert isinstance(received, Inbound)
    assert received.sender == ""


@pytest.mark.parametrize(
    ("address", "changed", "signed_address"),
    [
        ("keys", {"Digits": "2"}, ""),
        ("keys?first=0", {}, "keys"),
        ("call", {"From": "+6785550102"}, ""),
        ("call", {"AccountSid": "AC" + "f" * 32}, ""),
    ],
)
def test_a_forged_request(address: str, changed: dict[str, str], signed_address: str) -> None:
    assert forged(address, KEYS | {"Digits": "1"} | changed, KEYS | {"Digits": "1"}, signed_address)


@pytest.mark.parametrize(
    "fields",
    [
        {name: value for name, value in CALL.items() if name != "CallSid"},
        CALL | {"CallSid": "CA1"},
        CALL | {"Digits": "1&2"},
        CALL | {"From": "anonymousFromCity"},
        CALL | {"other": "x"},
    ],
)
def test_a_signed_request_of_another_form(fields: dict[str, str]) -> None:
    assert forged("call", fields, fields)


def answer(text: str, *, expects_reply: bool = True, language: str = "en", is_typed: bool = False) -> list[Verb]:
    reply = Reply(text, expects_reply, language=language, is_typed=is_typed)
    return parse(channel().answer("keys", reply).body.decode(), TWIML)


def test_a_screen_is_spoken_three_times_and_then_the_caller_leaves() -> None:
    *gathers, redirect = answer("In danger? Call police 111.\n1 Report\n98 More\n00 Leave")
    assert len(gathers) == 3
    for gather in gathers:
        assert gather.attributes == {
            "action": f"{PUBLIC}/hooks/twilio_voice/keys?turn={TURN}",
            "timeout": "7",
            "numDigits": "1",
            "method": "POST",
            "finishOnKey": "#",
        }
        [say] = gather.children
        assert say.text == "In danger? Call police 1, 1, 1.\n1. Report.\n9, 8. More.\n0, 0. Leave."
        assert say.attributes == {"language": "en-AU"}
    assert redirect.text == f"{PUBLIC}/hooks/twilio_voice/keys?turn={TURN}&silent=1"


def test_a_code_takes_all_its_digits() -> None:
    gather = answer("Type your 8-digit code.\n0 Back", is_typed=True)[0]
    assert gather.attributes["action"] == f"{PUBLIC}/hooks/twilio_voice/keys?turn={TURN}&typed=1"
    assert "numDigits" not in gather.attributes


def test_a_last_screen_with_a_number_is_spoken_twice() -> None:
    verbs = answer("NOT SENT. In danger? Call police 111.", expects_reply=False)
    assert [verb.name for verb in verbs] == ["Say", "Say", "Hangup"]
    assert verbs[0] == verbs[1]


def test_the_last_screen_hangs_up() -> None:
    assert [verb.name for verb in answer("Thank you. Goodbye.", expects_reply=False)] == ["Say", "Hangup"]
    assert [verb.name for verb in answer("", expects_reply=False)] == ["Hangup"]


def test_nothing_of_a_text_is_xml() -> None:
    say = answer('<Say>&amp;</Say> "\x00\x0b\ud800' + "'", language="fr", expects_reply=False)[0]
    assert say.text.startswith("<Say>&amp;</Say> ")
    assert say.attributes == {"language": "fr-FR"}


def test_recordings_are_played(tmp_path: Path) -> None:
    (tmp_path / "bi").mkdir()
    for text in ("Long denja? Kolem", "polis", *"0123456789"):
        (tmp_path / "bi" / f"{fragment_id(text)}.mp3").touch()
    one = channel(str(tmp_path))
    reply = Reply("Long denja? Kolem polis 111.", expects_reply=False, language="bi")
    verbs = parse(one.answer("call", reply).body.decode(), TWIML)
    played = [f"{PUBLIC}/prompts/bi/{fragment_id(text)}.mp3" for text in ("Long denja? Kolem", "polis", "1", "1", "1")]
    assert [verb.text for verb in verbs[:-1]] == played * 2
    assert one.can_say("bi", ["Long denja? Kolem\npolis 163"])
    assert not one.can_say("bi", ["Ripot"])
    assert one.can_say("fr", ["Ripot"])


def test_a_wrong_folder_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="TOKAUT_PROMPTS"):
        channel(str(tmp_path / "none"))


RECORDING = "4b0c7a51-7e0e-8a3c-9d10-0123456789ab"
SOURCE = "RE" + "2" * 32
RECORDED = {
    "AccountSid": ACCOUNT,
    "CallSid": SID,
    "RecordingSid": SOURCE,
    "RecordingStatus": "completed",
    "RecordingDuration": "7",
    "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{SOURCE}",
}
WORDS = RecordedWords(RECORDING, SOURCE)


def test_a_screen_that_records_speaks_its_words_and_no_keys() -> None:
    reply = Reply("Speak now.\n1 Go on\n0 Back", True, language="en", recording=RECORDING, max_seconds=90)
    say, record, redirect = parse(channel().answer("keys", reply).body.decode(), TWIML)
    assert (say.text, redirect.text) == (
        "Speak now.",
        f"{PUBLIC}/hooks/twilio_voice/keys?turn={TURN}&recorded={RECORDING}",
    )
    assert record.attributes == {
        "action": f"{PUBLIC}/hooks/twilio_voice/keys?turn={TURN}&recorded={RECORDING}",
        "method": "POST",
        "maxLength": "90",
        "timeout": "8",
        "finishOnKey": "1234567890*#",
        "playBeep": "true",
        "trim": "do-not-trim",
        "recordingStatusCallback": f"{PUBLIC}/hooks/twilio_voice/recording?id={RECORDING}#rc=5&rp=all",
        "recordingStatusCallbackMethod": "POST",
        "recordingStatusCallbackEvent": "completed absent",
    }


@pytest.mark.parametrize(
    ("more", "received"),
    [
        ({"Digits": "#"}, inbound("1", recorded=WORDS)),
        ({"Digits": ""}, inbound("1", recorded=WORDS)),
        ({"Digits": "7"}, inbound("1", recorded=WORDS)),
        ({"Digits": "hangup"}, ProviderEvent("recorded", "twilio_voice", recorded=WORDS)),
        ({"RecordingUrl": ""}, inbound("1", recorded=RecordedWords(RECORDING, ""))),
        # Only the id in the address is used, and only if it belongs to this account.
        ({"RecordingUrl": f"https://evil.example/{SOURCE}"}, inbound("1", recorded=RecordedWords(RECORDING, ""))),
        (
            {"RecordingUrl": RECORDED["RecordingUrl"].replace(ACCOUNT, "AC" + "9" * 32)},
            inbound("1", recorded=RecordedWords(RECORDING, "")),
        ),
    ],
)
def test_the_request_after_a_recording(more: dict[str, str], received: object) -> None:
    fields = KEYS | {"RecordingUrl": RECORDED["RecordingUrl"], "RecordingDuration": "7", **more}
    assert ask(f"keys?recorded={RECORDING}", fields) == received


def test_zero_after_a_recording_waits_for_a_second_key() -> None:
    answer = ask(f"keys?recorded={RECORDING}", KEYS | {"Digits": "0"})
    assert isinstance(answer, HttpResponse) and b"first=0" in answer.body


@pytest.mark.parametrize(
    ("more", "received"),
    [
        ({}, WORDS),
        ({"RecordingStatus": "absent"}, RecordedWords(RECORDING, "")),
        ({"RecordingStatus": "in-progress"}, None),
        ({"RecordingStatus": "failed"}, None),
    ],
)
def test_what_twilio_says_about_the_file(more: dict[str, str], received: RecordedWords | None) -> None:
    event = ask(f"recording?id={RECORDING}", RECORDED | more)
    assert event == (ProviderEvent("recorded", "twilio_voice", recorded=received) if received else nothing_to_say())


def nothing_to_say() -> HttpResponse:
    return channel().answer("recording", None)


@pytest.mark.parametrize("address", ["recording", "recording?id=1", "recording?id=" + "g" * 36])
def test_a_recording_without_an_id_of_ours_is_dropped(address: str) -> None:
    assert ask(address, RECORDED) == nothing_to_say()


def test_another_recording_than_the_signed_one_is_forged() -> None:
    other = RECORDED | {"RecordingSid": "RE" + "3" * 32}
    assert forged(f"recording?id={RECORDING}", other, RECORDED)
    assert forged(f"recording?id={RECORDING}", RECORDED, RECORDED, f"recording?id={RECORDING[:-1]}c")
    assert not forged(f"recording?id={RECORDING}", RECORDED, RECORDED)
    missing = {name: value for name, value in RECORDED.items() if name != "RecordingSid"}
    assert forged(f"recording?id={RECORDING}", missing, missing)


def test_an_id_that_no_answer_of_ours_holds_cannot_be_read() -> None:
    with pytest.raises(UnreadableRequest):
        ask("keys?recorded=1", KEYS | {"Digits": "#"})
