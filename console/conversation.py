"""What a reporter and the hotline wrote to each other, in the order of time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console import older
from runtime.time_units import SECOND


@dataclass(frozen=True, slots=True)
class Turn:
    """`at`: microseconds; 0 where it is not known. `by`: who of the hotline; empty: the reporter. `text`: None where
    there is none, or it does not open."""

    at: int
    by: str
    kind: str
    text: str | None
    is_new: bool = False


def turns(
    said: Iterable[Mapping[str, Any]], notes: Iterable[Mapping[str, Any]], new: Collection[str]
) -> tuple[Turn, ...]:
    """`said`, `notes`: as they were opened; `new`: ids of what nobody has read."""
    theirs = [_theirs(one, new) for one in said]
    ours = [Turn(one["at"], one["by"], "answer", one["text"]) for one in notes if one["kind"] == "answer"]
    return tuple(sorted((*theirs, *ours), key=lambda one: one.at))


def _theirs(found: Mapping[str, Any], new: Collection[str]) -> Turn:
    one = older.message(found)
    return Turn(moment(one["created_at"]), "", one["kind"], one["text"], found.get("message_id") in new)


def is_since(text: str, revised: int) -> bool:
    """Whether words typed at this time are in no revision that was read. `revised`: as in News."""
    return bool(revised and text) and moment(text) // SECOND >= revised // SECOND


def moment(text: str) -> int:
    """A report's own time in microseconds; 0 where it is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * SECOND)
    except ValueError:
        return 0
