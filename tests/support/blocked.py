"""Fail a test in which code waits for a disk or a database on the thread of an event loop."""

from __future__ import annotations

import traceback

from runtime import event_loop_guard


class BlocksTheLoop(AssertionError):
    """A function that may wait for a disk or a database was called on an event loop's thread."""


found: list[str] = []  # each blocking call with its stack; `App.close` reads and clears the list


def install() -> None:
    """Raise BlocksTheLoop from every blocking call in this process."""
    event_loop_guard.add_callback(_refuse)


def _refuse(what: str) -> None:
    found.append("".join([what, "\n", *traceback.format_stack(limit=15)]))
    raise BlocksTheLoop(what)
