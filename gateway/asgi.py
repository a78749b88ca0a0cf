"""The ASGI application of production: webhooks run on the event loop, everything else in the Flask application.

`gunicorn -c gateway/gunicorn.conf.py 'gateway.asgi:create_app()'`. Flask's own routes to the webhooks
(gateway/views.py) use the same handlers, but Flask takes more time than the screen itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from a2wsgi import WSGIMiddleware

from gateway import app
from gateway.messaging.model import HttpResponse
from gateway.services import Services
from gateway.webhooks import HOOKS, RequestHead, arrived_at
from runtime import event_loop_guard
from runtime.security_headers import HEADERS

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

UNKNOWN_ADDRESS: Final = "192.0.2.0"  # stands for a client that closed the connection before it was accepted
FLASK_THREADS: Final = 2  # for health checks and metrics
# A refusal closes the connection whether or not the body was read: the two must not look different.
CLOSING_STATUSES: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
_HEADERS: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Application:
    """An ASGI application around a Flask one."""

    def __init__(self, flask: Any) -> None:
        parts: Services = flask.extensions["tokaut"]
        self._parts = parts
        self._webhooks = parts.webhooks
        self._flask: Any = WSGIMiddleware(flask, workers=FLASK_THREADS)
        self.count_refused = partial(parts.metrics.count, "requests_malformed")  # called by the server for bad requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI scope: the lifespan, a webhook, or any other request by Flask."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(HOOKS):
            with suppress(ConnectionAbortedError):
                await _send(send, await self._answer(scope, receive))
        else:  # the server has no other type, because it is started without WebSockets
            await self._flask(scope, receive, partial(_send_closing, send))

    async def _answer(self, scope: Scope, receive: Receive) -> HttpResponse:
        authorized = self._webhooks.authorize(_head(scope))
        if isinstance(authorized, HttpResponse):
            return authorized
        is_too_large = int(authorized.head.headers.get("content-length") or 0) > authorized.endpoint.max_bytes
        body = None if is_too_large else await _read(receive, authorized.endpoint.max_bytes)
        return self._webhooks.too_large() if body is None else await self._webhooks.answer(authorized, body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        event_loop_guard.protect(asyncio.get_running_loop())
        admission = asyncio.create_task(self._webhooks.admission.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        admission.cancel()
        await self._parts.sessions.disconnect()
        await send({"type": "lifespan.shutdown.complete"})


def create_app(environ: Mapping[str, str] | None = None) -> Application:
    """Return the web process as an ASGI application. Exits with one line for each wrong setting."""
    return Application(app.create_app(environ))


def _head(scope: Scope) -> RequestHead:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    target = b"?".join(filter(None, (scope["raw_path"], scope["query_string"]))).decode("latin-1")

    is_unix_socket = scope["server"] is None or scope["server"][1] is None
    client = str(scope["client"][0]) if scope["client"] else "" if is_unix_socket else UNKNOWN_ADDRESS
    return RequestHead(scope["method"], scope["path"], target, headers, client, arrived_at(headers, client))


async def _read(receive: Receive, max_bytes: int) -> bytes | None:
    """Return the body; None if it has more than `max_bytes` bytes. Raises ConnectionAbortedError if it is cut off."""
    body, has_more = b"", True
    while has_more and len(body) <= max_bytes:  # the server aborts a request that takes too long
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    return body if len(body) <= max_bytes else None


async def _send_closing(send: Send, message: MutableMapping[str, Any]) -> None:
    """Send an ASGI message. A refusal closes the connection, by Flask or by a webhook."""
    if message["type"] == "http.response.start" and message["status"] in CLOSING_STATUSES:
        message["headers"] = [*message["headers"], (b"connection", b"close")]
    await send(message)


async def _send(send: Send, answer: HttpResponse) -> None:
    headers = {"content-type": answer.content_type, "content-length": str(len(answer.body)), **answer.headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await _send_closing(send, {"type": "http.response.start", "status": answer.status, "headers": encoded + _HEADERS})
    await send({"type": "http.response.body", "body": answer.body})
