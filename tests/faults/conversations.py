"""Conversations up to Send, with each answer within the promised five seconds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import requests

from tests.faults.faulty_installation import FaultyInstallation
from tests.support.handsets import AfricasTalking, AfricasTalkingTexts, JsonUssd, Screen
from tests.support.stopwatch import Stopwatch

MAX_ANSWER_SECONDS = 5.0  # less than any network waits for a screen
TO_SEND = ("1", "2", "7", "1", "4", "4", "2")  # soon, bullying, me, 13-15, Shefa, SMS; the next screen is Send
DANGER_NOW = ("1", "1", "1", "1")  # now, Go on, hurt; the next screen is place
EMERGENCY_SCREEN = "In danger? Call police 111. Pikinini Helpline: call 163."
PHONES = itertools.count(1)


def new_phone_number() -> str:
    """Return a number that no earlier call used: each call leaves a session behind."""
    return f"+67855{next(PHONES):05d}"


def ussd_phone_before_dialling(installation: FaultyInstallation, number: str = "") -> AfricasTalking:
    """Return a phone over Africa's Talking that has not dialled yet."""
    phone = installation.ussd_phone("africastalking", number or new_phone_number())
    assert isinstance(phone, AfricasTalking)
    return phone


def texts(installation: FaultyInstallation) -> AfricasTalkingTexts:
    """Return a phone that texts over Africa's Talking."""
    phone = installation.sms_phone("africastalking", new_phone_number())
    assert isinstance(phone, AfricasTalkingTexts)
    return phone


def promptly(ask: Callable[[], Screen]) -> Screen:
    """Return an answer; fail if it took longer than promised."""
    watch = Stopwatch()
    screen = ask()
    took = watch.seconds
    assert took <= MAX_ANSWER_SECONDS, f"{took:.1f} s for: {screen.text}"
    return screen


def walk(phone: AfricasTalking | JsonUssd, replies: Sequence[str], *, dial: bool = True) -> Screen:
    """Dial, type these replies, and return the last screen."""
    screen = promptly(phone.dial) if dial else Screen("", True)
    for reply in replies:
        screen = say(phone, reply)
    return screen


def say(phone: AfricasTalking | JsonUssd, reply: str) -> Screen:
    """Type one reply and return the screen."""
    return promptly(lambda: phone.type(reply))


def press_send(phone: AfricasTalking) -> Screen | None:
    """Press Send and return the screen; None if no answer came."""
    try:
        return phone.type("1")
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return None


def is_sent(screen: Screen) -> bool:
    """Return whether this is the screen after Send."""
    return screen.text.startswith("Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")


def code_and_pin(sent: Screen) -> tuple[str, str]:
    """Return code and PIN for "My report" from the screen after Send."""
    code, pin = (line.split(" ", 1)[1] for line in sent.text.splitlines() if line.startswith(("Code ", "PIN ")))
    return code, pin


def of(installation: FaultyInstallation, number: str) -> list[dict[str, Any]]:
    """Return the bodies of reports with this phone's number that hotlines received."""
    bodies = [line["body"] for line in installation.received()]
    ids = {body["data"]["report_id"] for body in bodies if body["data"]["contact"].get("msisdn") == number}
    return [body for body in bodies if body["data"]["report_id"] in ids]


def received_once(installation: FaultyInstallation, number: str) -> dict[str, Any]:
    """Wait for the report of this phone and return it; fail if there is more than one."""
    installation.until_received(lambda _: bool(of(installation, number)), f"the report of {number} never came", 40)
    installation.until_finished()
    (body,) = of(installation, number)
    assert (body["type"], body["data"]["completeness"]) == ("report.created", "complete")
    data: dict[str, Any] = body["data"]
    return data
