"""The scenario of `tokaut bench`'s callers: USSD by Africa's Talking, a girl in Vanuatu who goes back twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

SERVICE_CODE = "*111*163#"


@dataclass(frozen=True, slots=True)
class BenchStep:
    """A reply, and the text that the next screen must contain: a fast answer that is wrong does not count."""

    reply: str
    shows: str


def _steps(*pairs: tuple[str, str]) -> tuple[BenchStep, ...]:
    return tuple(BenchStep(reply, shows) for reply, shows in pairs)


SCENARIO = _steps(
    ("", "CON In danger? Call police 111."),
    ("1", "CON Are you or a child in danger?"),
    ("2", "CON What happened?"),
    ("98", "0 Back"),
    ("0", "CON What happened?"),
    ("3", "CON Who is this about?"),
    ("1", "CON How old are you?"),
    ("4", "CON Where are you?"),
    ("0", "CON How old are you?"),
    ("4", "CON Where are you?"),
    ("4", "CON May staff contact you"),
    ("1", "CON Send to Pikinini Helpline"),
)
SENDING_SCENARIO = (*SCENARIO, BenchStep("1", "CON Sent to Pikinini Helpline."))

# Other paths to the Send screen, for the size of their sessions. The last is as long as people make it.
OTHER_PATHS = (
    ("1", "2", "3", "1", "4", "4", "1"),
    ("1", "1", "1", "1", "4", "3", "1"),
    ("1", "3", "5", "1", "3", "2", "1"),
    ("1", "3", "7", "2", "3", "1", "2"),
    ("1", "2", "1", "3", "5", "2", "3"),
    ("1", "2", "3", "1", "4", "0", "3", "4", "0", "0", "5", "2", "3"),
    ("1", "2", "3", "1", "0", "0", "4", "3", "2", "0", "0", "2", "4", "5", "0", "1", "4", "0", "1"),
)
SMS_TEXTS = (
    "report",
    "2",
    "3",
    "1",
    "4",
    "4",
    "1",
    "My uncle's friend asks for photos and I do not want to send them.",
)

# Fiji, danger is now: the labels of the choices. "" is the first choice of the screen.
FALLBACK_SERVICE_CODE = "*133#"
DANGER_LABELS = ("Report", "Now", "Go on", "Me", "No", "Send", "")


def fallback_phone_number(number: int) -> str:
    """Return a made-up number: +679 755 0000 and following."""
    return f"+679755{number % 10_000:04}"


def text_fields(replies: Sequence[str]) -> Iterator[str]:
    """Yield the form field `text` of each request: all replies so far, joined with * and URL-encoded."""
    paths = itertools.accumulate(replies, lambda path, reply: f"{path}*{reply}".strip("*"))
    return map(quote_plus, paths)


def phone_number(number: int) -> str:
    """Return a made-up number: +678 555 0000 to +678 555 9999, one after the other."""
    return f"+678555{number % 10_000:04}"
