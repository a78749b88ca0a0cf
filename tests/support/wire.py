"""Build raw requests for tests that need no server."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.messaging.model import RawRequest


def raw_request(
    body: bytes = b"", headers: Mapping[str, str] | None = None, *, method: str = "POST", target: str = "/"
) -> RawRequest:
    """Return a request in the form that a channel receives."""
    lower_case_headers = {name.lower(): value for name, value in (headers or {}).items()}
    return RawRequest(method, target, lower_case_headers, body)
