"""What a demo shows: in a picture on a terminal, or in plain lines for a pipe, a log, a screen reader."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Protocol

from tokaut.caller import Screen
from tokaut.received import Delivery


class Show(Protocol):
    def phone(self, screen: Screen, caption: str) -> None:
        """A new screen on the phone, and what there is to know about it."""
        ...

    def reply(self, text: str, label: str) -> None:
        """What the person presses or types; `label` is what the digit stands for, or empty."""
        ...

    def hotline(self, delivery: Delivery, after: float) -> None:
        """Something has come to the hotline, so many seconds after it was sent."""
        ...

    def say(self, words: str) -> None:
        """A sentence to whoever watches."""
        ...


class PlainLines:
    """One thing after the other, without colours, boxes or moving parts."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def phone(self, screen: Screen, caption: str) -> None:
        self._write("")
        self._paragraph(caption)
        self._write("")
        for line in screen.text.split("\n"):
            self._write(f"    | {line}")

    def reply(self, text: str, label: str) -> None:
        self._write(f"    > {text}" + (f"   ({label})" if label else ""))

    def hotline(self, delivery: Delivery, after: float) -> None:
        self._write("")
        self._write(f"{delivery.hotline} has {delivery.type} {after:.2f} s later; its signature is good:")
        for label, words in delivery.lines():
            self._write(f"      {label:9}{words}")

    def say(self, words: str) -> None:
        self._write("")
        self._paragraph(words)

    def _paragraph(self, words: str) -> None:
        for line in textwrap.wrap(words, 100):
            self._write(line)
