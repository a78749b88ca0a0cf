"""A phone for scripts: dials a service code and answers, over real HTTP, as Africa's Talking would pass it on."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass

import requests

CHOICE_LINE = re.compile(r"^(\d{1,2}) (.+)$", re.MULTILINE)  # "2 Soon"; "1 = skip" is one too, labelled "= skip"
ANSWERS_WITHIN = 10.0  # seconds; what Africa's Talking waits at least


class UnexpectedAnswer(Exception):
    """What came back is no USSD answer, or has no such choice. The text shows it."""


@dataclass(frozen=True, slots=True)
class PhoneScreen:
    """What the phone shows. `milliseconds` is how long the web process took."""

    text: str
    expects_reply: bool
    milliseconds: float

    def key_of(self, label: str) -> str:
        """The digit of the choice with this label. Scripts go by labels, so that a changed number breaks none."""
        for key, words in CHOICE_LINE.findall(self.text):
            if words == label:
                return str(key)
        raise UnexpectedAnswer(f"There is no choice {label!r} on this screen:\n{self.text}")


class UssdPhone:
    """One USSD session of one phone."""

    def __init__(self, web: str, token: str, *, phone: str, dials: str) -> None:
        self.phone = phone
        self.dials = dials
        self._address = f"{web}/hooks/africastalking/{token}/ussd"
        self._http = requests.Session()
        self._http.trust_env = False
        self._session = f"ATUid_{uuid.uuid4().hex}"
        self._path: list[str] = []
        self.asked_at = 0.0  # unix seconds of the last reply

    def dial(self) -> PhoneScreen:
        """A new session; the first screen."""
        self._session = f"ATUid_{uuid.uuid4().hex}"
        self._path = []
        return self._ask()

    def reply(self, text: str) -> PhoneScreen:
        """The next screen after a digit or words."""
        self._path.append(text)
        return self._ask()

    def close(self) -> None:
        self._http.close()

    def _ask(self) -> PhoneScreen:
        form = {
            "sessionId": self._session,
            "phoneNumber": self.phone,
            "networkCode": "54101",
            "serviceCode": self.dials,
            "text": "*".join(self._path),  # all replies so far, each time
        }
        self.asked_at = time.time()
        before = time.monotonic()
        answer = self._http.post(self._address, data=form, timeout=ANSWERS_WITHIN)
        took = (time.monotonic() - before) * 1000
        prefix, _, text = answer.text.partition(" ")
        if answer.status_code != 200 or prefix not in {"CON", "END"}:
            raise UnexpectedAnswer(f"The web process answered {answer.status_code}: {answer.text[:200]!r}")
        return PhoneScreen(text, prefix == "CON", took)
