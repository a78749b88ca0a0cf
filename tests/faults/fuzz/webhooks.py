"""The webhooks of all channels, and valid requests to them in each provider's form."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from twilio.request_validator import RequestValidator

import gateway.channels
from gateway.messaging.model import Channel, UnreadableRequest
from gateway.messaging.parsing import read_form
from runtime.settings import load_all_settings
from tests.support.installation import Installation

USSD_CODE, SMS_CODE, VOICE_NUMBER = "*111*163#", "163", "+6785550100"
CALLED = "+6785550000"  # a number for missed calls
FORM = "application/x-www-form-urlencoded"
CHANNELS = tuple(sorted(one.name for one in pkgutil.iter_modules(gateway.channels.__path__)))
ACCOUNT, ACCOUNT_KEY = "AC" + "0" * 32, "0123456789abcdef" * 2
# settings of an installation whose webhooks all accept these requests
OPEN = {"CHANNELS": ",".join(CHANNELS), "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": ACCOUNT_KEY}


@dataclass(frozen=True)
class ReporterInput:
    """Input from a phone: by USSD all earlier replies and the last one, by SMS a text."""

    phone: str
    text: str
    id: str  # of the session, or of the message
    path: str = ""
    turn: int = 1

    @property
    def number(self) -> int:
        """Return the session's id as a number, for the protocols with an id of one byte."""
        return crc32(self.id.encode()) % 256


@dataclass(frozen=True)
class Request:
    """A request without its length."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def raw(self) -> bytes:
        """Return its bytes."""
        head = b"%s %s HTTP/1.1\r\n" % (self.method.encode(), self.target)
        lines = [*self.headers, (b"Content-Length", b"%d" % len(self.body))]
        return head + b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n" + self.body


Write = Callable[[str, ReporterInput], Request]
Seal = Callable[[Request], Request]


@dataclass(frozen=True)
class Webhook:
    """One webhook, with the secret in its address if the channel uses one."""

    channel: str
    name: str
    opens: str  # ussd, voice, sms or notice
    target: str
    write: Write
    seal: Seal  # signs it as the provider would

    def request(self, said: ReporterInput) -> Request:
        """Return a valid request."""
        return self.seal(self.write(self.target, said))

    def session(self, said: ReporterInput) -> str:
        """Return the session's id as web knows it."""
        if self.opens == "sms":
            return ""
        if self.channel == "twilio_voice":
            return _sid(said, "CA")
        return str(said.number) if self.channel == "kannel" else said.id


def ways(installation: Installation) -> list[Webhook]:
    """Return the webhooks of all channels."""
    return [way for name in CHANNELS for way in _of(installation, name)]


def _of(installation: Installation, name: str) -> list[Webhook]:
    module = importlib.import_module(f"{gateway.channels.__name__}.{name}")
    channel: Channel = module.Channel(load_all_settings((module.Settings,), installation.environment)[module.Settings])
    token = f"/{installation.environment[TOKENS[name]]}" if channel.token else ""
    seal = SIGNED[name](installation.environment["PUBLIC_URL"]) if name in SIGNED else _unsigned
    return [
        Webhook(name, door, opens, f"/hooks/{name}{token}" + (f"/{door}" if door else ""), write, seal)
        for door in channel.endpoints
        for opens, write in WRITTEN[name, door]
    ]


def _unsigned(request: Request) -> Request:
    return request


def _form(target: str, fields: Mapping[str, str]) -> Request:
    kind = ((b"Host", b"here"), (b"Content-Type", FORM.encode()))
    return Request("POST", target.encode(), kind, urlencode(fields, errors="surrogatepass").encode())


def _json(target: str, fields: Mapping[str, object]) -> Request:
    kind = ((b"Host", b"here"), (b"Content-Type", b"application/json"))
    return Request("POST", target.encode(), kind, json.dumps(fields).encode())


# Africa's Talking


def _at_ussd(target: str, said: ReporterInput) -> Request:
    who = {"sessionId": said.id, "phoneNumber": said.phone, "networkCode": "99999", "serviceCode": USSD_CODE}
    return _form(target, who | {"text": said.path})


