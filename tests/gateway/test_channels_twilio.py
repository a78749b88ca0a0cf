"""Twilio's requests and the exact responses. Signatures come from its documentation and its SDK."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from gateway.channels.twilio import Channel, Settings
from gateway.messaging import parsing
from gateway.messaging.model import HttpResponse, Inbound, ProviderEvent, RawRequest, Reply, UnreadableRequest
from runtime.settings import SettingError, load_settings

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://tokaut.example"
# The fields from Twilio's page on webhook requests; the numbers are fictional.
MESSAGE = {
    "ToCountry": "VU",
    "ToState": "",
    "SmsMessageSid": "SM11111111111111111111111111111111",
    "NumMedia": "0",
    "ToCity": "",
    "FromZip": "",
    "SmsSid": "SM11111111111111111111111111111111",
    "FromState": "",
    "SmsStatus": "received",
    "FromCity": "",
    "Body": " 1 or two & more\r\n",
    "FromCountry": "VU",
    "To": "+6785550000",
    "ToZip": "",
    "NumSegments": "1",
    "MessageSid": "SM11111111111111111111111111111111",
    "AccountSid": ACCOUNT,
    "From": "+6785550101",
    "ApiVersion": "2010-04-01",
}
REPORT = {
    "SmsSid": "SM22222222222222222222222222222222",
    "SmsStatus": "delivered",
    "MessageStatus": "delivered",
    "To": "+6785550101",
    "MessageSid": "SM22222222222222222222222222222222",
    "AccountSid": ACCOUNT,
    "From": "+6785550000",
    "ApiVersion": "2010-04-01",
    "RawDlrDoneDate": "2611251628",
}


def channel(public: str = PUBLIC, tokens: str = TOKEN) -> Channel:
    environ = {"TWILIO_AUTH_TOKEN": tokens, "TWILIO_ACCOUNT_SID": ACCOUNT, "PUBLIC_URL": public}
    return Channel(load_settings(Settings, environ))


def wire(fields: Any, signature: str | None, target: str = "/hooks/twilio/sms", **headers: str) -> RawRequest:
    given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    if signature is not None:
        given["x-twilio-signature"] = signature
    return RawRequest("POST", target, given, urlencode(fields, doseq=True).encode())


def signed(fields: Mapping[str, Any], url: str = f"{PUBLIC}/hooks/twilio/sms", token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, fields))


def is_ours(over: RawRequest, it: Channel | None = None) -> bool:
    return (it or channel()).verify_signature(over, parsing.read(Channel.endpoints["sms"], over))


def received(changes: Mapping[str, Any], door: str = "sms", target: str = "") -> Inbound | ProviderEvent:
    fields = {**(MESSAGE if door == "sms" else REPORT), **changes}
    fields = {name: value for name, value in fields.items() if value is not None}
    return channel().receive(
        door, parsing.read(Channel.endpoints[door], wire(fields, "", target or f"/hooks/twilio/{door}"))
    )


def test_the_signature_of_the_documentation() -> None:
    """twilio.com/docs/usage/webhooks/webhooks-security: the URL, token and fields of its example."""
    called = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    it = channel("https://mycompany.com", "12345")
    over = wire(called, None, "/myapp.php?foo=1&bar=2")
    fields = parsing.read(Channel.endpoints["sms"], over)
    assert b"RSOYDt4T1cUTdK1PDd93/VVr8B8=" in set(it._signatures(over, fields))


def test_a_message_is_vouched_for_by_its_signature() -> None:
    assert is_ours(wire(MESSAGE, signed(MESSAGE)))


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        pytest.param({**MESSAGE, "NewOne": "x", "Another": ""}, None, id="fields that are new count too"),
        pytest.param({**MESSAGE, "Body": ""}, None, id="no words"),
        pytest.param({**MESSAGE, "Body": "caf\u00e9 \U0001f600 \u2028 \x00 %41+;"}, None, id="odd letters"),
        pytest.param([*MESSAGE.items(), ("Body", MESSAGE["Body"])], MESSAGE, id="a field twice, alike"),
    ],
)
def test_what_is_signed_whole_is_taken(fields: Any, over: Mapping[str, str] | None) -> None:
    assert is_ours(wire(fields, signed(over or fields)))


@pytest.mark.parametrize(
    "change",
    [{"Body": "2"}, {"From": "+6785550102"}, {"NewOne": "x"}, {"FromCity": " "}, {"MessageSid": "SM3"}, {"body": "1"}],
    ids=str,
)
def test_one_field_changed(change: dict[str, str]) -> None:
    assert not is_ours(wire({**MESSAGE, **change}, signed(MESSAGE)))


@pytest.mark.parametrize("name", MESSAGE)
def test_one_field_left_out(name: str) -> None:
    left = {key: value for key, value in MESSAGE.items() if key != name}
    assert not is_ours(wire(left, signed(MESSAGE)))


@pytest.mark.parametrize(
    "signature", [None, "", " ", "x", "\u00e9", "\udc80", signed(MESSAGE).lower(), signed(MESSAGE)[:-1]]
)
def test_no_signature_or_a_wrong_one(signature: str | None) -> None:
    assert not is_ours(wire(MESSAGE, signature))


def test_a_signature_under_another_name_is_none() -> None:
    assert not is_ours(wire(MESSAGE, None, X_Twilio_Signatur=signed(MESSAGE), Signature=signed(MESSAGE)))


@pytest.mark.parametrize(
    ("public", "url"),
    [
        ("https://tokaut.example", "https://tokaut.example/hooks/twilio/sms"),
        ("https://tokaut.example", "https://tokaut.example:443/hooks/twilio/sms"),
        ("https://tokaut.example:443", "https://tokaut.example/hooks/twilio/sms"),
        ("https://tokaut.example:443", "https://tokaut.example:443/hooks/twilio/sms"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/hooks/twilio/sms"),
        ("https://tokaut.example:8443", "https://tokaut.example:8443/hooks/twilio/sms"),
        ("https://tokaut.example/under/", "https://tokaut.example/under/hooks/twilio/sms"),
    ],
)
def test_the_address_is_the_public_one_with_and_without_its_usual_port(public: str, url: str) -> None:
    assert is_ours(wire(MESSAGE, signed(MESSAGE, url), Host="10.0.0.5"), channel(public))


@pytest.mark.parametrize(
    "url",
    [
        "http://tokaut.example/hooks/twilio/sms",
        "https://tokaut.example:80/hooks/twilio/sms",
        "https://tokaut.example:8443/hooks/twilio/sms",
        "https://other.example/hooks/twilio/sms",
        "https://tokaut.example/hooks/twilio/status",
        "https://tokaut.example/hooks/twilio/sms?",
        "https://tokaut.example/hooks/twilio/sms#rc=3",
    ],
)
def test_signed_for_another_address(url: str) -> None:
    assert not is_ours(wire(MESSAGE, signed(MESSAGE, url)))


def test_the_query_counts_as_it_was_received() -> None:
    target = "/hooks/twilio/sms?b=%7e1&a=2"
    right = signed(MESSAGE, PUBLIC + target)
    assert is_ours(wire(MESSAGE, right, target))
    assert not is_ours(wire(MESSAGE, right, "/hooks/twilio/sms?a=2&b=%7e1"))
    assert not is_ours(wire(MESSAGE, right, "/hooks/twilio/sms?b=~1&a=2"))
    assert not is_ours(wire(MESSAGE, right, "/hooks/twilio/sms"))


@pytest.mark.parametrize("change", [{"AccountSid": "AC" + "f" * 32}, {"AccountSid": ""}, {"MessageSid": ""}], ids=str)
def test_signed_and_not_for_us(change: dict[str, str]) -> None:
    fields = {**MESSAGE, **change}
    assert not is_ours(wire(fields, signed(fields)))


CALL = {
    "AccountSid": MESSAGE["AccountSid"],
    "ApiVersion": "2010-04-01",
    "CallSid": "CA0123456789abcdef0123456789abcdef",
    "CallStatus": "ringing",
    "CallerCountry": "VU",
    "Direction": "inbound",
    "From": "+6785550101",
    "FromCountry": "VU",
    "FromState": "",
    "StirVerstat": "TN-Validation-Passed-A",
    "To": "+6785550000",
    "ToCountry": "VU",
}


def test_a_call_is_an_event_and_is_refused_before_it_costs_anything() -> None:
    target = "/hooks/twilio/missed-call"
    request = wire(CALL, signed(CALL, PUBLIC + target), target)
    it, read = channel(), parsing.read(Channel.endpoints["missed-call"], request)
    assert it.verify_signature(request, read)
    assert it.receive("missed-call", read) == ProviderEvent(
        "missed_call", "twilio", "+6785550101", "+6785550000", id=CALL["CallSid"]
    )
    answer = it.answer("missed-call", None)
    assert (answer.status, answer.content_type) == (200, "text/xml; charset=utf-8")
    assert answer.body == b'<?xml version="1.0" encoding="UTF-8"?><Response><Reject reason="busy"/></Response>'


@pytest.mark.rule("X-06")
@pytest.mark.parametrize("name", ["AccountSid", "MessageSid", "From"])
def test_a_border_between_fields_that_is_moved(name: str) -> None:
    """The signature has no separators: with a field hidden in the value before it, it still verifies."""
    before = sorted(one for one in MESSAGE if one < name)
    moved = {key: value for key, value in MESSAGE.items() if key != name}
    if before:
        moved[before[-1]] += name + MESSAGE[name]
    else:
        moved[name + MESSAGE[name]] = ""
    assert signed(moved) == signed(MESSAGE)
    assert not is_ours(wire(moved, signed(MESSAGE)))


def folded(fields: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield all other requests with the same signature: up to five fields folded into the one before."""
    names = sorted(fields)
    for first in range(len(names)):
        for last in range(first + 1, min(first + 6, len(names))):
            tail = "".join(name + fields[name] for name in names[first + 1 : last + 1])
            gone = set(names[first + 1 : last + 1])
            yield {
                name: value + (tail if name == names[first] else "")
                for name, value in fields.items()
                if name not in gone
            }
            whole = names[first] + fields[names[first]] + tail  # folded into the first field's name, with its value
            yield {name: value for name, value in fields.items() if name not in gone | {names[first]}} | {whole: ""}


