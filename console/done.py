"""What was done, for the page after it: a word in its address, and never words of anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Response

from console import answers
from console.forms import query

DONE: Final[Mapping[str, tuple[str, str]]] = {  # by that word: the sentence, and the form where it is said
    "taken": ("You have it.", ""),
    "working": ("You work on it.", ""),
    "left": ("The message is left.", "message"),
    "left_alone": (
        "The message is left. The reporter wrote more meanwhile: look again, then take it on.",
        "",
    ),
    "noted": ("The note is kept.", "note"),
    "passed": ("Handed over.", ""),
    "asked": ("", ""),  # its own box says more
    "away": ("It is kept so.", ""),
    "declined": ("Handed on to the next hotline.", ""),
    "closed": ("Closed.", ""),
    "before": ("That was done already.", ""),
}


def to(page: str, what: str, at: str = "said") -> Response:
    """There, by GET; `at`: the place on it."""
    return answers.to(f"{page}?said={what}#{at}")


def here() -> str | None:
    """Which word this address has; None where it has none, as where somebody opened the page."""
    return query().get("said")
