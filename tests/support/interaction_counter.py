"""Count the effort of a person on a page: presses, page loads, scrolling and seconds of each task.

A press is a click, a key, or the choice of a radio button. A choice from a list is two: one opens it, one chooses.
Typed text does not count, as in a usability review.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LOADED_WITHIN = 60_000  # milliseconds, for a busy machine
SCROLLED = "() => [scrollY, document.querySelector('.acts')?.scrollTop ?? 0]"


@dataclass
class Task:
    """The measured effort of one task. `scrolled`: pixels scrolled to reach controls."""

    presses: int = 0
    loads: int = 0
    scrolled: float = 0
    seconds: float = 0


class CountingPage:
    """A browser page that counts each press."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(LOADED_WITHIN)
        page.on("load", self._count_load)
        self.tasks: dict[str, Task] = {}
        self._now = Task()

    def _count_load(self, _page: Any) -> None:
        self._now.loads += 1

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Measure a task under this name. The body must wait until the page shows that the task is done."""
        self._now, began = Task(), time.monotonic()
        yield
        self.page.wait_for_load_state("load")
        self._now.seconds = time.monotonic() - began
        self.tasks[name], self._now = self._now, Task()

    def press(self, control: Any) -> None:
        """Scroll to a control if it is out of view, and click it."""
        before = self.page.evaluate(SCROLLED)
        control.evaluate("(one) => one.scrollIntoView({ block: 'nearest' })")  # works on a re-rendered one too
        after = self.page.evaluate(SCROLLED)
        self._now.scrolled += sum(abs(one - other) for one, other in zip(before, after, strict=True))
        self._now.presses += 1
        control.click()

    def choose(self, control: Any, **option: str | int) -> None:
        """Choose from a list."""
        self._now.presses += 2
        control.select_option(**option)

    def key(self, name: str) -> None:
        """Press a key."""
        self._now.presses += 1
        self.page.keyboard.press(name)
