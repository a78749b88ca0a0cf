"""Flask views of the webhooks: one route for each address that a provider may call."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from gateway import webhooks
from gateway.messaging.model import Channel, HttpResponse
from gateway.threads import BackgroundLoop
from gateway.webhooks import HOOKS, RequestHead, Webhooks, arrived_at
from runtime.security_headers import HEADERS


def blueprint(handler: Webhooks, loop: BackgroundLoop) -> Blueprint:
    """Return the routes of all channels. Their handlers run on the event loop of `loop`."""
    hooks = Blueprint("hooks", __name__)

    def receive(**_: str) -> Response:
        authorized = handler.authorize(_head())
        if isinstance(authorized, HttpResponse):
            return response(authorized)
        if (request.content_length or 0) > authorized.endpoint.max_bytes:
            return response(handler.too_large())
        body = request.stream.read(authorized.endpoint.max_bytes + 1)
        if len(body) > authorized.endpoint.max_bytes:
            return response(handler.too_large())
        return response(loop.run(handler.answer(authorized, body)))

    for rule, endpoint, methods in (rule for channel in handler.channels.values() for rule in _rules(channel)):
        hooks.add_url_rule(rule, endpoint, receive, methods=methods, provide_automatic_options=False)
    return hooks


def refusal(handler: Webhooks) -> Response | None:
    """Return the response for an address below `/hooks/` that matches no route; None for all other addresses.

    Only an authorized sender learns which methods a webhook accepts; all other requests are refused and counted.
    """
    head = _head()
    answer = handler.authorize(head) if head.path.startswith(HOOKS) else None
    return response(answer) if isinstance(answer, HttpResponse) else None


def response(answer: HttpResponse) -> Response:
    """Convert an answer to a Flask response."""
    return Response(answer.body, answer.status, dict(answer.headers), content_type=answer.content_type)


def harden(answer: Response) -> Response:
    """Set the security headers of every response, and return it.

    A header that is already set stays: the phone's page has its own policy. A 405 names the allowed methods; that of a
    webhook does so only for an authorized sender.
    """
    if answer.status_code == 405 and isinstance(request.routing_exception, MethodNotAllowed):
        answer.headers.setdefault("Allow", ", ".join(sorted(request.routing_exception.valid_methods or ())))
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def is_local(*, private: bool = False) -> bool:
    """Return whether Flask's current request comes from this machine; `private`: or from its own network."""
    return webhooks.is_local(_headers(), request.remote_addr or "", private=private)


def _headers() -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _rules(channel: Channel) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield the URL rule, the name and the methods of each webhook of a channel."""
    token = "/<token>" if channel.token else ""
    for name, endpoint in channel.endpoints.items():
        address = f"{HOOKS}{channel.name}{token}{'/' if name else ''}{name}"
        yield address, f"{channel.name}_{name}".replace("/", "_"), endpoint.methods


def _head() -> RequestHead:
    path, query = request.environ["PATH_INFO"], request.environ.get("QUERY_STRING", "")
    target = request.environ.get("RAW_URI") or (f"{path}?{query}" if query else path)
    headers, client = _headers(), request.remote_addr or ""
    return RequestHead(request.method, path, target, headers, client, arrived_at(headers, client))
