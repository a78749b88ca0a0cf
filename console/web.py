"""The Flask application of the console at its edge: the headers of all answers, and errors that say nothing."""

from __future__ import annotations

from flask import Flask, Response

from runtime.security_headers import HEADERS

PLAIN = "text/plain; charset=utf-8"
MOST_BYTES = 64 * 1024  # of a request's body


def make() -> Flask:
    app = Flask("console", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, MAX_FORM_MEMORY_SIZE=MOST_BYTES)
    app.url_map.merge_slashes = False  # another address is another address: no redirect
    app.add_url_rule("/healthz", "healthz", _up)
    app.register_error_handler(404, lambda _: Response("Not found\n", 404, content_type=PLAIN))
    app.register_error_handler(405, lambda _: Response(status=405, content_type=PLAIN))
    app.register_error_handler(500, lambda _: Response("Failed\n", 500, content_type=PLAIN))
    app.after_request(_lay)
    return app


def _up() -> Response:
    return Response("ok\n", content_type=PLAIN)


def _lay(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
