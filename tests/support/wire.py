"""A request as it comes over the wire, for tests that need no server."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.messaging.model import RawRequest


def wire(
    body: bytes = b"", headers: Mapping[str, str] | None = None, *, method: str = "POST", target: str = "/"
) -> RawRequest:
    told = {name.lower(): value for name, value in (headers or {}).items()}
    return RawRequest(method, target, lambda name: told.get(name.lower(), ""), body)
