"""Tries the door by which a hotline calls back: that it is there, and knows the secret that this hotline signs with.

The calls are about a report that there is not, so they change nothing: whoever signs well is told 404.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook as Signer

from reports.json_bodies import json_bytes
from runtime.settings.parsers import new_webhook_secret
from tokaut.trial import Row, fresh
from workers.hotlines.webhook import WebhookConnector, signed_headers
from workers.network.allowlist import DEFAULT_PORTS, BadTarget, parse_target
from workers.network.http_client import HttpClient, NoResponse

LOOK = "Look at CONSOLE_URL, and whether the console runs and has this hotline's secret."


def called_back(door: WebhookConnector, hotline: str, console: str, *, live: bool) -> Iterator[Row]:
    key, report_id = fresh(), fresh()
    body = json_bytes({"report_id": report_id, "state": "accepted"})
    url = f"{console}/hotlines/{hotline}/reports/{report_id}"
    known, strange = (
        door.headers(key, body),
        signed_headers([Signer(new_webhook_secret())], key, body, int(time.time())),
    )
    yield _row("may call back", url, (body, known), 404, live=live)
    yield _row("nobody else may", url, (body, strange), 401, live=live)


def _row(name: str, url: str, said: tuple[bytes, dict[str, str]], wanted: int, *, live: bool) -> Row:
    parts = urlsplit(url)
    here = f"{parts.hostname}:{parts.port or DEFAULT_PORTS.get(parts.scheme, 0)}"  # our own console lies where we say
    try:
        status = HttpClient().post(parse_target(url, (here,), live=live), *said).status
    except BadTarget as wrong:
        return Row(name, False, f"CONSOLE_URL {wrong}")
    except NoResponse as missing:
        return Row(name, False, f"The console does not answer ({missing.why}). {LOOK}")
    return Row(name, status == wanted, str(status) if status == wanted else f"{status} and not {wanted}. {LOOK}")
