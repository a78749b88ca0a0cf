"""Plays the demo's story to whoever watches, and waits for what the hotline should get."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import click
from rich.console import Console

from tokaut import drawing
from tokaut.caller import Caller
from tokaut.processes import Processes
from tokaut.received import Delivery, Received
from tokaut.show import PlainLines, Show
from tokaut.story import ADDS, DIALS, LEAVES, LEFT, SENT, TO_SEND, answer, tell

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
        """Shows what comes; ends only by Ctrl-C (KeyboardInterrupt), or when a process dies (Died)."""
        while True:
            self.processes.look()
            for delivery in self.received.new():
                show.hotline(delivery)
            time.sleep(0.2)


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


def _show(pace: float) -> AbstractContextManager[Show]:
    console = Console()
    if drawing.fits(console):
        return drawing.Drawing(console, dials=DIALS, pace=pace)
    return nullcontext(PlainLines(click.echo, dials=DIALS))
