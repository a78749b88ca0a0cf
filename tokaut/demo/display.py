"""Displays of a demo: plain lines, or a moving picture of phone and hotline, with a guard against failures."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol

from rich import box
from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tokaut.local_stack.hotline_server import ReceivedDelivery
from tokaut.local_stack.ussd_phone import PhoneScreen
from tokaut.terminal import echo, one_line, printable

PHONE_COLUMNS, PAGE_COLUMNS = 36, 100  # characters in a line
PHONE_WIDTH = 36
SCREEN_LINES = 11  # lines of 32 characters; the longest screen has 10
CAPTION_LINES = 3
SMALLEST = (80, 24)  # columns and lines of the smallest terminal that it fits in
KEYS = ("1   2   3", "4   5   6", "7   8   9", "*   0   #")


class DemoDisplay(Protocol):
    """The display of a demo's events."""

    def phone(self, screen: PhoneScreen, caption: str) -> None:
        """Show a new screen of the phone, with a caption that explains it."""
        ...

    def reply(self, text: str, label: str) -> None:
        """Show the reporter's key or text. `label`: the choice that the digit stands for, or empty."""
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


# The demo as a moving picture: the phone on the left, what the hotline receives on the right, a caption below.


def is_supported(console: Console) -> bool:
    """Return whether the terminal can show a moving picture. NO_COLOR switches it off."""
    width, height = console.size
    can_move = console.is_terminal and not console.no_color and not console.is_dumb_terminal
    return can_move and width >= SMALLEST[0] and height >= SMALLEST[1]


class LiveDisplay:
    """Draw the demo on a terminal. `pace`: seconds that a person gets to read a screen."""

    def __init__(self, console: Console, *, dials: str, pace: float) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._dials = dials
        self._pace = pace
        self._screen = self._typed = self._caption = ""
        self._replies: list[str] = []
        self._arrival: tuple[ReceivedDelivery, float | None] | None = None

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._live.stop()

    def phone(self, screen: PhoneScreen, caption: str) -> None:
        """Draw a new screen and wait while it is read."""
        self._screen, self._typed, self._caption = printable(screen.text), "", caption
        self._draw()
        time.sleep(self._pace)

    def reply(self, text: str, label: str) -> None:
        """Draw the reply letter by letter."""
        text = one_line(text)
        for end in range(1, len(text) + 1):
            self._typed = text[:end]
            self._draw()
            time.sleep(self._pace / max(4, len(text)))
        self._replies.append(label or textwrap.shorten(text, 20, placeholder="…"))

    def hotline(self, delivery: ReceivedDelivery, after: float | None = None) -> None:
        """Draw the delivery and wait while it is read."""
        self._arrival = (delivery, after)
        self._draw()
        time.sleep(self._pace)

    def _draw(self) -> None:
        sides = Table.grid(padding=(0, 2), expand=True)
        sides.add_column(width=PHONE_WIDTH)
        sides.add_column(ratio=1)
        sides.add_row(
            _phone_panel(self._dials, self._screen, self._typed),
            Group(_hotline_panel(self._arrival), _reply_list(self._replies)),
        )
        caption = Align(Padding(Text(self._caption), (0, 1)), vertical="top", height=CAPTION_LINES)
        self._live.update(Group(sides, caption), refresh=True)


def _phone_panel(dials: str, screen: str, typed: str) -> RenderableType:
    input_line = Text.assemble(("> ", "dim"), (typed[-(PHONE_WIDTH - 8) :], "bold yellow"), ("▏", "dim"))
    keys = Text("\n".join(KEYS), "dim", justify="center")
    if len(typed) == 1:
        keys.highlight_words([typed], "bold black on yellow")
    parts = (
        Align(Text(screen), vertical="top", height=SCREEN_LINES),
        Rule(style="dim"),
        input_line,
        Rule(style="dim"),
        keys,
    )
    return Panel(Group(*parts), title=dials, box=box.ROUNDED)


def _hotline_panel(arrival: tuple[ReceivedDelivery, float | None] | None) -> RenderableType:
    if arrival is None:
        return Panel(Text("Nothing has come yet.", "dim"), title="At the hotline", box=box.ROUNDED)
    delivery, after = arrival
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim")
    table.add_column()
    for label, text in delivery.lines():
        table.add_row(label, Text(text, "bold red" if label == "priority" else ""))
    when = "" if after is None else f", {after:.2f} s after it was sent"
    footer = Text.assemble("\n", ("✓ ", "bold green"), f"signed{when}\n", (one_line(delivery.key), "dim"))
    title = Text(f"{delivery.name} has {one_line(delivery.type)}")
    return Panel(Group(table, footer), title=title, box=box.ROUNDED, border_style="green")


def _reply_list(replies: list[str]) -> RenderableType:
    return Padding(Text(" · ".join(replies), "dim"), (1, 1))
