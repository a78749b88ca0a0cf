"""The baseline of `tokaut bench`, the least that an HTTP screen can cost: a bare Flask view with one GET and one SET.

gunicorn runs it with the same settings as web and with web's own Redis client. It stores as many bytes as web does for
a session, and answers with as many as a screen has.
"""

from __future__ import annotations

import os

from flask import Flask, Response, request

from gateway.sessions.store import USSD_SECONDS
from runtime.redis_clients import session_client
from runtime.settings import RedisAddress

SESSION = b"x" * 600
ANSWER = b"CON " + b"y" * 140


def create_app() -> Flask:
    """Return the Flask application of the baseline."""
    app = Flask("floor", static_folder=None)
    redis = session_client(RedisAddress(os.environ["REDIS_URL"]))

    @app.post("/hooks/<path:rest>")
    def screen(rest: str) -> Response:
        del rest
        session = request.get_data().partition(b"&")[0]
        redis.get(session)
        redis.set(session, SESSION, px=USSD_SECONDS * 1000)
        return Response(ANSWER, content_type="text/plain; charset=utf-8")

    return app
