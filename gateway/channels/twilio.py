"""Twilio: SMS and delivery reports. It signs what it sends; the reply is the answer, in TwiML.

The signature is over the address that Twilio was given and every field: the address is `PUBLIC_URL` and what the
request line says, never the host that a proxy passes on. It says nothing of time, so a repeat verifies; the message's
id tells it. It has no marks between fields either: what it is over must hold the fields that say who and which.

Only the part of the SDK that computes signatures is imported: the rest would cost each web process 12 MB.
"""

from __future__ import annotations

import hmac
import html
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

from gateway.message import Answer, Door, Fields, Inbound, Kind, Notice, Turn, Wire, Word
from reports.settings import TwilioAccount, from_environment

TWIML = "text/xml; charset=utf-8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
MOST_MEDIA = 10  # of one message, says Twilio

# No callback says that it was accepted; scheduled and queued ones may still come late.
STATUS: Mapping[str, str] = {
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
WORDS: Mapping[str, Word] = {"STOP": "stop", "START": "start", "HELP": "help"}


@from_environment
class Settings(TwilioAccount):
    """The account, and the address that it signs."""


class Channel:
    name = "twilio"
    practice = False
    token = False
    doors: ClassVar[Mapping[str, Door]] = {"sms": Door("sms"), "status": Door("notice")}
    limits: ClassVar[Mapping[Kind, tuple[int, int, int]]] = {"sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[Kind, bool]] = {"sms": True}

    def __init__(self, settings: Settings) -> None:
        self._validators = tuple(map(RequestValidator, settings.auth_token.reveal()))
        self._account = settings.account_sid
        self._addresses = tuple(_with_and_without_port(settings.public_url))

    def accepts(self, token: str) -> bool:
        del token  # there is none in its addresses
        return True

    def vouches(self, wire: Wire, fields: Fields) -> bool:
        """Every key and both ways to write the port are tried, so that time tells nothing."""
        given = wire.header("X-Twilio-Signature").encode("utf-8", "surrogateescape")
        signed = sum(hmac.compare_digest(right, given) for right in self._signatures(wire, fields)) > 0
        return signed and self._is_whole(fields)

    def receive(self, door: str, fields: Fields) -> Inbound | Notice:
        return _RECEIVE[door](fields)

    def line(self, said: Callable[[str], str]) -> tuple[str, str]:
        return said("To"), ""

    def answer(self, door: str, turn: Turn | None) -> Answer:
        if door != "sms":
            return Answer(204, TWIML, b"")
        said = turn.text if turn else ""
        message = f"<Message>{html.escape(said, quote=False)}</Message>" if said else ""
        body = f"{HEAD}<Response>{message}</Response>" if message else f"{HEAD}<Response />"
        return Answer(200, TWIML, body.encode("utf-8", "replace"))

    def _signatures(self, wire: Wire, fields: Fields) -> Iterator[bytes]:
        for validator in self._validators:
            for address in self._addresses:
                yield validator.compute_signature(address + wire.target, _Signed(fields.values)).encode()

    def _is_whole(self, fields: Fields) -> bool:
        account = fields.values.get("AccountSid") == (self._account,)
        return account and bool(fields.get("MessageSid")) and "From" in fields


class _Signed(dict[str, tuple[str, ...]]):
    """Fields as the SDK asks for them: a key may have several values."""

    def getlist(self, name: str) -> tuple[str, ...]:
        return self[name]


def _with_and_without_port(url: str) -> Iterator[str]:
    """Twilio signs the address now with its usual port and now without. Another port always stands in it."""
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}[parts.scheme]
    if parts.port not in (None, usual):
        yield url
        return
    bare = parts.netloc.removesuffix(f":{usual}")
    yield parts._replace(netloc=bare).geturl()
    yield parts._replace(netloc=f"{bare}:{usual}").geturl()


def _sms(fields: Fields) -> Inbound:
    return Inbound(
        kind="sms",
        channel=Channel.name,
        sender=fields.who("From"),
        code=fields.who("To"),
        text=fields.get("Body"),
        id=fields.must("MessageSid"),
        word=WORDS.get(fields.get("OptOutType"), ""),
        media=tuple(_media(fields)),
    )


def _media(fields: Fields) -> Iterator[tuple[str, str]]:
    """As many as it says, and what it tells of each; nobody goes to look."""
    count = fields.get("NumMedia")
    for n in range(min(int(count), MOST_MEDIA) if count.isascii() and count.isdecimal() and len(count) < 4 else 0):
        yield fields.get(f"MediaContentType{n}"), fields.get(f"MediaUrl{n}")


def _status(fields: Fields) -> Notice:
    return Notice(
        "delivery",
        Channel.name,
        sender=fields.who("To"),
        code=fields.get("From"),
        id=fields.must("MessageSid"),
        status=STATUS.get(fields.get("MessageStatus"), "unknown"),
        ours="".join(fields.query.get("id", ())[:1]),
        opted_out=fields.get("ErrorCode") == OPTED_OUT,
    )


_RECEIVE: Mapping[str, Callable[[Fields], Inbound | Notice]] = {"sms": _sms, "status": _status}
