"""Verify Twilio's requests: the signature of texts and calls, the account, and the form of the fields.

The signature covers the address configured at Twilio and every field. That address is `PUBLIC_URL` plus the path of the
request line, never the host that a proxy passes on. The signature holds no time, so a repeat verifies; the message id
identifies it. It has no separators between fields, so one field could be folded into the one before it. So the
identifying fields must be present, and have exactly the form that Twilio uses.

Only the SDK's signature module is imported: the rest would cost each web process 12 MB.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

from gateway.messaging.model import Fields, RawRequest
from runtime.settings import TwilioAccount

SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=")  # 20 bytes in base64
TWIML = "text/xml; charset=utf-8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
NUMBER = re.compile(r"(?:[a-z]+:)?\+?[0-9]{2,20}")
Shapes = Mapping[str, tuple[re.Pattern[str], ...]]
_KEY = re.compile(r"[A-Z][A-Za-z0-9_]{0,63}")  # name of a parameter; the cut-off rest of a value seldom looks like one


# Calls: the fields of Twilio's voice requests (twilio.com/docs/voice/twiml, "Request parameters").
CALL_FIELDS = frozenset({"CallSid", "From", "To", "CallStatus"})
CALL_SHAPES: Shapes = {
    "CallSid": (re.compile(r"CA[0-9a-f]{32}"),),
    "From": (NUMBER, re.compile(r"(?i:anonymous|restricted|blocked|unavailable|unknown)?")),
    "To": (NUMBER,),
    "CallStatus": (re.compile(r"[a-z-]{1,20}"),),
}
_ENDED = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
# The values sent in place of a withheld number: "ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN" and "UNAVAILABLE" on
# the keys of a telephone (help.twilio.com, "Why am I getting calls from these strange numbers?"). Callers without a
# number are different people, and must not pass for one.
_WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})


def caller(fields: Fields) -> str:
    """Return the number of a caller; "" if it is withheld."""
    number = fields.identifier("From")
    return number if number not in _WITHHELD and NUMBER.fullmatch(number) else ""


def has_ended(fields: Fields) -> bool:
    """Return whether a status callback reports the end of the call, for any reason."""
    return fields.get("CallStatus") in _ENDED


class SignedByTwilio:
    """Authentication methods of a channel whose requests Twilio signs.

    `needed`: the fields that identify a request, by endpoint. `shapes`: the forms that a field may have.
    """

    token = False
    needed: Mapping[str, frozenset[str]]
    shapes: Shapes
    other_names: frozenset[str] = frozenset()  # names of parameters that do not begin with a capital letter

    def __init__(self, account: TwilioAccount) -> None:
        self._validators = tuple(map(RequestValidator, account.auth_token.reveal()))
        self._account = account.account_sid
        self._addresses = tuple(_with_and_without_port(account.public_url))

    def accepts(self, token: str) -> bool:
        """Return True: the addresses contain no secret."""
        del token
        return True

    def may_be_genuine(self, headers: Mapping[str, str]) -> bool:
        """Return whether the signature header has the form of a signature."""
        return SIGNATURE.fullmatch(headers.get("x-twilio-signature", "")) is not None

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """Return whether the signature, the account and the form of the fields are valid.

        Every key and both ways to write the port are tried, so that the time does not reveal which one matched.
        """
        received = wire.headers.get("x-twilio-signature", "").encode("utf-8", "surrogateescape")
        is_signed = sum(hmac.compare_digest(expected, received) for expected in self._signatures(wire, fields)) > 0
        endpoint = wire.target.partition("?")[0].rpartition("/")[2]
        return is_signed and fields.values.get("AccountSid") == (self._account,) and self._is_whole(endpoint, fields)

    def _signatures(self, wire: RawRequest, fields: Fields) -> Iterator[bytes]:
        for validator in self._validators:
            for address in self._addresses:
                yield validator.compute_signature(address + wire.target, _Signed(fields.values)).encode()

    def _is_whole(self, endpoint: str, fields: Fields) -> bool:
        """Return whether the identifying fields are present and all have Twilio's form; see the module's docstring."""
        parameters = fields.values
        return (
            self.needed.get(endpoint, frozenset()) <= parameters.keys()
            and all(_KEY.fullmatch(name) or name in self.other_names for name in parameters)
            and all(_has_shape(parameters[name], shapes) for name, shapes in self.shapes.items() if name in parameters)
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
