"""The messages between a reporter and a hotline, in order of time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.bodies import compatibility
from runtime.time_units import SECOND


@dataclass(frozen=True, slots=True)
class ConversationEntry:
    """One message.

    `at`: microseconds; 0 if unknown. `by`: the name of the staff member; empty for the reporter. `text`: None if there
    is none, or it does not open.
    """

    at: int
    by: str
    kind: str
    text: str | None
    is_new: bool = False


def entries(
    said: Iterable[Mapping[str, Any]], notes: Iterable[Mapping[str, Any]], new: Collection[str]
) -> tuple[ConversationEntry, ...]:
    """Merge the reporter's messages with the answers among the notes. `new`: ids of unread messages."""
    from_reporter = [_reporter_entry(entry, new) for entry in said]
    from_hotline = [
        ConversationEntry(entry["at"], entry["by"], "answer", entry["text"])
        for entry in notes
        if entry["kind"] == "answer"
    ]
    return tuple(sorted((*from_reporter, *from_hotline), key=lambda entry: entry.at))


def _reporter_entry(message: Mapping[str, Any], new: Collection[str]) -> ConversationEntry:
    entry = compatibility.complete_message(message)
    return ConversationEntry(
        parse_time(entry["created_at"]), "", entry["kind"], entry["text"], message.get("message_id") in new
    )


def is_newer(text: str, revised: int) -> bool:
    """Return whether words typed at this ISO 8601 time are new to the reader. `revised`: as in `Additions`."""
    return bool(revised and text) and parse_time(text) // SECOND >= revised // SECOND


def parse_time(text: str) -> int:
    """Return an ISO 8601 time of a report in microseconds; 0 if it is invalid."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * SECOND)
    except ValueError:
        return 0
