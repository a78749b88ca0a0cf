"""Plays the demo's story to whoever watches, and waits for what the hotline should get."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from rich.console import Console

from tokaut.demo import live_display
from tokaut.demo.display import DemoDisplay, SafeDisplay, TextDisplay
from tokaut.demo.scenario import (
    CLOSING_CAPTION,
    LEAVE_STEP,
    SENT_STEP,
    SERVICE_CODE,
    STEPS_TO_SEND,
    WORDS_STEP,
    answer_screen,
    play_steps,
)
from tokaut.local_stack.processes import ProcessGroup
from tokaut.local_stack.received import ReceivedDeliveries, ReceivedDelivery
from tokaut.local_stack.ussd_phone import UssdPhone
from tokaut.terminal import echo

ARRIVES_WITHIN = 20.0  # seconds; on a machine that is busy with other things. Its goal is one


class DemoFailed(Exception):
    """Something did not come to the hotline in time. The text says where to look."""


@dataclass(frozen=True, slots=True)
class DeliveryWatch:
    """Looks at the hotline and at all processes."""

    processes: ProcessGroup
    received: ReceivedDeliveries

    def wait_for_delivery(self, kind: str, show: DemoDisplay, sent_at: float) -> ReceivedDelivery:
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
        raise DemoFailed(
            f"{kind} did not come to the hotline within {ARRIVES_WITHIN:.0f} s. Look into {logs}/urgent.log first."
        )

    def supervise(self, show: DemoDisplay) -> None:
        """Show what comes; end only by Ctrl-C (KeyboardInterrupt), or when a process dies (Died).

        A thread of its own reads and draws: a fault or a blocked terminal there never ends the supervision here.
        """
        over = Event()
        shown = SafeDisplay(show)
        Thread(target=self._show_what_comes, args=(shown, over), name="demo display", daemon=True).start()
        try:
            while True:
                self.processes.look()
                time.sleep(0.2)
        finally:
            over.set()

    def _show_what_comes(self, show: SafeDisplay, over: Event) -> None:
        def once() -> None:
            for delivery in self.received.new():
                show.hotline(delivery)

        while not over.wait(0.2):
            show.attempt(once)


def play(caller: UssdPhone, watch: DeliveryWatch, pace: float) -> ReceivedDelivery:
    """One report, as it came to its hotline. `pace` is how many seconds each screen stays in the picture.

    Raises NotAScreen, Lost, Died.
    """
    with _show(pace) as show:
        screen = play_steps(caller, show, caller.dial(), STEPS_TO_SEND)
        show.phone(screen, SENT_STEP.caption)
        created = watch.wait_for_delivery("report.created", show, caller.asked_at)
        screen = answer_screen(caller, show, screen, SENT_STEP)
        screen = play_steps(caller, show, screen, (WORDS_STEP, LEAVE_STEP))
        show.phone(screen, CLOSING_CAPTION)
        watch.wait_for_delivery("report.updated", show, caller.asked_at)
        return created


@contextmanager
def _show(pace: float) -> Iterator[DemoDisplay]:
    console = Console()
    if not live_display.is_supported(console):
        yield SafeDisplay(TextDisplay(echo, dials=SERVICE_CODE))
        return
    picture = live_display.LiveDisplay(console, dials=SERVICE_CODE, pace=pace)
    show = SafeDisplay(picture)
    show.attempt(picture.__enter__)
    try:
        yield show
    finally:
        show.attempt(picture.__exit__)
