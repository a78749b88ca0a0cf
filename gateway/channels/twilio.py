"""Twilio: SMS, delivery reports and missed calls. Requests are signed; the reply is in the response, as TwiML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from gateway.messaging.model import CarrierWord, Endpoint, Fields, HttpResponse, Inbound, ProviderEvent, Reply
from gateway.messaging.twilio_requests import HEAD, NUMBER, TWIML, Shapes, SignedByTwilio
from runtime.settings import TwilioAccount, from_environment
from runtime.telephony import ChannelKind, DeliveryReportStatus

MAX_BYTES = 32 * 1024  # 1,600 characters have at most 14,400 bytes percent-encoded, the other fields some hundreds
# Refuses a call before it is answered, with a busy tone: nobody pays (twilio.com/docs/voice/twiml/reject).
REJECT = f'{HEAD}<Response><Reject reason="busy"/></Response>'.encode()
MAX_MEDIA = 10  # attachments of one message, according to Twilio

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
# A sender name in place of a number. A key that follows it, such as "FromCity", must not be read as part of the name.
_NAME = re.compile(r"(?!.*(?:From|Num|Sms)[A-Z])(?=.*[A-Za-z])[A-Za-z0-9 _&-]{1,11}")
_SHAPES: Shapes = {
    "MessageSid": (re.compile(r"(?:SM|MM)[0-9a-f]{32}"),),
    "From": (NUMBER, _NAME, re.compile("")),
    "To": (NUMBER,),
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
WORDS: Mapping[str, CarrierWord] = {"STOP": "stop", "START": "start", "HELP": "help"}


@from_environment
class Settings(TwilioAccount):
    """The Twilio account, and the address that its signatures cover."""


class Channel(SignedByTwilio):
    """The Twilio channel."""

    name = "twilio"
    is_simulator = False
    needed = _NEEDED
    shapes = _SHAPES
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "sms": Endpoint("sms", max_bytes=MAX_BYTES),
        "status": Endpoint("notice", max_bytes=MAX_BYTES),
        "missed-call": Endpoint("notice", max_bytes=MAX_BYTES),
    }
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"sms": True}

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
    for n in range(min(int(count), MAX_MEDIA) if count.isascii() and count.isdecimal() and len(count) < 4 else 0):
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
