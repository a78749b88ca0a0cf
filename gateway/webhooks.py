"""The one view: token, method, size, then what the body says. Whoever has no right to ask learns nothing.

An authenticated request is answered with 200 and something sensible, whatever it holds; the one exception is an SMS
whose words cannot be kept just now, or an opt-out: 503, so that the provider keeps it.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from gateway import form
from gateway.crowd import Crowd
from gateway.desk import Desk
from gateway.message import Answer, Channel, Door, Fields, Inbound, Turn, Unreadable, Wire
from gateway.metrics import Metrics
from gateway.refusals import RefusalLog
from gateway.steps import MAY_TAKE_LONG, UNPROVEN, Steps
from gateway.unread import Unkept

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_BYTES = 256 * 1024  # of any door's body
MOST_UNPROVEN = 128  # requests that wait until their signature is checked; each may hold a body
MOST_QUICK = 8 * 1024  # of a USSD request that is read and answered among others
PLAIN = "text/plain; charset=utf-8"
NOT_FOUND = Answer(404, PLAIN, b"Not found\n")  # for an unknown address, a wrong token, a channel that is not open
_OTHER_METHOD = Answer(405, PLAIN, b"")
_TOO_LARGE = Answer(413, PLAIN, b"")
_KEEP_IT = Answer(503, PLAIN, b"")
_FORGED = Answer(403, PLAIN, b"Forbidden\n")
_FAILED = Answer(500, PLAIN, b"Failed\n")

log = structlog.get_logger()


class Webhooks:
    def __init__(self, channels: Mapping[str, Channel], desk: Desk, metrics: Metrics, crowd: Crowd) -> None:
        self._crowd = crowd
        self._channels = channels
        self._desk = desk
        self._metrics = metrics
        self._refusals = RefusalLog()

    def answer(self, environ: WSGIEnvironment, rest: str) -> Steps[Answer]:
        """`rest` is what follows /hooks/ in the address: channel, token where it has one, door."""
        try:
            return (yield from self._opened(environ, rest))
        except Exception:
            self._metrics.count("failed")
            log.exception("webhook_failed", channel="")
            return _FAILED

    def _opened(self, environ: WSGIEnvironment, rest: str) -> Steps[Answer]:
        found = self._find(environ, rest)
        if found is None:
            name = rest.partition("/")[0]
            self._refused("token", name if name in self._channels else None)
            return NOT_FOUND
        channel, name, door = found
        if environ["REQUEST_METHOD"] not in door.methods:
            return _OTHER_METHOD
        began = time.monotonic()
        raw = _body(environ, door.most_bytes)
        if raw is None:
            self._metrics.count("too_large")
            return _TOO_LARGE
        wire = _wire(environ, raw)
        if not channel.may_vouch(wire.header):
            self._refused("signature", channel.name)
            return _FORGED
        answer = yield from self._answer(channel, name, door, wire)
        self._metrics.answered(channel.name, name or "-", time.monotonic() - began)
        return answer

    def body_limit(self, environ: WSGIEnvironment, rest: str) -> int:
        """Return how many bytes of a body are read, judged by its head: 0 where the request is refused anyway."""
        found = self._find(environ, rest)
        if found is None or environ["REQUEST_METHOD"] not in found[2].methods:
            return 0
        channel, _, door = found
        return door.most_bytes if channel.may_vouch(_wire(environ, b"").header) else 0

    def _refused(self, reason: str, channel: str | None) -> None:
        self._metrics.count("refused")
        self._refusals.add(reason, channel)

    def _find(self, environ: WSGIEnvironment, rest: str) -> tuple[Channel, str, Door] | None:
        name, _, path = rest.partition("/")
        channel = self._channels.get(name)
        if channel is None or (channel.practice and not is_local(environ)):
            return None
        if channel.token:
            token, _, path = path.partition("/")
            if not channel.accepts(token):
                return None
        door = channel.doors.get(path)
        # An address that ends in a slash is another address.
        return (channel, path, door) if door and not rest.endswith("/") else None

    def _answer(self, channel: Channel, name: str, door: Door, wire: Wire) -> Steps[Answer]:
        try:
            return (yield from self._take(channel, name, door, wire))
        except Forged:
            self._refused("signature", channel.name)
            return _FORGED
        except Unreadable as why:
            log.warning("webhook_unreadable", channel=channel.name, reason=why.reason, field=why.field)
            return self._unreadable(channel, name, door, wire)
        except Unkept:
            return _KEEP_IT
        except Exception:  # a fault of ours must not show a caller an error page, nor lose the words of an SMS
            self._metrics.count("failed")
            log.exception("webhook_failed", channel=channel.name)
            return self._safe(channel, name, door, wire)

    def _take(self, channel: Channel, name: str, door: Door, wire: Wire) -> Steps[Answer]:
        if _is_signed(channel):
            if self._crowd.unproven.number >= MOST_UNPROVEN:
                self._metrics.count("unproven_shed")
                return _KEEP_IT
            with self._crowd.unproven:
                yield UNPROVEN
                fields = _fields(channel, door, wire)
            with self._crowd.there:
                return (yield from self._take_fields(channel, name, fields))
        with self._crowd.there:
            if door.opens != "ussd" or len(wire.body) > MOST_QUICK:
                yield MAY_TAKE_LONG
            return (yield from self._take_fields(channel, name, _fields(channel, door, wire)))

    def _take_fields(self, channel: Channel, name: str, fields: Fields) -> Steps[Answer]:
        if fields.recoded:
            self._metrics.count("inbound_not_utf8")
        received = channel.receive(name, fields)
        if not isinstance(received, Inbound) or received.kind == "sms":  # a door of USSD may take others, too
            yield MAY_TAKE_LONG
        if isinstance(received, Inbound):
            turn = yield from self._desk.take(channel, received)
            if received.kind == "sms" and turn.text:
                self._metrics.replied(channel.name, turn.text)
            return channel.answer(name, turn)
        yield from self._desk.note(received)
        return channel.answer(name, None)

    def _unreadable(self, channel: Channel, name: str, door: Door, wire: Wire) -> Answer:
        if door.opens == "ussd":
            self._metrics.count("inbound_unreadable")
            return channel.answer(name, self._not_working(channel, door, wire))
        if door.opens == "notice":
            self._metrics.count("notice_unreadable")
            return channel.answer(name, None)
        try:
            country = self._desk.country("sms", _line(channel, door, wire)[0])
            self._desk.keep_unread(channel.name, country, _said(wire), wire.header("Content-Type")[:200])
        except Unkept:
            return _KEEP_IT
        return channel.answer(name, None)

    def _safe(self, channel: Channel, name: str, door: Door, wire: Wire) -> Answer:
        if door.opens == "sms":
            return _KEEP_IT
        if door.opens == "notice":
            return channel.answer(name, None)
        return channel.answer(name, self._not_working(channel, door, wire))

    def _not_working(self, channel: Channel, door: Door, wire: Wire) -> Turn:
        code, link = _line(channel, door, wire)
        return replace(self._desk.not_working(channel, code.encode("utf-8", "replace") or _said(wire)), link=link)


class Forged(Exception):
    """Not signed by the provider, or not to be read so far that its signature could be checked."""


def _fields(channel: Channel, door: Door, wire: Wire) -> Fields:
    """What the body says. Raises Forged; Unreadable only for a request that is known to be the provider's."""
    try:
        fields = form.read(door, wire)
    except Unreadable:
        if not _is_signed(channel):
            raise
        raise Forged from None
    if not channel.vouches(wire, fields):
        raise Forged
    return fields