def _at_end(target: str, said: ReporterInput) -> Request:
    who = {"sessionId": said.id, "phoneNumber": said.phone, "serviceCode": USSD_CODE}
    return _form(target, who | {"status": "Incomplete", "input": said.path})


def _at_sms(target: str, said: ReporterInput) -> Request:
    return _form(target, {"from": said.phone, "to": SMS_CODE, "text": said.text, "id": said.id})


def _at_delivery(target: str, said: ReporterInput) -> Request:
    return _form(target, {"id": said.id, "phoneNumber": said.phone, "status": "Success"})


def _at_optout(target: str, said: ReporterInput) -> Request:
    return _form(target, {"senderId": SMS_CODE, "phoneNumber": said.phone})


def _at_missed_call(target: str, said: ReporterInput) -> Request:
    call = {"sessionId": said.id, "isActive": "1", "direction": "Inbound", "destinationNumber": CALLED}
    return _form(target, call | {"callerNumber": said.phone})


def _at_call(target: str, said: ReporterInput, **more: str) -> Request:
    who = {"sessionId": said.id, "callerNumber": said.phone, "destinationNumber": VOICE_NUMBER, "isActive": "1"}
    return _form(target, who | more)


def _at_keys(target: str, said: ReporterInput) -> Request:
    return _at_call(f"{target}?typed=1", said, dtmfDigits=said.text)


# The neutral form, and the simulator's


def _neutral(target: str, said: ReporterInput) -> Request:
    who = {"session": said.id, "phone": said.phone, "service_code": USSD_CODE, "network": "54101"}
    step = {"event": "new" if said.turn == 1 else "resume", "text": said.text, "turn": said.turn}
    return _json(target, who | step)


def _simulated_sms(target: str, said: ReporterInput) -> Request:
    return _json(target, {"sms": said.text, "phone": said.phone, "service_code": SMS_CODE, "id": said.id})


# Kannel


def _kannel(target: str, said: ReporterInput, code: str, words: str, meta: str = "") -> Request:
    about = {"From": said.phone, "To": code, "Coding": "0", "SMSC": "OPERATOR"}
    told = about | ({"Meta-Data": meta} if meta else {})
    headers = [(f"X-Kannel-{name}".encode(), value.encode("utf-8", "surrogatepass")) for name, value in told.items()]
    kind = [(b"Host", b"here"), (b"Content-Type", b'text/plain; charset="UTF-8"')]
    address = f"{target}?id={quote(said.id + str(said.turn))}"
    return Request("POST", address.encode(), tuple(kind + headers), words.encode("utf-8", "surrogatepass"))


def _kannel_sms(target: str, said: ReporterInput) -> Request:
    return _kannel(target, said, SMS_CODE, said.text)


def _kannel_get(target: str, said: ReporterInput) -> Request:
    asked = {"id": said.id, "from": said.phone, "to": SMS_CODE, "coding": "0", "charset": "UTF-8", "text": said.text}
    address = f"{target}?{urlencode(asked, errors='surrogatepass')}"
    return Request("GET", address.encode(), ((b"Host", b"here"),), b"")


def _kannel_ussd(target: str, said: ReporterInput) -> Request:
    operation = "%01" if said.turn == 1 else "%12"
    meta = f"?smpp?ussd_service_op={operation}&its_session_info=%{said.number:02x}%00&"
    return _kannel(target, said, USSD_CODE, USSD_CODE if said.turn == 1 else said.text, meta)


def _kannel_report(target: str, said: ReporterInput) -> Request:
    return Request("GET", f"{target}?id={quote(said.id)}&type=1".encode(), ((b"Host", b"here"),), b"")


# Twilio


def _twilio_sms(target: str, said: ReporterInput) -> Request:
    about = {"AccountSid": ACCOUNT, "MessageSid": _sid(said), "From": said.phone, "To": SMS_CODE, "NumMedia": "0"}
    return _form(target, about | {"Body": said.text})


def _twilio_status(target: str, said: ReporterInput) -> Request:
    about = {"AccountSid": ACCOUNT, "MessageSid": _sid(said), "MessageStatus": "sent"}
    return _form(target, about | {"From": SMS_CODE, "To": said.phone})


