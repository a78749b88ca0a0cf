"""The Flask application at its edge: the webhooks are answered before its routing, the headers laid on all answers.

What a webhook waits for it tells step by step (`gateway.steps`): our server takes the steps of very many callers in one
thread; any other WSGI server calls `wsgi_app`, and they are taken one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask

from gateway.steps import Commands, Steps, finish
from serving.answering import Said

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from gateway.exchange import Exchange
    from gateway.parts import Parts

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

    parts: Parts
    exchange: Exchange
    refused: Callable[[], None]  # called by the server for what was no request, which it answers itself

    def steps(self, environ: WSGIEnvironment) -> Steps[Said] | None:
        """Of the answer to a webhook: status, headers, body. None for all else: that is asked as WSGI has it."""
        path = environ["PATH_INFO"]
        return self._steps(environ, path.removeprefix(HOOKS)) if path.startswith(HOOKS) else None

    def body_limit(self, environ: WSGIEnvironment) -> int:
        """Return how many bytes of a request's body are read. A wrong token is refused before its body has come."""
        path = environ["PATH_INFO"]
        return self.parts.webhooks.body_limit(environ, path.removeprefix(HOOKS)) if path.startswith(HOOKS) else 0

    def finish(self, steps: Steps[Said], wanted: Commands | None = None) -> Said:
        """Whatever is left of them, in this thread."""
        with self.parts.crowd.one, self.parts.database.one_answer():
            return finish(steps, self.parts.sessions.ask, wanted)

    def _steps(self, environ: WSGIEnvironment, rest: str) -> Steps[Said]:
        said = yield from self.parts.webhooks.answer(environ, rest)
        own = [("Content-Type", said.content_type), ("Content-Length", str(len(said.body))), *said.headers.items()]
        return STATUS[said.status], own + HEADERS, said.body

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if steps := self.steps(environ):
            status, headers, body = self.finish(steps)
            start_response(status, headers)
            return [body]

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            own = {name for name, _ in headers}  # the phone's page has a policy of its own: two would both hold
            return start_response(status, headers + [one for one in HEADERS if one[0] not in own], *error)

        return super().wsgi_app(environ, start)
