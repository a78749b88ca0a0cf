"""Play the demo's scenario, and wait for what the hotline should receive."""

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

ARRIVES_WITHIN = 20.0  # seconds, enough for a busy machine; the goal is one second


class DemoFailed(Exception):
    """A step of the demo failed: a delivery or a callback did not arrive. The message says where to look."""


@dataclass(frozen=True, slots=True)
class DeliveryWatch:
    """Watch the deliveries of the hotline, and all processes."""

    processes: ProcessGroup
    received: ReceivedDeliveries

    def wait_for_delivery(self, kind: str, show: DemoDisplay, sent_at: float) -> ReceivedDelivery:
        """Show deliveries until one of this type arrives, and return it.

        `sent_at` is Unix time in seconds. Raises DemoFailed after 20 seconds, ProcessDied if a process has ended.
        """
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
        """Show deliveries until Ctrl-C (KeyboardInterrupt), or until a process dies (ProcessDied).

        A thread of its own reads and draws, so that an exception or a blocked terminal there never ends supervision.
        """
        stopped = Event()
        display = SafeDisplay(show)
        Thread(target=self._show_deliveries, args=(display, stopped), name="demo display", daemon=True).start()
        try:
            while True:
                self.processes.look()
                time.sleep(0.2)
        finally:
            stopped.set()

    def _show_deliveries(self, display: SafeDisplay, stopped: Event) -> None:
        def show_new() -> None:
            for delivery in self.received.new():
                display.hotline(delivery)

        while not stopped.wait(0.2):
            display.attempt(show_new)


def play(caller: UssdPhone, watch: DeliveryWatch, pace: float) -> ReceivedDelivery:
    """Play the scenario and return its report as the hotline received it.

    `pace`: seconds for which each screen is displayed. Raises UnexpectedAnswer, DemoFailed, ProcessDied.
    """
    with _open_display(pace) as display:
        screen = play_steps(caller, display, caller.dial(), STEPS_TO_SEND)
        display.phone(screen, SENT_STEP.caption)
        created = watch.wait_for_delivery("report.created", display, caller.asked_at)
        screen = answer_screen(caller, display, screen, SENT_STEP)
        screen = play_steps(caller, display, screen, (WORDS_STEP, LEAVE_STEP))
        display.phone(screen, CLOSING_CAPTION)
        watch.wait_for_delivery("report.updated", display, caller.asked_at)
        return created


@contextmanager
def _open_display(pace: float) -> Iterator[DemoDisplay]:
    console = Console()
    if not live_display.is_supported(console):
        yield SafeDisplay(TextDisplay(echo, dials=SERVICE_CODE))
        return
    picture = live_display.LiveDisplay(console, dials=SERVICE_CODE, pace=pace)
    display = SafeDisplay(picture)
    display.attempt(picture.__enter__)
    try:
        yield display
    finally:
        display.attempt(picture.__exit__)
