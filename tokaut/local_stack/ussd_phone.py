"""A USSD phone for scripts: it dials a service code and replies over real HTTP, as if through Africa's Talking."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import requests

from runtime.operator_error import OperatorError

CHOICE_LINE = re.compile(r"^(\d{1,2}) (.+)$", re.MULTILINE)  # "2 Soon"; "1 = skip" is one too, labelled "= skip"
ANSWERS_WITHIN = 10.0  # seconds; Africa's Talking waits at least this long


class UnexpectedAnswer(OperatorError):
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
    """One phone, with one USSD session at a time. `ca_file`: web's CA in PEM form; None: the system's."""

    path = "/hooks/africastalking/{token}/ussd"

    def __init__(self, web: str, token: str, *, phone: str, dials: str, ca_file: Path | None = None) -> None:
        self.phone = phone
        self.dials = dials
        self._address = web + self.path.format(token=token)
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = str(ca_file) if ca_file else True
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
        self.asked_at = time.time()
        started = time.monotonic()
        text, expects_reply = self._send()
        return PhoneScreen(text, expects_reply, (time.monotonic() - started) * 1000)

    def _send(self) -> tuple[str, bool]:
        """Send the turn; return the text of the screen, and whether it expects a reply. Raises UnexpectedAnswer."""
        form = {
            "sessionId": self._session,
            "phoneNumber": self.phone,
            "networkCode": "54101",
            "serviceCode": self.dials,
            "text": "*".join(self._path),  # each request has all replies so far
        }
        answer = self._http.post(self._address, data=form, timeout=ANSWERS_WITHIN)
        prefix, _, text = answer.text.partition(" ")
        if answer.status_code != 200 or prefix not in {"CON", "END"}:
            raise UnexpectedAnswer(f"The web process answered {answer.status_code}: {answer.text[:200]!r}")
        return text, prefix == "CON"