def _twilio_missed_call(target: str, said: ReporterInput) -> Request:
    about = {"AccountSid": ACCOUNT, "CallSid": _sid(said, "CA"), "CallStatus": "ringing"}
    return _form(target, about | {"From": said.phone, "To": CALLED})


def _twilio_call(target: str, said: ReporterInput, status: str = "in-progress", **more: str) -> Request:
    about = {"AccountSid": ACCOUNT, "CallSid": _sid(said, "CA"), "From": said.phone, "To": VOICE_NUMBER}
    return _form(target, about | {"CallStatus": status} | more)


def _twilio_keys(target: str, said: ReporterInput) -> Request:
    return _twilio_call(f"{target}?typed=1", said, Digits=re.sub("[^0-9*#]", "", said.text)[:40])


def _twilio_call_ended(target: str, said: ReporterInput) -> Request:
    return _twilio_call(target, said, "completed")


def _twilio_recorded(target: str, said: ReporterInput) -> Request:
    fields = {"RecordingSid": _sid(said, "RE"), "RecordingStatus": "completed", "RecordingDuration": "7"}
    return _twilio_call(f"{target}?id={uuid5(NAMESPACE_URL, said.id)}", said, **fields)


def _sid(said: ReporterInput, kind: str = "SM") -> str:
    return kind + hashlib.md5(said.id.encode(), usedforsecurity=False).hexdigest()


def _twilio_signs(public_url: str) -> Seal:
    validator = RequestValidator(ACCOUNT_KEY)

    def seal(request: Request) -> Request:
        try:
            fields = read_form(request.body).values
        except UnreadableRequest:
            return request
        signature = validator.compute_signature(public_url + request.target.decode("latin-1"), _Fields(fields))
        return replace(request, headers=(*request.headers, (b"X-Twilio-Signature", signature.encode())))

    return seal


class _Fields(dict[str, tuple[str, ...]]):
    def getlist(self, name: str) -> tuple[str, ...]:
        return self[name]


# The setting with the secret of a channel's address, and the provider's signature
TOKENS: Mapping[str, str] = {
    "africastalking": "AFRICASTALKING_TOKEN",
    "africastalking_voice": "AFRICASTALKING_TOKEN",
    "kannel": "KANNEL_TOKEN",
    "ussd": "USSD_TOKEN",
}
SIGNED: Mapping[str, Callable[[str], Seal]] = {"twilio": _twilio_signs, "twilio_voice": _twilio_signs}

# A missing channel fails `test_every_channel_is_known_here`: random bytes alone never pass authorization.
WRITTEN: Mapping[tuple[str, str], tuple[tuple[str, Write], ...]] = {
    ("africastalking", "ussd"): (("ussd", _at_ussd),),
    ("africastalking", "ussd-end"): (("notice", _at_end),),
    ("africastalking", "sms"): (("sms", _at_sms),),
    ("africastalking", "delivery"): (("notice", _at_delivery),),
    ("africastalking", "optout"): (("notice", _at_optout),),
    ("africastalking", "missed-call"): (("notice", _at_missed_call),),
    ("africastalking_voice", "call"): (("voice", _at_call),),
    ("africastalking_voice", "keys"): (("voice", _at_keys),),
    ("kannel", "sms"): (("sms", _kannel_sms), ("sms", _kannel_get)),
    ("kannel", "ussd"): (("ussd", _kannel_ussd),),
    ("kannel", "dlr"): (("notice", _kannel_report),),
    ("simulator", ""): (("ussd", _neutral), ("sms", _simulated_sms)),
    ("twilio", "sms"): (("sms", _twilio_sms),),
    ("twilio", "status"): (("notice", _twilio_status),),
    ("twilio", "missed-call"): (("notice", _twilio_missed_call),),
    ("twilio_voice", "call"): (("voice", _twilio_call),),
    ("twilio_voice", "keys"): (("voice", _twilio_keys),),
    ("twilio_voice", "status"): (("notice", _twilio_call_ended),),
    ("twilio_voice", "recording"): (("notice", _twilio_recorded),),
    ("ussd", ""): (("ussd", _neutral),),
}
