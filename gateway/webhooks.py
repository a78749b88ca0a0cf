"""The one view: token, method, size, then what the body says. Whoever has no right to ask learns nothing.

An authenticated request is answered with 200 and something sensible, whatever it holds; the one exception is an SMS
whose words cannot be kept just now: 503, so that the provider keeps them.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping

import structlog
from flask import Request, Response
from werkzeug.exceptions import ClientDisconnected

from gateway import form
from gateway.crowd import Crowd
from gateway.desk import Desk
from gateway.message import Answer, Channel, Door, Fields, Inbound, Unreadable, Wire
from gateway.metrics import Metrics
from gateway.unread import Unkept

MOST_BYTES = 256 * 1024  # the longest SMS there is, percent-encoded as UTF-16, has 234,090
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = structlog.get_logger()


def not_found() -> Response:
    """The same for an unknown address, a wrong token and a channel that is not open."""
    return Response("Not found\n", 404, content_type="text/plain; charset=utf-8")


class Webhooks:
    def __init__(self, channels: Mapping[str, Channel], desk: Desk, metrics: Metrics, crowd: Crowd) -> None:
        self._crowd = crowd
        self._channels = channels
        self._desk = desk
        self._metrics = metrics

    def answer(self, request: Request, rest: str) -> Response:
        """`rest` is what follows /hooks/ in the address: channel, token where it has one, door."""
        found = self._find(request, rest)
        if found is None:
            self._metrics.count("refused")
            return not_found()
        channel, name, door = found
        if request.method not in door.methods:
            return Response(status=405)
        began = time.monotonic()
        raw = _body(request)
        if raw is None:
            return Response(status=413)
        with self._crowd.one():
            answer = self._answer(channel, name, door, _wire(request, raw))
        self._metrics.answered(channel.name, name or "-", time.monotonic() - began)
        return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)

    def _find(self, request: Request, rest: str) -> tuple[Channel, str, Door] | None:
        name, _, path = rest.partition("/")
        channel = self._channels.get(name)
        if channel is None or (channel.practice and not is_local(request)):
            return None
        if channel.token:
            token, _, path = path.partition("/")
            if not channel.accepts(token):
                return None
        door = channel.doors.get(path)
        # An address that ends in a slash is another address.
        return (channel, path, door) if door and not rest.endswith("/") else None

    def _answer(self, channel: Channel, name: str, door: Door, wire: Wire) -> Answer:
        try:
            return self._take(channel, name, door, wire)
        except Forged:
            self._metrics.count("refused")
            return _FORGED
        except Unreadable:
            return self._unreadable(channel, name, door, wire)
        except Unkept:
            return _KEEP_IT
        except Exception:  # a fault of ours must not show a caller an error page, nor lose the words of an SMS
            self._metrics.count("failed")
            log.exception("webhook_failed", channel=channel.name)
            return self._safe(channel, name, door, wire)

    def _take(self, channel: Channel, name: str, door: Door, wire: Wire) -> Answer:
        fields = _fields(channel, door, wire)
        if fields.recoded:
            self._metrics.count("inbound_not_utf8")
        received = channel.receive(name, fields)
        if isinstance(received, Inbound):
            return channel.answer(name, self._desk.take(channel, received))
        self._desk.note(received)
        return channel.answer(name, None)

    def _unreadable(self, channel: Channel, name: str, door: Door, wire: Wire) -> Answer:
        log.warning("webhook_unreadable", channel=channel.name)
        if door.opens == "ussd":
            self._metrics.count("inbound_unreadable")
            return channel.answer(name, self._desk.not_working(channel, _said(wire)))
        if door.opens == "notice":
            self._metrics.count("notice_unreadable")
            return channel.answer(name, None)
        try:
            country = self._desk.country("sms", "")
            self._desk.keep_unread(channel.name, country, _said(wire), wire.header("Content-Type")[:200])
        except Unkept:
            return _KEEP_IT
        return channel.answer(name, None)

    def _safe(self, channel: Channel, name: str, door: Door, wire: Wire) -> Answer:
        if door.opens == "sms":
            return _KEEP_IT
        return channel.answer(name, self._desk.not_working(channel, _said(wire)) if door.opens == "ussd" else None)


class Forged(Exception):
    """Not signed by the provider, or not to be read so far that its signature could be checked."""


def _fields(channel: Channel, door: Door, wire: Wire) -> Fields:
    """What the body says. Raises Forged; Unreadable only for a request that is known to be the provider's."""
    try:
        fields = form.read(door, wire)
    except Unreadable:
        if channel.token or channel.practice:
            raise
        raise Forged from None
    if not channel.vouches(wire, fields):
        raise Forged
    return fields


def _wire(request: Request, raw: bytes) -> Wire:
    query = request.query_string.decode("latin-1")
    target = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.path
    target = target if "?" in target or not query else f"{target}?{query}"
    return Wire(request.method, target, lambda name: request.headers.get(name, ""), raw)


def _said(wire: Wire) -> bytes:
    """All that may hold words: a GET has them in its query."""
    return wire.body or wire.target.partition("?")[2].encode("utf-8", "surrogateescape")


_KEEP_IT = Answer(503, "text/plain; charset=utf-8", b"")
_FORGED = Answer(403, "text/plain; charset=utf-8", b"Forbidden\n")


def _body(request: Request) -> bytes | None:
    """The raw body; None where it is too large, and then it is not read to its end."""
    if (request.content_length or 0) > MOST_BYTES:
        return None
    try:
        raw = request.stream.read(MOST_BYTES + 1)
    except ClientDisconnected:
        return b""
    return raw if len(raw) <= MOST_BYTES else None


def is_local(request: Request, *, private: bool = False) -> bool:
    """From this machine (`private`: or its own network), and not passed on by a proxy, which always says so."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    if not request.remote_addr:
        return True  # a unix socket
    address = ipaddress.ip_address(request.remote_addr)
    return address.is_loopback or (private and address.is_private)
