"""Recordings of what reporters say in calls: their states and limits. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from runtime.time_units import DAY, HOUR, MINUTE, SECOND

MAX_BYTES: Final = 2 * 1024 * 1024  # size of one recording: 180 s of telephone sound are 0.7 MiB as MP3
MAX_PER_REPORT: Final = 10  # recordings
MIN_SECONDS, MAX_SECONDS = 10, 180  # range of the length that a country file may allow for one recording
ARRIVES_WITHIN: Final = 30 * MINUTE  # after this the hotlines are notified that no recording came
NOTIFY_AFTER: Final = 15 * MINUTE  # after this the hotlines are notified that it could not be fetched; retries continue
GIVE_UP_AFTER: Final = DAY  # after this it is deleted at the provider without having been fetched
ALERT_AFTER: Final = HOUR  # after this a person is alerted that it could not be deleted at the provider
LEAVE_AFTER: Final = 14 * DAY  # after this it is left at the provider, for a person to delete
SOUNDS: Final = {"audio/mpeg": "mp3", "audio/wav": "wav"}


class RecordingState(StrEnum):
    """The state of a recording. The time of its next step is in `next_at`."""

    EXPECTED = "expected"  # the reporter was asked to speak; the provider has not named a recording
    DUE = "due"  # it is at the provider, to be fetched
    REMOVING = "removing"  # fetched or given up; to be deleted at the provider
    DONE = "done"  # as far as known, nothing of it is left at the provider
    LEFT = "left"  # could not be deleted at the provider; a person was alerted


UNFINISHED: Final = (RecordingState.EXPECTED, RecordingState.DUE, RecordingState.REMOVING)


def retry_delay(attempt: int) -> int:
    """Return how long to wait after an attempt that failed, in microseconds. `attempt`: counts from 1."""
    seconds = (10, 30, 60, 300, 900)
    return seconds[min(attempt, len(seconds)) - 1] * SECOND


def kind_of_sound(data: bytes) -> str | None:
    """Return the content type of a sound by its first bytes; None for anything but MP3 and WAV.

    Only these are stored, so that the console never serves a page or a picture as sound.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2  # MPEG frame sync, layer III
    return "audio/mpeg" if data[:3] == b"ID3" or is_frame else None