@pytest.mark.rule("X-06")
@pytest.mark.rule("B-49")
@pytest.mark.parametrize(("door", "fields"), [("sms", MESSAGE), ("status", REPORT), ("missed-call", CALL)])
def test_one_captured_signature_makes_no_other_message(door: str, fields: dict[str, str]) -> None:
    """A changed request that still verifies is the same message, with the same sender, words and state: a repeat."""
    it, target = channel(), f"/hooks/twilio/{door}"
    right = signed(fields, PUBLIC + target)
    tried = 0
    for other in folded(fields):
        assert signed(other, PUBLIC + target) == right
        over = wire(other, right, target)
        read = parsing.read(Channel.endpoints[door], over)
        tried += 1
        if it.verify_signature(over, read):
            assert it.receive(door, read) == it.receive(
                door, parsing.read(Channel.endpoints[door], wire(fields, right, target))
            )
    assert tried > 40


@pytest.mark.parametrize(
    "change",
    [
        {"MessageSid": "SM1"},
        {"MessageSid": "SM" + "G" * 32},
        {"MessageSid": "CA" + "1" * 32},
        {"MessageSid": MESSAGE["MessageSid"] + "NumMedia0"},
        {"From": "+6785550101FromCity"},
        {"To": "163ToCity"},
        {"NumMedia": "0NumSegments1"},
    ],
    ids=str,
)
def test_signed_and_not_in_the_form_that_twilio_gives(change: dict[str, str]) -> None:
    fields = {**MESSAGE, **change}
    assert not is_ours(wire(fields, signed(fields)))