def _is_signed(channel: Channel) -> bool:
    """Return whether only a signature over the whole request says who sent it."""
    return not (channel.token or channel.practice)


def _line(channel: Channel, door: Door, wire: Wire) -> tuple[str, str]:
    """What was dialled, and what the provider wants back, of a request that nobody could read or that failed us."""
    return channel.line(lambda field: form.glimpse(door, wire, field))


def _wire(environ: WSGIEnvironment, raw: bytes) -> Wire:
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    target = environ.get("RAW_URI") or (f"{path}?{query}" if query else path)
    return Wire(environ["REQUEST_METHOD"], target, lambda name: environ.get(_key(name), ""), raw)


@cache  # of the few that channels ask for
def _key(header: str) -> str:
    """Where the server puts it."""
    return "CONTENT_TYPE" if header == "Content-Type" else f"HTTP_{header.upper().replace('-', '_')}"


def _said(wire: Wire) -> bytes:
    """All that may hold words: a GET has them in its query."""
    return wire.body or wire.target.partition("?")[2].encode("utf-8", "surrogateescape")


def _body(environ: WSGIEnvironment, most: int) -> bytes | None:
    """The raw body; None where it is too large, and then it is not read to its end."""
    if int(environ.get("CONTENT_LENGTH") or 0) > most:
        return None
    raw: bytes = environ["wsgi.input"].read(most + 1)
    return raw if len(raw) <= most else None


def is_local(environ: WSGIEnvironment, *, private: bool = False) -> bool:
    """From this machine (`private`: or its own network), and not passed on by a proxy, which always says so."""
    if "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ:
        return False
    if not environ.get("REMOTE_ADDR"):
        return True  # a unix socket
    address = ipaddress.ip_address(environ["REMOTE_ADDR"])
    return address.is_loopback or (private and address.is_private)
