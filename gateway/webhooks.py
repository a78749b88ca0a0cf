"""Handle the webhooks that providers call: check token, method and size, then read the body.

An unauthorized request learns nothing from the answer. An authorized request with any content is answered with 200 and
something sensible. These requests get 503, so that the provider sends them again:

* an SMS, an opt-out or the place of a recording that cannot be stored now
* a request at an SMS or event endpoint that ran out of time
* an SMS that is not admitted under load, or whose handling failed because of a bug
* a signed request of any kind, if too many wait for the check of their signature (`TooManyUnverified`)
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.admission import AdmissionControl, RefusalLog
from gateway.conversation.dispatcher import Dispatcher
from gateway.messaging import parsing
from gateway.messaging.model import (
    Channel,
    Endpoint,
    Fields,
    HttpResponse,
    Inbound,
    ProviderEvent,
    RawRequest,
    Reply,
    UnreadableRequest,
)
from gateway.metrics import WebMetrics
from gateway.submission.builder import NotStored
from gateway.threads import BlockingPool, TooManyUnverified
from reports.crypto.synthetic_calls import HEADER, SCREEN_HEADER, is_synthetic
from reports.store.engine.database import DatabaseUnavailable
from runtime import tracing
from runtime.telephony import CALL_KINDS

HOOKS = "/hooks/"
MAX_WAIT_SECONDS = 60  # a proxy's header with a longer wait means that a clock was changed
MAX_BYTES_ON_LOOP = 8 * 1024  # bytes of a USSD request that is parsed on the event loop
PLAIN = "text/plain; charset=utf-8"
# The answer for an unknown address, a wrong token, or a channel that is not configured.
NOT_FOUND = HttpResponse(404, PLAIN, b"Not found\n")
_TOO_LARGE = HttpResponse(413, PLAIN, b"")
_SEND_AGAIN = HttpResponse(503, PLAIN, b"")
_FORGED = HttpResponse(403, PLAIN, b"Forbidden\n")
_FAILED = HttpResponse(500, PLAIN, b"Failed\n")
_PROOF_HEADER = HEADER.lower()  # as `RequestHead.headers` names it

log = structlog.get_logger()


class RequestHead(Struct, frozen=True):
    """A request without its body, as the server read it."""

    method: str
    path: str  # decoded, as routes match it
    target: str  # path and query, percent-encoding and order as received
    headers: Mapping[str, str]  # by name in lower case
    client: str  # the sender's IP address; "" for a Unix socket
    arrived_at: float  # monotonic seconds


class AuthorizedRequest(Struct, frozen=True):
    """A request that may use the webhook at its address. Its body has not been read yet."""

    channel: Channel
    name: str  # what follows the channel and its token in the address; may be ""
    endpoint: Endpoint
    head: RequestHead
    waited: float  # seconds from arrival until its handling began


class Webhooks:
    """Answer webhook requests: authorize the head, read the body, and pass the message to the dispatcher."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        dispatcher: Dispatcher,
        metrics: WebMetrics,
        blocking: BlockingPool,
        admission: AdmissionControl,
        *,
        synthetic_keys: Sequence[bytes] = (),
    ) -> None:
        """Create the handler. `synthetic_keys`: keys that prove a call synthetic; without one, no call is."""
        self.admission = admission
        self.channels = channels
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._blocking = blocking
        self._refusals = RefusalLog()
        self._synthetic_keys = synthetic_keys

    def authorize(self, head: RequestHead) -> AuthorizedRequest | HttpResponse:
        """Return the request with its endpoint, or the answer that refuses it before its body is read."""
        hook_path = head.path.removeprefix(HOOKS)
        match = self._find(hook_path, head)
        if match is None:
            name = hook_path.partition("/")[0]
            self._refused("token", name if name in self.channels else None)
            return NOT_FOUND
        channel, name, endpoint = match
        if head.method not in endpoint.methods:
            return HttpResponse(405, PLAIN, b"", {"Allow": ", ".join(sorted(endpoint.methods))})
        if not channel.may_be_genuine(head.headers):
            self._refused("signature", channel.name)
            return _FORGED
        return AuthorizedRequest(channel, name, endpoint, head, time.monotonic() - head.arrived_at)

    def too_large(self) -> HttpResponse:
        """Return the answer to a body over the size limit. No part of it is handled."""
        self._metrics.count("requests_too_large")
        return _TOO_LARGE

    async def answer(self, authorized: AuthorizedRequest, body: bytes) -> HttpResponse:
        """Handle a complete request and return the answer. Raises nothing."""
        head = authorized.head
        channel, name = authorized.channel.name, authorized.name
        try:
            with (
                tracing.span("reply", channel=channel, endpoint=name),
                self._blocking.request(time.monotonic() - head.arrived_at),
            ):
                answer = await self._answer(authorized, RawRequest(head.method, head.target, head.headers, body))
                tracing.annotate(status=answer.status)
        except Exception:
            self._metrics.count("request_errors")
            log.exception("webhook_failed", channel="")
            return _FAILED
        if head.headers.get(_PROOF_HEADER):  # synthetic calls are not counted: an alert fires if no reporter calls
            self._metrics.count("synthetic_requests")
        else:
            self._metrics.answered(channel, name or "-", time.monotonic() - head.arrived_at)
        return answer

    def _refused(self, reason: str, channel: str | None) -> None:
        self._metrics.count("requests_unauthenticated")
        self._refusals.add(reason, channel)

    def _find(self, hook_path: str, head: RequestHead) -> tuple[Channel, str, Endpoint] | None:
        name, _, path = hook_path.partition("/")
        channel = self.channels.get(name)
        if channel is None or (channel.is_simulator and not is_local(head.headers, head.client)):
            return None
        if channel.token:
            token, _, path = path.partition("/")
            if not channel.accepts(token):
                return None
        endpoint = channel.endpoints.get(path)
        # An address with a trailing slash is a different address.
        return (channel, path, endpoint) if endpoint and not hook_path.endswith("/") else None

    async def _answer(self, request: AuthorizedRequest, wire: RawRequest) -> HttpResponse:
        channel, name, endpoint = request.channel, request.name, request.endpoint
        try:
            return await self._take(request, wire)
        except ForgedRequest:
            self._refused("signature", channel.name)
            return _FORGED
        except UnreadableRequest as error:
            log.warning("webhook_unreadable", channel=channel.name, reason=error.reason, field=error.field)
            return await self._unreadable(channel, name, endpoint, wire)
        except NotStored:
            return _SEND_AGAIN
        except DatabaseUnavailable:  # the request ran out of time; it may be an SMS or an opt-out
            return self._fallback(channel, name, endpoint, wire) if endpoint.kind in CALL_KINDS else _SEND_AGAIN
        except Exception:  # a bug must neither show a reporter an error page nor lose an SMS
            self._metrics.count("request_errors")
            log.exception("webhook_failed", channel=channel.name)
            return self._fallback(channel, name, endpoint, wire)

    async def _take(self, request: AuthorizedRequest, wire: RawRequest) -> HttpResponse:
        channel, name, endpoint = request.channel, request.name, request.endpoint
        if _is_signed(channel):
            fields = await self._verified_fields(channel, endpoint, wire)
        elif endpoint.kind not in CALL_KINDS or len(wire.body) > MAX_BYTES_ON_LOOP:
            fields = await self._blocking.run(_read_fields, channel, endpoint, wire)
        else:
            fields = _read_fields(channel, endpoint, wire)
        if fields.recoded:
            self._metrics.count("values_not_utf8")
        received = channel.receive(name, fields)
        if isinstance(received, HttpResponse):
            return received
        if proof := wire.headers.get(_PROOF_HEADER):
            return await self._synthetic(channel, name, wire, received, proof)
        if isinstance(received, Inbound):
            self.admission.note(request.waited)  # after the signature check: forged requests must not count as calls
            if not self.admission.admits(received):
                return self._shed(channel, name, received)
            turn = await self._dispatcher.take(channel, received)
            if received.kind == "sms" and turn.text:
                self._metrics.replied(channel.name, turn.text)
            return channel.answer(name, turn)
        if received.what == "missed_call":
            await self._dispatcher.missed_call(channel, received)
        else:
            if received.what == "delivery":
                self._metrics.delivery_reported(channel.name, received.status)
            await self._dispatcher.note(channel, received)
        return channel.answer(name, None)

    async def _synthetic(
        self, channel: Channel, name: str, wire: RawRequest, received: Inbound | ProviderEvent, proof: str
    ) -> HttpResponse:
        """Answer a synthetic call like any other, and name its screen in a header. Raises ForgedRequest."""
        if not (isinstance(received, Inbound) and received.kind == "ussd") or not is_synthetic(
            self._synthetic_keys, proof, int(time.time()), wire.target, wire.body
        ):
            raise ForgedRequest
        inbound = replace(received, synthetic=True)
        answer = channel.answer(name, await self._dispatcher.take(channel, inbound))
        screen = await self._dispatcher.current_screen(channel, inbound)
        return replace(answer, headers={**answer.headers, SCREEN_HEADER: screen})

    async def _verified_fields(self, channel: Channel, endpoint: Endpoint, wire: RawRequest) -> Fields:
        """Return the fields of a signed request. Raises ForgedRequest, UnreadableRequest, NotStored."""
        try:
            return await self._blocking.check(_read_fields, channel, endpoint, wire)
        except TooManyUnverified:
            self._metrics.count("signature_checks_shed")
            raise NotStored from None

    def _shed(self, channel: Channel, name: str, inbound: Inbound) -> HttpResponse:
        """Answer a new call with the emergency numbers; ask the provider to send an SMS again."""
        if inbound.kind == "sms":
            self._metrics.count("sms_not_admitted")
            return _SEND_AGAIN
        self._metrics.count("calls_not_admitted")
        return channel.answer(name, self._dispatcher.busy(channel, inbound))

    async def _unreadable(self, channel: Channel, name: str, endpoint: Endpoint, wire: RawRequest) -> HttpResponse:
        if endpoint.kind in CALL_KINDS:
            self._metrics.count("ussd_requests_unparsed")
            return channel.answer(name, self._not_working(channel, endpoint, wire))
        if endpoint.kind == "notice":
            self._metrics.count("provider_events_unparsed")
            return channel.answer(name, None)
        try:
            country = self._dispatcher.country("sms", _code_and_link(channel, endpoint, wire)[0])
            await self._dispatcher.store_unparsed(
                channel.name, country, _raw_words(wire), wire.headers.get("content-type", "")[:200]
            )
        except NotStored:
            return _SEND_AGAIN
        return channel.answer(name, None)

    def _fallback(self, channel: Channel, name: str, endpoint: Endpoint, wire: RawRequest) -> HttpResponse:
        if endpoint.kind == "sms":
            return _SEND_AGAIN
        if endpoint.kind == "notice":
            return channel.answer(name, None)
        return channel.answer(name, self._not_working(channel, endpoint, wire))

    def _not_working(self, channel: Channel, endpoint: Endpoint, wire: RawRequest) -> Reply:
        code, link = _code_and_link(channel, endpoint, wire)
        dialled = code.encode("utf-8", "replace") or _raw_words(wire)
        return replace(self._dispatcher.not_working(channel, endpoint.call_kind, dialled), link=link)


