"""What a demo shows: in a picture on a terminal, or in plain lines for a pipe, a log, a screen reader."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Protocol

from tokaut.caller import Screen
from tokaut.received import Delivery

PHONE, PAGE = 36, 100  # letters in a line


class Show(Protocol):
    def phone(self, screen: Screen, caption: str) -> None:
        """A new screen on the phone, and what there is to know about it."""
        ...

    def reply(self, text: str, label: str) -> None:
        """What the person presses or types; `label` is what the digit stands for, or empty."""
        ...

    def hotline(self, delivery: Delivery, after: float | None = None) -> None:
        """Something has come to the hotline, so many seconds after it was sent."""
        ...


class PlainLines:
    """One thing after the other, without colours, boxes or moving parts."""

    def __init__(self, write: Callable[[str], None], *, dials: str) -> None:
        self._write = write
        self._dials = dials

    def phone(self, screen: Screen, caption: str) -> None:
        self._write("")
        for line in textwrap.wrap(caption, PAGE):
            self._write(line)
        self._write("")
        if self._dials:
            self._write(f"    dials {self._dials}")
            self._dials = ""
        for line in screen.text.split("\n"):
            for part in textwrap.wrap(line, PHONE) or [""]:
                self._write(f"    | {part}")

    def reply(self, text: str, label: str) -> None:
        self._write(f"    > {text}" + (f"   ({label})" if label else ""))

    def hotline(self, delivery: Delivery, after: float | None = None) -> None:
        when = "" if after is None else f" {after:.2f} s later"
        self._write("")
        self._write(f"{delivery.name} has {delivery.type}{when}; its signature is good:")
        for label, words in delivery.lines():
            self._write(f"      {label:9}{words}")
