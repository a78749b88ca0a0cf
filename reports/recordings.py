"""Recordings of what reporters say in calls: their states and limits. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from runtime.time_units import DAY, HOUR, MINUTE, SECOND

MOST_BYTES: Final = 2 * 1024 * 1024  # of one recording: 180 s of telephone sound are 0.7 MiB as MP3
MOST_OF_A_REPORT: Final = 10  # recordings
LEAST_SECONDS, MOST_SECONDS = 10, 180  # that a country file may allow for one recording
ARRIVES_WITHIN: Final = 30 * MINUTE  # after this the hotlines are told that a recording did not come
TELL_AFTER: Final = 15 * MINUTE  # that it could not be fetched; it is still tried
GIVE_UP_AFTER: Final = DAY  # then it is deleted at the provider unheard
ALERT_AFTER: Final = HOUR  # that it could not be deleted at the provider
LEAVE_AFTER: Final = 14 * DAY  # at the provider, for a person to delete
SOUNDS: Final = {"audio/mpeg": "mp3", "audio/wav": "wav"}


class RecordingState(StrEnum):
    """How far a recording has come. Times at which it goes on are in `next_at`."""

    EXPECTED = "expected"  # the reporter was asked to speak; the provider has not named a recording
    DUE = "due"  # at the provider, to be fetched
    REMOVING = "removing"  # fetched or given up; to be deleted at the provider
    DONE = "done"  # nothing of it is at the provider, as far as known
    LEFT = "left"  # could not be deleted at the provider; a person was alerted


UNFINISHED: Final = (RecordingState.EXPECTED, RecordingState.DUE, RecordingState.REMOVING)


def retry_delay(attempt: int) -> int:
    """Return how long to wait after an attempt that failed, in microseconds. `attempt`: counts from 1."""
    seconds = (10, 30, 60, 300, 900)
    return seconds[min(attempt, len(seconds)) - 1] * SECOND


def kind_of_sound(data: bytes) -> str | None:
    """Return the content type of a sound by its first bytes; None for anything but MP3 and WAV.

    Only these are stored: a console must not be handed a page or a picture in the place of a voice.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2  # MPEG frame sync, layer III
    return "audio/mpeg" if data[:3] == b"ID3" or is_frame else None
