"""Recordings of calls over Africa's Talking Voice: fetched only from the address that the operator has set.

The provider posts the whole address of a recording. It is used only if it begins with that of the setting and has no
query. The provider's pages name no way to delete a recording, nor to ask for those of a call; how long one is stored is
to be agreed with the provider.
"""

from __future__ import annotations

import re

from runtime.settings import Mode, from_environment, parsers
from workers.network.http_client import HttpClient
from workers.network.sound_fetch import RecordingUnavailable, SoundClient

PATH = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,8}")


@from_environment
class Settings:
    """The address at which the provider stores recordings."""

    recordings: str | None = parsers.recordings_url_field()


class Recorder:
    """The recordings at the operator's address."""

    def __init__(self, settings: Settings, mode: Mode, client: HttpClient | None = None) -> None:
        self._base = (settings.recordings or "").rstrip("/")
        self._client = SoundClient(self._base, {}, live=mode is Mode.LIVE, client=client)

    def fetch(self, source: str) -> bytes:
        """Return the sound of a recording. Raises RecordingUnavailable."""
        path = source.removeprefix(self._base)
        if not self._base or path == source or not PATH.fullmatch(path):
            raise RecordingUnavailable("foreign_address", is_final=True)
        return self._client.fetch(path)

    def delete(self, source: str) -> None:
        """Raise RecordingUnavailable: there is no way to delete a recording."""
        del source
        raise RecordingUnavailable("not_deleted", is_final=True)

    def find(self, call: str) -> tuple[str, ...]:
        """Return nothing: there is no way to ask for the recordings of a call."""
        del call
        return ()
