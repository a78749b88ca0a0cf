"""A USSD phone for scripts: it dials a service code and replies over real HTTP, as if through Africa's Talking."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass

import requests

CHOICE_LINE = re.compile(r"^(\d{1,2}) (.+)$", re.MULTILINE)  # "2 Soon"; "1 = skip" is one too, labelled "= skip"
ANSWERS_WITHIN = 10.0  # seconds; Africa's Talking waits at least this long


class UnexpectedAnswer(Exception):
    """The response is not a USSD answer, or the screen has no such choice. The message shows it."""


@dataclass(frozen=True, slots=True)
class PhoneScreen:
    """One screen of the phone. `milliseconds`: how long web took to answer."""

    text: str
    expects_reply: bool
    milliseconds: float

    def key_of(self, label: str) -> str:
        """Return the digit of the choice with this label. Raises UnexpectedAnswer if there is none.

        Scripts choose by label, so that they still work when the digits change.
        """
        for key, text in CHOICE_LINE.findall(self.text):
            if text == label:
                return str(key)
        raise UnexpectedAnswer(f"There is no choice {label!r} on this screen:\n{self.text}")


class UssdPhone:
    """One phone, with one USSD session at a time."""

    def __init__(self, web: str, token: str, *, phone: str, dials: str) -> None:
        self.phone = phone
        self.dials = dials
        self._address = f"{web}/hooks/africastalking/{token}/ussd"
        self._http = requests.Session()
        self._http.trust_env = False
        self._session = f"ATUid_{uuid.uuid4().hex}"
        self._path: list[str] = []
        self.asked_at = 0.0  # Unix time in seconds of the last request

    def dial(self) -> PhoneScreen:
        """Start a new session and return its first screen."""
        self._session = f"ATUid_{uuid.uuid4().hex}"
        self._path = []
        return self._ask()

    def reply(self, text: str) -> PhoneScreen:
        """Send a digit or words and return the next screen."""
        self._path.append(text)
        return self._ask()

    def close(self) -> None:
        """Close the HTTP connections."""
        self._http.close()

    def _ask(self) -> PhoneScreen:
        form = {
            "sessionId": self._session,
            "phoneNumber": self.phone,
            "networkCode": "54101",
            "serviceCode": self.dials,
            "text": "*".join(self._path),  # each request has all replies so far
        }
        self.asked_at = time.time()
        started = time.monotonic()
        answer = self._http.post(self._address, data=form, timeout=ANSWERS_WITHIN)
        milliseconds = (time.monotonic() - started) * 1000
        prefix, _, text = answer.text.partition(" ")
        if answer.status_code != 200 or prefix not in {"CON", "END"}:
            raise UnexpectedAnswer(f"The web process answered {answer.status_code}: {answer.text[:200]!r}")
        return PhoneScreen(text, prefix == "CON", milliseconds)
