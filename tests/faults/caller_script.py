"""The answers of a simulated reporter to any screen. The reporter's marker is in the number and in the words."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.handset_channels import BY_SMS, KINDS, PhoneChannel, without_lines_above

HOME = "In danger? Call"
ALREADY_SENT = "Sent"
ENDS = ("Not working now", "NOT SENT", "We are busy now", "Thank you", "Deleted")
OWN_WORDS = ("Tell us in your own words", "Who is missing? What clothes", "What did the child look like")
TYPE_WORDS = "1 = skip"  # on the Sent screen, if words can be typed on it
NOT_UNDERSTOOD = ("Sorry,", "?\n")  # first line after a reply that was not understood
NO_PROGRESS = (ALREADY_SENT, "Send to", "In danger?", "Are you or a child", *OWN_WORDS, *ENDS)


@dataclass(frozen=True)
class CallerScript:
    """`phone` is the marker of the report, whose contact is allowed; `words` are typed by the reporter."""

    index: int
    phone: str
    words: str
    line: type[PhoneChannel]
    danger: str
    category: str
    about: str
    age: str
    place: str
    contact: str
    adds_words: bool  # on USSD, after Send

    @property
    def sms(self) -> bool:
        """Return whether the reporter uses SMS."""
        return self.line in BY_SMS

    @property
    def in_danger(self) -> bool:
        """Return whether the reporter is in danger now."""
        return self.danger == "1"

    def reply(self, screen: str) -> str:
        """Return the answer to a screen that is not the last."""
        text = without_lines_above(screen)
        for heading, reply in self._replies(text):
            if text.startswith(heading):
                return reply
        return "0"  # an unexpected screen: Back

    def _replies(self, text: str) -> tuple[tuple[str, str], ...]:
        return (
            (HOME, "1"),
            ("Are you or a child in danger?", self.danger),
            ("Call police", "1"),
            ("What happened?", self.category),
            ("You matter.", "1"),
            ("Who is this about?", self.about),
            ("Who is missing?", self.about),
            ("How old", self.age),
            ("Where ", self.place),
            *((heading, self.words) for heading in OWN_WORDS),
            ("May staff contact you", self.contact),
            ("Send to", "1"),
            (ALREADY_SENT, self.words if self.adds_words and TYPE_WORDS in text else "0"),
        )


def make_script(seed: int, index: int, attempt: int) -> CallerScript:
    """Return the script for these three numbers: the same numbers give the same script, and each marker is unique."""
    chance = random.Random(f"story {seed} {index} {attempt}")
    tail = "".join(chance.choices("abcdefghkmnprstuvwxyz23456789", k=4))
    return CallerScript(
        index=index,
        phone=f"+6785{index * 40 + attempt:06d}",
        words=f"note {index:05d} {tail}",
        line=chance.choices(list(KINDS), list(KINDS.values()))[0],
        danger=chance.choices("1234", (20, 30, 35, 15))[0],
        category=chance.choice("123456789"),
        about=chance.choice("12345"),
        age=chance.choice("1234567"),
        place=chance.choice("1234567"),
        contact=chance.choice("2345"),
        adds_words=chance.random() < 0.6,
    )


def kept_words(before: str, after: str) -> bool:
    """Return whether the screen `after` says that the words typed on `before` were stored."""
    text = without_lines_above(before)
    asked = text.startswith(OWN_WORDS) or (text.startswith(ALREADY_SENT) and TYPE_WORDS in text)
    return asked and not after.startswith(NOT_UNDERSTOOD) and not without_lines_above(after).startswith(NO_PROGRESS)
