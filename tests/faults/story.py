"""What one caller says: an answer to each screen, whatever screen comes. A marker in number and words."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.lines import BY_SMS, KINDS, Line, without_lines_above

ALREADY_SENT = "Sent"
ENDS = ("Not working now", "NOT SENT", "Busy now", "Thank you", "Deleted")
OWN_WORDS = ("Tell us in your own words", "Who, where and when last seen")
NOT_UNDERSTOOD = ("Sorry,", "?\n")  # the first line after a reply that was no answer
NO_PROGRESS = (ALREADY_SENT, "Send to", "In danger?", "Are you or a child", *OWN_WORDS, *ENDS)


@dataclass(frozen=True)
class Story:
    """`phone` is the marker that the report carries (contact is allowed), `words` the one that is typed."""

    index: int
    phone: str
    words: str
    line: type[Line]
    danger: str
    category: str
    about: str
    age: str
    place: str
    contact: str
    adds_words: bool  # on USSD, after Send

    @property
    def sms(self) -> bool:
        return self.line in BY_SMS

    @property
    def in_danger(self) -> bool:
        return self.danger == "1"

    def reply(self, screen: str) -> str:
        """To a screen that is not the end."""
        text = without_lines_above(screen)
        for heading, reply in self._replies():
            if text.startswith(heading):
                return reply
        return "0"  # something that was not expected: Back

    def _replies(self) -> tuple[tuple[str, str], ...]:
        return (
            ("In danger? Call", "1"),
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
            (ALREADY_SENT, "1" if self.adds_words and not self.sms else "0"),
        )


def tell(seed: int, index: int, attempt: int) -> Story:
    """The same story for the same three numbers, and no two with one marker."""
    chance = random.Random(f"story {seed} {index} {attempt}")
    tail = "".join(chance.choices("abcdefghkmnprstuvwxyz23456789", k=4))
    return Story(
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
    """Whether the screen `after` says that the words given to `before` were taken."""
    asked = without_lines_above(before).startswith(OWN_WORDS)
    return asked and not after.startswith(NOT_UNDERSTOOD) and not without_lines_above(after).startswith(NO_PROGRESS)
