"""Plays the demo's story to whoever watches, and waits for what the hotline should get."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from rich.console import Console

from tokaut import drawing
from tokaut.caller import Caller
from tokaut.processes import Processes
from tokaut.received import Delivery, Received
from tokaut.show import Guarded, PlainLines, Show
from tokaut.story import ADDS, DIALS, LEAVES, LEFT, SENT, TO_SEND, answer, tell
from tokaut.terminal import echo

ARRIVES_WITHIN = 20.0  # seconds; on a machine that is busy with other things. Its goal is one


class Lost(Exception):
    """Something did not come to the hotline in time. The text says where to look."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at the hotline and at all processes."""

    processes: Processes
    received: Received

    def arrival(self, kind: str, show: Show, sent_at: float) -> Delivery:
        """Shows what comes until one of this type has come, and returns that. Raises Lost."""
        end = time.monotonic() + ARRIVES_WITHIN
        while time.monotonic() < end:
            self.processes.look()
            for delivery in self.received.new():
                show.hotline(delivery, delivery.at - sent_at)
                if delivery.type == kind:
                    return delivery
            time.sleep(0.02)
        logs = self.processes.logs
        raise Lost(
            f"{kind} did not come to the hotline within {ARRIVES_WITHIN:.0f} s. Look into {logs}/urgent.log first."
        )

    def forever(self, show: Show) -> None:
        """Show what comes; end only by Ctrl-C (KeyboardInterrupt), or when a process dies (Died).

        A thread of its own reads and draws: a fault or a blocked terminal there never ends the supervision here.
        """
        over = Event()
        shown = Guarded(show)
        Thread(target=self._show_what_comes, args=(shown, over), name="demo display", daemon=True).start()
        try:
            while True:
                self.processes.look()
                time.sleep(0.2)
        finally:
            over.set()

    def _show_what_comes(self, show: Guarded, over: Event) -> None:
        def once() -> None:
            for delivery in self.received.new():
                show.hotline(delivery)

        while not over.wait(0.2):
            show.attempt(once)


def play(caller: Caller, watch: Watch, pace: float) -> Delivery:
    """One report, as it came to its hotline. `pace` is how many seconds each screen stays in the picture.

    Raises NotAScreen, Lost, Died.
    """
    with _show(pace) as show:
        screen = tell(caller, show, caller.dial(), TO_SEND)
        show.phone(screen, SENT.caption)
        created = watch.arrival("report.created", show, caller.asked_at)
        screen = answer(caller, show, screen, SENT)
        screen = tell(caller, show, screen, (ADDS, LEAVES))
        show.phone(screen, LEFT)
        watch.arrival("report.updated", show, caller.asked_at)
        return created


@contextmanager
def _show(pace: float) -> Iterator[Show]:
    console = Console()
    if not drawing.fits(console):
        yield Guarded(PlainLines(echo, dials=DIALS))
        return
    picture = drawing.Drawing(console, dials=DIALS, pace=pace)
    show = Guarded(picture)
    show.attempt(picture.__enter__)
    try:
        yield show
    finally:
        show.attempt(picture.__exit__)
