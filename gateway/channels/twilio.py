"""Twilio: SMS, delivery reports and missed calls. Requests are signed; the reply is in the response, as TwiML.

The signature covers the address configured at Twilio and every field. That address is `PUBLIC_URL` plus the path of the
request line, never the host that a proxy passes on. The signature holds no time, so a repeat verifies; the message id
identifies it. It has no separators between fields, so one field could be folded into the one before it. So the
identifying fields must be present, and have exactly the form that Twilio uses.

Only the SDK's signature module is imported: the rest would cost each web process 12 MB.
"""

from __future__ import annotations

import hmac
import html
import re
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

from gateway.messaging.model import (
    CarrierWord,
    Endpoint,
    Fields,
    HttpResponse,
    Inbound,
    ProviderEvent,
    RawRequest,
    Reply,
)
from runtime.settings import TwilioAccount, from_environment
from runtime.telephony import ChannelKind, DeliveryReportStatus

SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=")  # 20 bytes in base64
MOST_BYTES = 32 * 1024  # 1,600 characters have at most 14,400 bytes percent-encoded, the other fields some hundreds
TWIML = "text/xml; charset=utf-8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
# Refuses a call before it is answered, with a busy tone: nobody pays (twilio.com/docs/voice/twiml/reject).
REJECT = f'{HEAD}<Response><Reject reason="busy"/></Response>'.encode()
MOST_MEDIA = 10  # of one message, according to Twilio

# No callback has the status accepted; scheduled and queued messages may still be delivered late.
STATUS: Mapping[str, DeliveryReportStatus] = {
    "accepted": "sent",
    "scheduled": "sent",
    "queued": "sent",
    "sending": "sent",
    "sent": "sent",
    "partially_delivered": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
OPTED_OUT = "21610"
_NUMBER = re.compile(r"(?:[a-z]+:)?\+?[0-9]{2,20}")
# A name in place of a number. "FromCity" or another key that follows it must not pass for a part of the name.
_NAME = re.compile(r"(?!.*(?:From|Num|Sms)[A-Z])(?=.*[A-Za-z])[A-Za-z0-9 _&-]{1,11}")
_SHAPES: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "MessageSid": (re.compile(r"(?:SM|MM)[0-9a-f]{32}"),),
    "From": (_NUMBER, _NAME, re.compile("")),
    "To": (_NUMBER,),
    "NumMedia": (re.compile(r"[0-9]{1,3}"),),
    "OptOutType": (re.compile(r"[A-Z]{4,5}"),),
    "MessageStatus": (re.compile(r"[A-Za-z_]*"),),
    "ErrorCode": (re.compile(r"[0-9]{0,10}"),),
    "CallSid": (re.compile(r"CA[0-9a-f]{32}"),),
    "CallStatus": (re.compile(r"[a-z-]{1,20}"),),
}
_NEEDED: Mapping[str, frozenset[str]] = {
    "sms": frozenset({"MessageSid", "From", "To", "Body"}),
    "status": frozenset({"MessageSid", "From", "To", "MessageStatus"}),
    "missed-call": frozenset({"CallSid", "From", "To", "CallStatus"}),
}
_KEY = re.compile(r"[A-Z][A-Za-z0-9_]{0,63}")  # name of a parameter; the cut-off rest of a value seldom looks like one
WORDS: Mapping[str, CarrierWord] = {"STOP": "stop", "START": "start", "HELP": "help"}


@from_environment
class Settings(TwilioAccount):
    """The Twilio account, and the address that its signatures cover."""


