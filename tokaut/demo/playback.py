"""Play the demo's scenario: the reporter's answers, and the hotline's callback."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread

import requests
from rich.console import Console
from standardwebhooks.webhooks import Webhook

from reports.json_bodies import json_bytes
from runtime.operator_error import OperatorError
from tokaut.demo.display import DemoDisplay, LiveDisplay, SafeDisplay, TextDisplay, is_supported
from tokaut.local_stack.hotline_server import ReceivedDeliveries, ReceivedDelivery
from tokaut.local_stack.processes import ProcessGroup
from tokaut.local_stack.settings import StackPlan
from tokaut.local_stack.ussd_phone import PhoneScreen, UssdPhone
from tokaut.terminal import echo

PHONE_NUMBER = "+6785550101"
SERVICE_CODE = "*111*163#"
WORDS = "Somebody I do not know writes to me every day. I want it to stop."
ARRIVES_WITHIN = 20.0  # seconds, enough for a busy machine; the goal is one second
WITHIN = 10  # seconds for the console to answer the callback
CALLBACK_BODY = {"state": "accepted", "message": "We have read it. You can write to us here each day."}
DONE = """
{name} has called back: {state}, and a message. The reporter reads it under My report, with code and PIN.
It is sealed under both: neither {name} nor this machine's keys open it."""


# The demo's scenario: the reporter's answers, screen by screen, and a caption for each screen.


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One screen and the reply to it.

    caption: an explanation of the screen. choice: the label to choose. words: the text to type instead.
    """

    caption: str
    choice: str = ""
    words: str = ""


STEPS_TO_SEND = (
    ScenarioStep(
        "A girl of 13 has borrowed her brother's phone. It has no data and no apps; she dials a short code. "
        "Whatever happens next, the number to call is already there.",
        "Report",
    ),
    ScenarioStep(
        "One question a screen. 0 goes back, 00 leaves at once. If the line drops, whoever dials next sees only "
        "the first screen again.",
        "Not now, but soon",
    ),
    ScenarioStep("Nine things that happen to children, in words that a child would use.", "Asks photos, money"),
    ScenarioStep("She is asked only for what the hotline needs in order to act. Nobody asks for her name.", "Me"),
    ScenarioStep("A helpline answers a child of 8 and one of 15 in different ways.", "13-15"),
    ScenarioStep(
        "Where she is decides who can come. This list is Vanuatu's; it comes from the country's file.", "Shefa"
    ),
    ScenarioStep("She says no. So her number will not be in the report at all.", "No"),
    ScenarioStep("Before anything goes out she sees who gets it, and that they may have to tell others.", "Send"),
)
SENT_STEP = ScenarioStep(
    "“Sent” is shown only now that the report is on the disk. It was sealed for that hotline: nothing "
    "that stays here opens it. Words come after Send, because a network may cut the line while somebody types. "
    "With code and PIN she can come back.",
    words=WORDS,
)
LEAVE_STEP = ScenarioStep(
    "She could write more, and answer more questions. If the line is cut, another call can add the rest. She leaves: "
    "the words go to the same hotline.",
    words="00",
)

CLOSING_CAPTION = "She gives the phone back. It shows nothing of all this, and neither does the next call from it."


def play_steps(
    caller: UssdPhone, show: DemoDisplay, screen: PhoneScreen, steps: tuple[ScenarioStep, ...]
) -> PhoneScreen:
    """Play the steps, beginning at `screen`, and return the last screen. Raises UnexpectedAnswer."""
    for step in steps:
        show.phone(screen, step.caption)
        screen = answer_screen(caller, show, screen, step)
    return screen


def answer_screen(caller: UssdPhone, show: DemoDisplay, screen: PhoneScreen, step: ScenarioStep) -> PhoneScreen:
    """Reply to a screen that is already shown, and return the next one."""
    text = screen.key_of(step.choice) if step.choice else step.words
    show.reply(text, step.choice)
    return caller.reply(text)


class DemoFailed(OperatorError):
    """A step of the demo failed: a delivery or a callback did not arrive. The message names the log to read."""


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
            self.processes.check()
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
                self.processes.check()
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
        screen = play_steps(caller, display, screen, (LEAVE_STEP,))
        display.phone(screen, CLOSING_CAPTION)
        watch.wait_for_delivery("report.updated", display, caller.asked_at)
        return created


@contextmanager
def _open_display(pace: float) -> Iterator[DemoDisplay]:
    console = Console()
    if not is_supported(console):
        yield SafeDisplay(TextDisplay(echo, dials=SERVICE_CODE))
        return
    picture = LiveDisplay(console, dials=SERVICE_CODE, pace=pace)
    display = SafeDisplay(picture)
    display.attempt(picture.__enter__)
    try:
        yield display
    finally:
        display.attempt(picture.__exit__)


# The demo hotline's callback: its system reports a state and a message, signed with the secret of its webhook.


def call_back(plan: StackPlan, delivery: ReceivedDelivery) -> None:
    """Send the callback about this delivery, and print the new state. Raises DemoFailed if the console refuses it."""
    body = json_bytes({"report_id": delivery.data["report_id"], **CALLBACK_BODY})
    key, at = str(uuid.uuid4()), int(time.time())
    signer = Webhook(plan.secrets.hotlines[delivery.hotline])
    headers = {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": signer.sign(key, datetime.fromtimestamp(at, UTC), body.decode()),
    }
    url = f"http://{plan.where.console_listener}/hotlines/{delivery.hotline}/reports/{delivery.data['report_id']}"
    with requests.Session() as http:
        http.trust_env = False
        answer = http.post(url, data=body, headers=headers, timeout=WITHIN)
    if answer.status_code != 200:
        raise DemoFailed(f"The console refused the hotline's callback with {answer.status_code}. See console.log.")
    echo(DONE.format(name=delivery.name, state=answer.json()["state"]))
