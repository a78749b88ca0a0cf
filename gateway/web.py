"""The Flask application at its edge: the webhooks are answered before its routing, the headers laid on all answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from gateway.webhooks import Webhooks

HOOKS = "/hooks/"
HEADERS = [
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-store"),
]
STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Web(Flask):
    """A webhook has one address and one view: Flask's way to them would cost as much as the screen."""

    webhooks: Webhooks
    refused: Callable[[], None]  # called by the server for what was no request, which it answers itself

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(HOOKS):
            said = self.webhooks.answer(environ, environ["PATH_INFO"].removeprefix(HOOKS))
            length = str(len(said.body))
            own = [("Content-Type", said.content_type), ("Content-Length", length), *said.headers.items()]
            start_response(STATUS[said.status], own + HEADERS)
            return [said.body]

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            own = {name for name, _ in headers}  # the phone's page has a policy of its own: two would both hold
            return start_response(status, headers + [one for one in HEADERS if one[0] not in own], *error)

        return super().wsgi_app(environ, start)
