"""One reporter: the answer to each screen, and the seconds to read and type."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

OWN_WORDS = ("Tell us in your own words", "Who is missing? What clothes", "What did the child look like")
WRITE_ON = "Added. You can write more"  # the screen after each part of the words
A_FEW = "a few"
FEW = 5  # words that reporters type at once if the screen says "a few"
SENT = "Sent"
SAYS_HOW_TO_GO_ON = "Cut off? Dial, 3 My report"
HOME, CODE, LATER = "In danger?", "Type your 8-digit code.", "If this phone sent a report"  # screens of a later call
HELPLINE = re.compile(r"[^?]+ [0-9]{3,}")
WORDS_A_MINUTE = 200  # reading speed
SECONDS_A_KEY = 6  # to find and press a menu key
SECONDS_A_WORD = 6  # to type a word on a keypad
WORDS = (3, 15)  # number of words to report; the first word is unique to the reporter
SAYING = "It happens on the way home nearly every day after school with people there"
DANGER = {"Now": 20, "Soon": 30, "No": 35, "Not sure": 15}  # % of reporters
CATEGORIES = ("Hurt, touched, forced", "Asks photos, money", "Photos online", "Missing child", "Sold, forced",
              "Bullying, threats", "Want to die, self-harm", "No care or food", "Something else")  # fmt: skip


@dataclass(frozen=True)
class Person:
    """The same answers on every call. `words` begin with `mark`, which no other reporter types.

    `patience`: the person dials again to add words if the share of those who do is above it.
    """

    phone: str
    mark: str
    words: str
    danger: str
    category: str
    number: int  # selects a choice on screens with varying choices
    patience: float

    def pieces(self, screen: str) -> list[str]:
        """Return the reporter's words as typed on this screen: all at once, or a few at a time."""
        words = self.words.split()
        few = FEW if A_FEW in screen else len(words)
        return [" ".join(words[start : start + few]) for start in range(0, len(words), few)]

    def reply(self, screen: str) -> str:
        """Return the reply to a screen that does not ask for words."""
        screen = question(screen)
        if screen.startswith("Are you or a child in danger?"):
            return self.danger
        if screen.startswith("What happened?"):
            return self.category
        if screen.startswith(("How old", "Who is", "Where ", "May staff")):
            return str(1 + self.number % _choices(screen))
        return "1"  # Report, Go on, Send

    def reply_later(self, screen: str) -> str:
        """Return the reply to a screen of a later call in which the remaining words are added."""
        replies = {HOME: "3", CODE: "1"}
        return next(reply for begins, reply in replies.items() if screen.startswith(begins))


def make_person(seed: int, index: int) -> Person:
    chance = random.Random(f"person {seed} {index}")
    mark = "".join(chance.choices("abcdefghkmnprstuvwxyz", k=6))
    return Person(
        phone=f"+6785{index:06d}",
        mark=f"{mark}{index}",
        words=f"{mark}{index} {' '.join(SAYING.split()[: chance.randint(*WORDS) - 1])}",
        danger=chance.choices(list(DANGER), list(DANGER.values()))[0],
        category=chance.choice(CATEGORIES),
        number=chance.randrange(60),
        patience=chance.random(),
    )


def question(screen: str) -> str:
    """Return a screen without the helpline's name and number, which are above the question after self-harm."""
    first, _, rest = screen.partition("\n")
    return rest if HELPLINE.fullmatch(first) else screen


def seconds_to_read(screen: str) -> float:
    return len(screen.split()) * 60 / WORDS_A_MINUTE


def seconds_to_type(screen: str, reply: str) -> float:
    return len(reply.split()) * SECONDS_A_WORD if asks_for_words(screen) else SECONDS_A_KEY


def asks_for_words(screen: str) -> bool:
    return asks_for_first_words(screen) or question(screen).startswith((WRITE_ON, LATER))


def asks_for_first_words(screen: str) -> bool:
    screen = question(screen)
    return screen.startswith(OWN_WORDS) or (screen.startswith(SENT) and A_FEW in screen)


def _choices(screen: str) -> int:
    return sum(line[:2].strip().isdecimal() and line[0] != "0" for line in screen.split("\n")[1:])
