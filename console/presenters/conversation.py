"""What a reporter and the hotline wrote to each other, in the order of time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.bodies import compatibility
from runtime.time_units import SECOND


@dataclass(frozen=True, slots=True)
class ConversationEntry:
    """`at`: microseconds; 0 where it is not known. `by`: who of the hotline; empty: the reporter. `text`: None where
    there is none, or it does not open."""

    at: int
    by: str
    kind: str
    text: str | None
    is_new: bool = False


def entries(
    said: Iterable[Mapping[str, Any]], notes: Iterable[Mapping[str, Any]], new: Collection[str]
) -> tuple[ConversationEntry, ...]:
    """`said`, `notes`: as they were opened; `new`: ids of what nobody has read."""
    theirs = [_theirs(one, new) for one in said]
    ours = [ConversationEntry(one["at"], one["by"], "answer", one["text"]) for one in notes if one["kind"] == "answer"]
    return tuple(sorted((*theirs, *ours), key=lambda one: one.at))


def _theirs(found: Mapping[str, Any], new: Collection[str]) -> ConversationEntry:
    one = compatibility.complete_message(found)
    return ConversationEntry(
        parse_time(one["created_at"]), "", one["kind"], one["text"], found.get("message_id") in new
    )


def is_newer(text: str, revised: int) -> bool:
    """Whether words typed at this time are in no revision that was read. `revised`: as in News."""
    return bool(revised and text) and parse_time(text) // SECOND >= revised // SECOND


def parse_time(text: str) -> int:
    """A report's own time in microseconds; 0 where it is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * SECOND)
    except ValueError:
        return 0
