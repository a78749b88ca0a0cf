"""The webhooks as Flask serves them: one view, and a route for each address that a provider may call."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, request

from gateway import webhooks
from gateway.background.event_loop import BackgroundLoop
from gateway.messaging.model import Channel, HttpResponse
from gateway.webhooks import HOOKS, RequestHead, Webhooks
from runtime.security_headers import HEADERS


def blueprint(handler: Webhooks, loop: BackgroundLoop) -> Blueprint:
    """Return the routes of all channels. Their handlers run on `loop`."""
    hooks = Blueprint("hooks", __name__)

    def receive(**_: str) -> Response:
        endpoint = handler.authorize(_head())
        if isinstance(endpoint, HttpResponse):
            return response(endpoint)
        if (request.content_length or 0) > endpoint.most_bytes:
            return response(handler.too_large())
        body = request.stream.read(endpoint.most_bytes + 1)
        if len(body) > endpoint.most_bytes:
            return response(handler.too_large())
        return response(loop.run(handler.answer(endpoint, body)))

    for rule, endpoint, methods in (rule for channel in handler.channels.values() for rule in _rules(channel)):
        hooks.add_url_rule(rule, endpoint, receive, methods=methods, provide_automatic_options=False)
    return hooks


def refusal(handler: Webhooks) -> Response | None:
    """Return the answer where Flask has no route for a webhook's address and method; None for all other addresses.

    Which methods a webhook takes, only whoever may ask it learns; the others are counted.
    """
    head = _head()
    answer = handler.authorize(head) if head.path.startswith(HOOKS) else None
    return response(answer) if isinstance(answer, HttpResponse) else None


def response(answer: HttpResponse) -> Response:
    """Return an answer as Flask has it."""
    return Response(answer.body, answer.status, dict(answer.headers), content_type=answer.content_type)


def harden(answer: Response) -> Response:
    """Lay the headers on that every answer has; the phone's page keeps a policy of its own."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def is_local(*, private: bool = False) -> bool:
    """Return whether Flask's present request is from this machine; `private`: or from its own network."""
    return webhooks.is_local(_header, request.remote_addr or "", private=private)


def _header(name: str) -> str:
    return request.headers.get(name, "")


def _rules(channel: Channel) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Return the address, the name and the methods of each webhook."""
    token = "/<token>" if channel.token else ""
    for name, door in channel.doors.items():
        address = f"{HOOKS}{channel.name}{token}{'/' if name else ''}{name}"
        yield address, f"{channel.name}_{name}".replace("/", "_"), door.methods


def _head() -> RequestHead:
    path, query = request.environ["PATH_INFO"], request.environ.get("QUERY_STRING", "")
    headers = request.headers
    target = request.environ.get("RAW_URI") or (f"{path}?{query}" if query else path)
    return RequestHead(request.method, path, target, lambda name: headers.get(name, ""), request.remote_addr or "")