class ForgedRequest(Exception):
    """Raised for a request without a valid provider signature, or too malformed for its signature to be checked."""


def _read_fields(channel: Channel, endpoint: Endpoint, wire: RawRequest) -> Fields:
    """Read the fields of a request and check its signature.

    Raises ForgedRequest. Raises UnreadableRequest only for a request that is known to be the provider's.
    """
    try:
        fields = parsing.read(endpoint, wire)
    except UnreadableRequest:
        if not _is_signed(channel):
            raise
        raise ForgedRequest from None
    if not channel.verify_signature(wire, fields):
        raise ForgedRequest
    return fields


def _is_signed(channel: Channel) -> bool:
    """Return whether a signature over the whole request is the only proof of the sender."""
    return not (channel.token or channel.is_simulator)


def _code_and_link(channel: Channel, endpoint: Endpoint, wire: RawRequest) -> tuple[str, str]:
    """Return the dialled code and the provider's link of a request that could not be read or handled."""
    return channel.code_and_link(lambda field: parsing.peek(endpoint, wire, field))


def _raw_words(wire: RawRequest) -> bytes:
    """Return the bytes that may hold the reporter's words: the body, or the query of a GET."""
    return wire.body or wire.target.partition("?")[2].encode("utf-8", "surrogateescape")


def arrived_at(headers: Mapping[str, str], client: str) -> float:
    """Return when a request arrived, in monotonic seconds: a proxy says since when the request waited there.

    The proxy's header is `X-Request-Start: t=` and Unix seconds. It is trusted only from this machine: from elsewhere
    anybody could make this process look late. `client`: as in `is_local`.
    """
    waited = 0.0
    if (proxy := headers.get("x-request-start", "")).startswith("t=") and is_local({}, client):
        with suppress(ValueError):
            waited = time.time() - float(proxy[2:])
    return time.monotonic() - (waited if 0 < waited < MAX_WAIT_SECONDS else 0.0)  # otherwise a clock was changed


def is_local(headers: Mapping[str, str], client: str, *, private: bool = False) -> bool:
    """Return whether a request comes from this machine; `private`: or from its own network.

    `client` is the peer's IP address, "" for a Unix socket. A request with a proxy's forwarding header is never local.
    """
    if headers.get("x-forwarded-for") or headers.get("forwarded"):
        return False
    if not client:
        return True
    address = ipaddress.ip_address(client)
    return address.is_loopback or (private and address.is_private)
