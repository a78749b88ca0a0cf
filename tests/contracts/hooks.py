"""Hooks of schemathesis: real secrets and ids instead of generated ones, and valid signatures.

Only a valid generated value is replaced, so that deliberately wrong ones stay wrong. The file CONTRACTS_SHEET has the
secrets and ids (tests.contracts.running).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
import schemathesis
from standardwebhooks.webhooks import Webhook

from tests.faults.fuzz.webhooks import ACCOUNT, SIGNED, Request
from tests.support import network_guard

network_guard.install()
SHEET = json.loads(Path(os.environ["CONTRACTS_SHEET"]).read_text())
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
ACCOUNT_ID = re.compile(r"AC[0-9a-f]{32}")
HOTLINE = re.compile(r"[a-z0-9-]{2,64}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
STAMP = {"webhook-id": re.compile(r"[0-9A-Za-z-]{1,80}"), "webhook-timestamp": re.compile(r"[0-9]{10}")}
SIGNATURE = "webhook-signature"
_hotlines = itertools.cycle(sorted(SHEET["hotlines"]))


class Signature(requests.auth.AuthBase):
    """Sign a request as a hotline or a provider does, once its bytes are final. A missing signature stays missing."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = request.path_url
        body = request.body or b""
        raw = body if isinstance(body, bytes) else str(body).encode()
        if path.startswith("/hotlines/"):
            hotline = SHEET["hotlines"].get(path.split("/")[2], {})
            if (
                hotline
                and SIGNATURE in request.headers
                and all(_fits(pattern, _text(request.headers.get(name))) for name, pattern in STAMP.items())
            ):
                signed = raw.decode("utf-8", "replace") if request.method == "POST" else f"{request.method} {path}"
                request.headers.update(_stamp(hotline["secret"], signed))
        elif path.startswith("/hooks/") and (sign := SIGNED.get(path.split("/")[2])):
            signed_request = sign(SHEET["web"])(Request(request.method or "", path.encode(), (), raw))
            headers = {name.decode(): value.decode() for name, value in signed_request.headers}
            if all(name in request.headers for name in headers):
                request.headers.update(headers)
        return request


def _stamp(secret: str, text: str) -> dict[str, str]:
    key, moment = str(uuid.uuid4()), int(time.time())  # a new key, because a repeat would have no effect
    signature = Webhook(secret).sign(key, datetime.fromtimestamp(moment, UTC), text)
    return {"webhook-id": key, "webhook-timestamp": str(moment), SIGNATURE: signature}


@schemathesis.hook
def before_call(_context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    path, body = case.path_parameters or {}, case.body
    if _fits(TOKEN, path.get("token")):
        path["token"] = SHEET["tokens"][case.path.split("/")[2]]
    if _fits(HOTLINE, path.get("hotline")):
        path["hotline"] = next(_hotlines)
        if _fits(UUID, path.get("report_id")):
            path["report_id"] = SHEET["hotlines"][path["hotline"]]["report"]
            if isinstance(body, dict) and _fits(UUID, body.get("report_id")):
                body["report_id"] = path["report_id"]
    if isinstance(body, dict) and _fits(ACCOUNT_ID, body.get("AccountSid")):
        body["AccountSid"] = ACCOUNT
    kwargs["auth"] = Signature()


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _fits(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