def test_words_must_be_there() -> None:
    fields = {name: value for name, value in MESSAGE.items() if name != "Body"}
    assert not is_ours(wire(fields, signed(fields)))


@pytest.mark.parametrize("sender", ["163", "VODAFONE", "Ministry 1", "whatsapp:+6785550101", ""])
def test_senders_that_are_no_plain_number(sender: str) -> None:
    fields = {**MESSAGE, "From": sender}
    assert is_ours(wire(fields, signed(fields)))


def test_both_tokens_hold_while_one_is_replaced() -> None:
    both = channel(tokens=f"{'n' * 32},{TOKEN}")
    assert is_ours(wire(MESSAGE, signed(MESSAGE)), both)
    assert is_ours(wire(MESSAGE, signed(MESSAGE, token="n" * 32)), both)
    assert not is_ours(wire(MESSAGE, signed(MESSAGE, token="x" * 32)), both)


def test_a_message() -> None:
    assert received({}) == Inbound(
        kind="sms",
        channel="twilio",
        sender="+6785550101",
        code="+6785550000",
        text=" 1 or two & more\r\n",
        id="SM11111111111111111111111111111111",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"OptOutType": "STOP"}, {"word": "stop"}),
        ({"OptOutType": "START"}, {"word": "start"}),
        ({"OptOutType": "HELP"}, {"word": "help"}),
        ({"OptOutType": "Foo"}, {"word": ""}),
        ({"Body": None}, {"text": ""}),
        ({"To": None}, {"code": ""}),
        ({"From": ""}, {"sender": ""}),
        ({"From": "MTN"}, {"sender": "MTN"}),
        ({"NumMedia": "1", "MediaContentType0": "image/png", "MediaUrl0": "u"}, {"media": (("image/png", "u"),)}),
        ({"NumMedia": "2"}, {"media": (("", ""), ("", ""))}),
        ({"NumMedia": "0", "MediaUrl0": "u"}, {"media": ()}),
        ({"NumMedia": "999"}, {"media": (("", ""),) * 10}),
        ({"NumMedia": "9" * 5000}, {"media": ()}),
        ({"NumMedia": "-1"}, {"media": ()}),
        ({"NumMedia": "\u0661"}, {"media": ()}),
        ({"NumMedia": None}, {"media": ()}),
    ],
    ids=str,
)
def test_messages_that_say_more_or_less(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    found = received(changes)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    "changes", [{"From": ["+6785550101", "+6785550102"]}, {"MessageSid": ["a", "b"]}, {"From": "5" * 129}], ids=str
)
def test_who_or_which_is_not_to_be_understood(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableRequest):
        received(changes)


