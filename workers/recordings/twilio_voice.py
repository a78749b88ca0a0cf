"""Recordings of calls over Twilio Voice: fetched by the account's own API, and deleted there.

Only the recording's id is taken from Twilio's request; host and account are those of our settings. The sound is
MP3. After the deletion Twilio keeps data about the recording, without the sound, for some 40 days.
"""

from __future__ import annotations

import base64
import re

from runtime.settings import Mode, TwilioAccount, from_environment, parsers
from workers.network.http_client import HttpClient
from workers.network.sound_fetch import RecordingUnavailable, SoundClient

API = "https://api.twilio.com"
SID = re.compile(r"RE[0-9a-f]{32}")
CALL = re.compile(r"CA[0-9a-f]{32}")
UNFINISHED = frozenset({"in-progress", "paused", "stopped", "processing"})  # states of a recording; the call may go on


@from_environment
class Settings(TwilioAccount):
    """The Twilio account, and the address of its API."""

    url: str | None = parsers.twilio_url_field()


class Recorder:
    """The recordings of the account."""

    def __init__(self, settings: Settings, mode: Mode, client: HttpClient | None = None) -> None:
        pair = f"{settings.account_sid}:{settings.auth_token.reveal()[0]}"
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        self._client = SoundClient(settings.url or API, headers, live=mode is Mode.LIVE, client=client)
        self._account = f"/2010-04-01/Accounts/{settings.account_sid}/"

    def fetch(self, source: str) -> bytes:
        """Return the sound of a recording. Raises RecordingUnavailable."""
        return self._client.fetch(f"{self._path(source)}.mp3")

    def delete(self, source: str) -> None:
        """Delete a recording. Raises RecordingUnavailable."""
        self._client.delete(f"{self._path(source)}.json")

    def find(self, call: str) -> tuple[str, ...]:
        """Return the ids of a call's recordings. Raises RecordingUnavailable, also if one is not complete yet."""
        if not CALL.fullmatch(call):
            raise RecordingUnavailable("foreign_address", is_final=True)
        answer = self._client.fetch_json(f"{self._account}Calls/{call}/Recordings.json")
        listed = answer.get("recordings") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise RecordingUnavailable("reset")
        found = [one for one in listed if isinstance(one, dict)]
        if any(one.get("status") in UNFINISHED for one in found):
            raise RecordingUnavailable("not_found")
        complete = [str(one.get("sid")) for one in found if one.get("status") == "completed"]
        return tuple(sid for sid in complete if SID.fullmatch(sid))

    def _path(self, source: str) -> str:
        if not SID.fullmatch(source):
            raise RecordingUnavailable("foreign_address", is_final=True)
        return f"{self._account}Recordings/{source}"
