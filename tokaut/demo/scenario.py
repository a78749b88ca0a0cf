"""The demo's scenario: the reporter's answers, screen by screen, and a caption for each screen."""

from __future__ import annotations

from dataclasses import dataclass

from tokaut.demo.display import DemoDisplay
from tokaut.local_stack.ussd_phone import PhoneScreen, UssdPhone

PHONE_NUMBER = "+6785550101"
SERVICE_CODE = "*111*163#"
WORDS = "Somebody I do not know writes to me every day. I want it to stop."


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One screen and the reply to it.

    caption: what there is to know about the screen. choice: the label to choose. words: what to type instead.
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
        "Soon",
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
    "that stays here opens it. For three minutes she may add to it. With code and PIN she can come back.",
    "Add your words",
)
WORDS_STEP = ScenarioStep(
    "Words come after Send, because a network may cut the line while somebody types.", words=WORDS
)
LEAVE_STEP = ScenarioStep("She could answer more questions. She leaves: the words go to the same hotline.", words="00")

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