class Channel:
    """The Twilio channel."""

    name = "twilio"
    is_simulator = False
    token = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "sms": Endpoint("sms", most_bytes=MOST_BYTES),
        "status": Endpoint("notice", most_bytes=MOST_BYTES),
        "missed-call": Endpoint("notice", most_bytes=MOST_BYTES),
    }
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"sms": True}

    def __init__(self, settings: Settings) -> None:
        self._validators = tuple(map(RequestValidator, settings.auth_token.reveal()))
        self._account = settings.account_sid
        self._addresses = tuple(_with_and_without_port(settings.public_url))

    def accepts(self, token: str) -> bool:
        """Return True: the addresses contain no secret."""
        del token
        return True

    def may_be_genuine(self, header: Callable[[str], str]) -> bool:
        """Return whether the signature header has the form of a signature."""
        return SIGNATURE.fullmatch(header("X-Twilio-Signature")) is not None

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """Return whether the signature, the account and the form of the fields are valid.

        Every key and both ways to write the port are tried, so that the time does not reveal which one matched.
        """
        received = wire.header("X-Twilio-Signature").encode("utf-8", "surrogateescape")
        is_signed = sum(hmac.compare_digest(expected, received) for expected in self._signatures(wire, fields)) > 0
        endpoint = wire.target.partition("?")[0].rpartition("/")[2]
        return is_signed and fields.values.get("AccountSid") == (self._account,) and _is_whole(endpoint, fields)

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent:
        """Convert a request to an inbound message or a delivery report."""
        return _RECEIVE[endpoint](fields)

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the texted number of an unreadable request, and no link."""
        return find("To"), ""

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return the reply as TwiML. A call is refused."""
        if endpoint == "missed-call":
            return HttpResponse(200, TWIML, REJECT)
        if endpoint != "sms":
            return HttpResponse(204, TWIML, b"")
        text = turn.text if turn else ""
        message = f"<Message>{html.escape(text, quote=False)}</Message>" if text else ""
        body = f"{HEAD}<Response>{message}</Response>" if message else f"{HEAD}<Response />"
        return HttpResponse(200, TWIML, body.encode("utf-8", "replace"))

    def _signatures(self, wire: RawRequest, fields: Fields) -> Iterator[bytes]:
        for validator in self._validators:
            for address in self._addresses:
                yield validator.compute_signature(address + wire.target, _Signed(fields.values)).encode()


def _is_whole(endpoint: str, fields: Fields) -> bool:
    """Return whether the identifying fields are present and all have Twilio's form; see the module's docstring."""
    parameters = fields.values
    return (
        _NEEDED.get(endpoint, frozenset()) <= parameters.keys()
        and all(_KEY.fullmatch(name) for name in parameters)
        and all(_has_shape(parameters[name], shapes) for name, shapes in _SHAPES.items() if name in parameters)
    )


def _has_shape(values: tuple[str, ...], shapes: tuple[re.Pattern[str], ...]) -> bool:
    return all(any(shape.fullmatch(value) for shape in shapes) for value in values)


class _Signed(dict[str, tuple[str, ...]]):
    """Fields in the form that the SDK reads: a key may have several values."""

    def getlist(self, name: str) -> tuple[str, ...]:
        """Return all values of a key."""
        return self[name]


def _with_and_without_port(url: str) -> Iterator[str]:
    """Yield the address with and without its default port: Twilio signs either. Another port is always included."""
    parts = urlsplit(url)
    default_port = {"https": 443, "http": 80}[parts.scheme]
    if parts.port not in (None, default_port):
        yield url
        return
    host = parts.netloc.removesuffix(f":{default_port}")
    yield parts._replace(netloc=host).geturl()
    yield parts._replace(netloc=f"{host}:{default_port}").geturl()


def _sms(fields: Fields) -> Inbound:
    return Inbound(
        kind="sms",
        channel=Channel.name,
        sender=fields.identifier("From"),
        code=fields.identifier("To"),
        text=fields.get("Body"),
        id=fields.required("MessageSid"),
        word=WORDS.get(fields.get("OptOutType"), ""),
        media=tuple(_media(fields)),
    )


def _media(fields: Fields) -> Iterator[tuple[str, str]]:
    """Yield content type and address of each attachment. They are never downloaded."""
    count = fields.get("NumMedia")
    for n in range(min(int(count), MOST_MEDIA) if count.isascii() and count.isdecimal() and len(count) < 4 else 0):
        yield fields.get(f"MediaContentType{n}"), fields.get(f"MediaUrl{n}")


def _status(fields: Fields) -> ProviderEvent:
    return ProviderEvent(
        "delivery",
        Channel.name,
        sender=fields.identifier("To"),
        code=fields.get("From"),
        id=fields.required("MessageSid"),
        status=STATUS.get(fields.get("MessageStatus"), "unknown"),
        ours="".join(fields.query.get("id", ())[:1]),
        opted_out=fields.get("ErrorCode") == OPTED_OUT,
    )


def _missed_call(fields: Fields) -> ProviderEvent:
    return ProviderEvent(
        "missed_call",
        Channel.name,
        sender=fields.identifier("From"),
        code=fields.identifier("To"),
        id=fields.required("CallSid"),
    )


_RECEIVE: Mapping[str, Callable[[Fields], Inbound | ProviderEvent]] = {
    "sms": _sms,
    "status": _status,
    "missed-call": _missed_call,
}
