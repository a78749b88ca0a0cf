"""Displays of a demo: the interface, plain lines for a pipe, a log or a screen reader, and a guard against failures."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tokaut.local_stack.received import ReceivedDelivery
from tokaut.local_stack.ussd_phone import PhoneScreen
from tokaut.terminal import echo, one_line, printable

PHONE_COLUMNS, PAGE_COLUMNS = 36, 100  # characters in a line


class DemoDisplay(Protocol):
    """How a demo shows what happens."""

    def phone(self, screen: PhoneScreen, caption: str) -> None:
        """Show a new screen of the phone, with a caption that explains it."""
        ...

    def reply(self, text: str, label: str) -> None:
        """Show what the reporter presses or types. `label`: the choice that the digit stands for, or empty."""
        ...

    def hotline(self, delivery: ReceivedDelivery, after: float | None = None) -> None:
        """Show a delivery that reached the hotline. `after`: seconds since it was sent."""
        ...


class TextDisplay:
    """Write one thing after the other as plain lines, without colours, boxes or moving parts."""

    def __init__(self, write: Callable[[str], None], *, dials: str) -> None:
        self._write = write
        self._dials = dials

    def phone(self, screen: PhoneScreen, caption: str) -> None:
        """Write the caption, then the screen."""
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
        """Write the reply on one line."""
        self._write(f"    > {one_line(text)}" + (f"   ({label})" if label else ""))

    def hotline(self, delivery: ReceivedDelivery, after: float | None = None) -> None:
        """Write the main facts of the delivery."""
        when = "" if after is None else f" {after:.2f} s later"
        self._write("")
        self._write(f"{delivery.name} has {one_line(delivery.type)}{when}; its signature is good:")
        for label, words in delivery.lines():
            self._write(f"      {label:9}{words}")


class SafeDisplay:
    """Forward everything to another display. Its first exception is printed, and none reaches the caller.

    The processes of a demo serve reporters, so they must not stop because something could not be drawn.
    """

    def __init__(self, show: DemoDisplay) -> None:
        self._display = show
        self._reported = False

    def phone(self, screen: PhoneScreen, caption: str) -> None:
        """Show a screen; suppress exceptions."""
        self.attempt(lambda: self._display.phone(screen, caption))

    def reply(self, text: str, label: str) -> None:
        """Show a reply; suppress exceptions."""
        self.attempt(lambda: self._display.reply(text, label))

    def hotline(self, delivery: ReceivedDelivery, after: float | None = None) -> None:
        """Show a delivery; suppress exceptions."""
        self.attempt(lambda: self._display.hotline(delivery, after))

    def attempt(self, draw: Callable[[], object]) -> None:
        """Call `draw` and suppress its exceptions."""
        try:
            draw()
        except Exception as fault:
            if not self._reported:
                self._reported = True
                with suppress(Exception):  # the terminal itself may be the cause
                    echo(f"Something could not be displayed ({type(fault).__name__}). The demo goes on.", err=True)
