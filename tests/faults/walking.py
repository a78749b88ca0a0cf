"""Walks to Sent, each answer within the five seconds that are promised."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import requests

from tests.faults.city import City
from tests.support.handsets import AfricasTalking, Neutral, Seen, Texts

PROMISED = 5.0  # seconds: longer than any network waits for a screen
TO_SEND = ("1", "2", "7", "1", "4", "4", "2")  # soon, bullying, me, 13-15, Shefa, SMS; the next screen is Send
DANGER_NOW = ("1", "1", "1", "1")  # now, Go on, hurt; the next screen is place
NUMBERS_ARE_THERE = "In danger? Call police 111. Pikinini Helpline: call 163."
PHONES = itertools.count(1)


def a_phone() -> str:
    """A number of its own for each call: what one left behind is not what another finds."""
    return f"+67855{next(PHONES):05d}"


def dialled(city: City, number: str = "") -> AfricasTalking:
    """A phone over Africa's Talking that has yet to dial."""
    phone = city.ussd_phone("africastalking", number or a_phone())
    assert isinstance(phone, AfricasTalking)
    return phone


def texts(city: City) -> Texts:
    phone = city.sms_phone("africastalking", a_phone())
    assert isinstance(phone, Texts)
    return phone


def promptly(ask: Callable[[], Seen]) -> Seen:
    began = time.monotonic()
    seen = ask()
    took = time.monotonic() - began
    assert took <= PROMISED, f"{took:.1f} s for: {seen.text}"
    return seen


def walk(phone: AfricasTalking | Neutral, replies: Sequence[str], *, dial: bool = True) -> Seen:
    """The last screen."""
    seen = promptly(phone.dial) if dial else Seen("", True)
    for reply in replies:
        seen = say(phone, reply)
    return seen


def say(phone: AfricasTalking | Neutral, reply: str) -> Seen:
    return promptly(lambda: phone.type(reply))


def sent_or_nothing(phone: AfricasTalking) -> Seen | None:
    """What comes of Send; None where no answer came."""
    try:
        return phone.type("1")
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return None


def is_sent(seen: Seen) -> bool:
    return seen.text.startswith("Sent to Pikinini Helpline.\nTo read answers: 3 My report\nCode ")


def code_and_pin(sent: Seen) -> tuple[str, str]:
    """Return what the screen after Send shows of "My report"."""
    code, pin = (line.split(" ", 1)[1] for line in sent.text.splitlines() if line.startswith(("Code ", "PIN ")))
    return code, pin


def of(city: City, number: str) -> list[dict[str, Any]]:
    """What the hotlines received that holds this phone's number."""
    bodies = [line["body"] for line in city.received()]
    ids = {body["data"]["report_id"] for body in bodies if body["data"]["contact"].get("msisdn") == number}
    return [body for body in bodies if body["data"]["report_id"] in ids]


def comes_once(city: City, number: str) -> dict[str, Any]:
    """The report that was sent, once it is there; nothing else of this phone came."""
    city.until_received(lambda _: bool(of(city, number)), f"the report of {number} never came", 40)
    city.until_finished()
    (body,) = of(city, number)
    assert (body["type"], body["data"]["completeness"]) == ("report.created", "complete")
    data: dict[str, Any] = body["data"]
    return data
