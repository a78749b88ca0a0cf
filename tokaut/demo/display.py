"""What a demo shows: in a picture on a terminal, or in plain lines for a pipe, a log, a screen reader."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tokaut.local_stack.received import ReceivedDelivery
from tokaut.local_stack.ussd_phone import PhoneScreen
from tokaut.terminal import echo, one_line, printable

PHONE_COLUMNS, PAGE_COLUMNS = 36, 100  # letters in a line


class DemoDisplay(Protocol):
    def phone(self, screen: PhoneScreen, caption: str) -> None:
        """A new screen on the phone, and what there is to know about it."""
        ...

    def reply(self, text: str, label: str) -> None:
        """What the person presses or types; `label` is what the digit stands for, or empty."""
        ...

    def hotline(self, delivery: ReceivedDelivery, after: float | None = None) -> None:
        """Something has come to the hotline, so many seconds after it was sent."""
        ...


class TextDisplay:
    """One thing after the other, without colours, boxes or moving parts."""

    def __init__(self, write: Callable[[str], None], *, dials: str) -> None:
        self._write = write
        self._dials = dials

    def phone(self, screen: PhoneScreen, caption: str) -> None:
        self._write("")
        for line in textwrap.wrap(caption, PAGE_COLUMNS):
            self._write(line)
        self._write("")
        if self._dials:
            self._write(f"    dials {self._dials}")
            self._dials = ""
        for line in printable(screen.text).split("\n"):
            for part in textwrap.wrap(line, PHONE_COLUMNS) or [""]:
                self._write(f"    | {part}")

    def reply(self, text: str, label: str) -> None:
        self._write(f"    > {one_line(text)}" + (f"   ({label})" if label else ""))

    def hotline(self, delivery: ReceivedDelivery, after: float | None = None) -> None:
        when = "" if after is None else f" {after:.2f} s later"
        self._write("")
        self._write(f"{delivery.name} has {one_line(delivery.type)}{when}; its signature is good:")
        for label, words in delivery.lines():
            self._write(f"      {label:9}{words}")


class SafeDisplay:
    """Pass everything to another show. A fault of that one is printed once and never reaches the caller.

    The processes of a demo serve callers; they must not stop because something could not be drawn.
    """

    def __init__(self, show: DemoDisplay) -> None:
        self._show = show
        self._reported = False

    def phone(self, screen: PhoneScreen, caption: str) -> None:
        self.attempt(lambda: self._show.phone(screen, caption))

    def reply(self, text: str, label: str) -> None:
        self.attempt(lambda: self._show.reply(text, label))

    def hotline(self, delivery: ReceivedDelivery, after: float | None = None) -> None:
        self.attempt(lambda: self._show.hotline(delivery, after))

    def attempt(self, draw: Callable[[], object]) -> None:
        """Call `draw`. An exception ends the drawing and nothing else."""
        try:
            draw()
        except Exception as fault:
            if not self._reported:
                self._reported = True
                with suppress(Exception):  # the terminal itself may be the fault
                    echo(f"Something could not be displayed ({type(fault).__name__}). The demo goes on.", err=True)