@pytest.mark.parametrize(
    ("status", "is_"),
    [
        ("accepted", "sent"),
        ("scheduled", "sent"),
        ("queued", "sent"),
        ("sending", "sent"),
        ("sent", "sent"),
        ("partially_delivered", "sent"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("undelivered", "failed"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("received", "unknown"),
        ("Delivered", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_delivery_report(status: str | None, is_: str) -> None:
    assert received({"MessageStatus": status}, "status") == ProviderEvent(
        "delivery",
        "twilio",
        sender="+6785550101",
        code="+6785550000",
        id="SM22222222222222222222222222222222",
        status=is_,
    )


def test_a_delivery_report_names_our_own_id_and_an_opt_out() -> None:
    found = received({"ErrorCode": "21610", "MessageStatus": "failed"}, "status", "/hooks/twilio/status?id=ours-1&id=x")
    assert isinstance(found, ProviderEvent)
    assert (found.ours, found.opted_out, found.status) == ("ours-1", True, "failed")


@pytest.mark.parametrize(
    "words", ["In danger? Call police 111.\n1 Report", "a < b & c > d \" '", "\u0101 \U0001f600", "]]>"]
)
def test_a_reply_is_twiml(words: str) -> None:
    answer = channel().answer("sms", Reply(words, expects_reply=True))
    assert (answer.status, answer.content_type) == (200, "text/xml; charset=utf-8")
    wanted = MessagingResponse()
    wanted.message(words)
    assert answer.body.decode() == str(wanted)


@pytest.mark.parametrize("turn", [None, Reply("", expects_reply=True), Reply("", expects_reply=False)])
def test_nothing_to_say(turn: Reply | None) -> None:
    body = b'<?xml version="1.0" encoding="UTF-8"?><Response />'
    assert channel().answer("sms", turn) == HttpResponse(200, "text/xml; charset=utf-8", body)
    assert body.decode() == str(MessagingResponse())


def test_a_report_gets_no_content() -> None:
    answer = channel().answer("status", None)
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("wrong", ["", "SK" + "0" * 32, ACCOUNT.upper(), ACCOUNT + "0", "AC" + "g" * 32])
def test_an_account_that_is_none(wrong: str) -> None:
    with pytest.raises(SettingError, match="TWILIO_ACCOUNT_SID"):
        load_settings(Settings, {"TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_ACCOUNT_SID": wrong})


def test_live_wants_its_own_token_and_https() -> None:
    environ = {"TOKAUT_MODE": "live", "TWILIO_AUTH_TOKEN": "demo-1", "TWILIO_ACCOUNT_SID": ACCOUNT}
    with pytest.raises(SettingError) as caught:
        load_settings(Settings, environ)
    assert {fault.name for fault in caught.value.faults} == {"TWILIO_AUTH_TOKEN", "PUBLIC_URL"}


def test_the_rest_of_the_sdk_is_not_imported() -> None:
    """It would take many megabytes in each web process, and it can send requests."""
    program = "import sys, gateway.channels.twilio; print(sorted(m for m in sys.modules if m.startswith('twilio')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['twilio', 'twilio.request_validator']"


def test_what_was_texted_is_known_of_what_nobody_can_read() -> None:
    assert channel().code_and_link(lambda name: {"To": "133"}.get(name, "")) == ("133", "")
