"""Fetch the sound of a recording from the provider's own host, list the recordings of a call, and delete them there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from reports.recordings import MAX_BYTES, kind_of_sound
from workers.failures import RecordingFailure
from workers.network.allowlist import BadTarget, parse_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse

TIMEOUTS = HttpTimeouts(read=20, total=60, drain=50)  # the sound is in the body
GONE = (404, 410)
MAX_JSON_BYTES = 64 * 1024  # a list of the recordings of one call


class RecordingUnavailable(Exception):
    """A recording could not be fetched or deleted. `is_final`: trying again will not help."""

    def __init__(self, reason: RecordingFailure, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class RecordingSource(Protocol):
    """The recordings of one provider. Each channel that records is a module of workers/recordings/."""

    def fetch(self, source: str) -> bytes:
        """Return the sound. `source`: the provider's name of it. Raises RecordingUnavailable."""
        ...

    def delete(self, source: str) -> None:
        """Delete a recording; succeed if it is already gone. Raises RecordingUnavailable."""
        ...

    def find(self, call: str) -> tuple[str, ...]:
        """Return what the provider calls the recordings of a call that are there. `call`: its id at the provider.

        Empty if the provider has no way to ask. Raises RecordingUnavailable.
        """
        ...


class SoundClient:
    """Sends requests to one host that the operator has configured, and to no other.

    `base`: the host's address, without a path. `headers`: of each request, with our credentials there.
    """

    def __init__(self, base: str, headers: Mapping[str, str], *, live: bool, client: HttpClient | None = None) -> None:
        self._base = base.rstrip("/")
        self._headers = headers
        self._live = live
        self._client = client or HttpClient(limits=TIMEOUTS)

    def fetch(self, path: str) -> bytes:
        """Return the sound at a path. Raises RecordingUnavailable.

        It must be complete, have at most MAX_BYTES, and be sound by its first bytes. What the provider's store says of
        its type is not read: stores give all files the same type, or none.
        """
        response = self._call("GET", path, max_bytes=MAX_BYTES + 1)
        if response.status != 200:
            raise RecordingUnavailable(_reason(response.status))
        stated = response.headers.get("Content-Length", "")
        length = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 16 else len(response.body)
        if max(len(response.body), length) > MAX_BYTES:
            raise RecordingUnavailable("too_large", is_final=True)
        if not response.body or length != len(response.body):
            raise RecordingUnavailable("reset")  # the connection broke within the body
        if kind_of_sound(response.body) is None:
            raise RecordingUnavailable("not_sound", is_final=True)
        return response.body

    def delete(self, path: str) -> None:
        """Delete the sound at a path. Raises RecordingUnavailable."""
        response = self._call("DELETE", path)
        if not (200 <= response.status < 300 or response.status in GONE):
            raise RecordingUnavailable(_reason(response.status))

    def fetch_json(self, path: str) -> Any:
        """Return the JSON at a path. Raises RecordingUnavailable."""
        response = self._call("GET", path, max_bytes=MAX_JSON_BYTES)
        if response.status != 200:
            raise RecordingUnavailable(_reason(response.status))
        try:
            return json.loads(response.body)
        except (ValueError, RecursionError):
            raise RecordingUnavailable("reset") from None  # cut off, or no JSON, or nested too deep

    def _call(self, method: str, path: str, *, max_bytes: int = 1024) -> ClientResponse:
        own = urlsplit(self._base).netloc if not self._live else ""
        try:
            target = parse_target(self._base + path, [own], live=self._live)
            return self._client.call(method, target, b"", self._headers, max_bytes=max_bytes)
        except BadTarget:
            raise RecordingUnavailable("foreign_address", is_final=True) from None
        except NoResponse as error:
            raise RecordingUnavailable(error.reason) from None


def _reason(status: int) -> RecordingFailure:
    if status in GONE:
        return "not_found"
    if 300 <= status < 400:
        return "moved"  # no redirect is followed: its target is not a checked address
    return "locked_out" if status in (401, 403) else "busy"
