"""Phones that reach `web` over real HTTP, each through one channel in the format of its provider."""

from __future__ import annotations

import itertools
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import requests

from gateway.conversation.turns import is_unguessable
from tests.support.africastalking_api import AfricasTalkingApi

REPLY_TIMEOUT = 30  # seconds to wait for a response; tests do not measure time, and the machine may be busy
REPEATS = 5  # attempts to send a text while the response is 503, "not stored now, send it again"

READING = timedelta(seconds=10)  # a person reads a text before answering it; the tests do not wait

COUNTER = itertools.count(1)


def connection() -> requests.Session:
    """Return an HTTP session that does not look for a proxy in the environment at each request."""
    session = requests.Session()
    session.trust_env = False
    return session


def session_id() -> str:
    """Return a session id as Africa's Talking makes them, which web takes for unguessable.

    One of 2,300 has so few letters that web does not: then a repeat without Redis shows another code and PIN.
    """
    ids = (f"ATUid_{uuid.uuid4().hex}" for _ in range(100))
    return next(filter(is_unguessable, ids))


@dataclass(frozen=True)
class Screen:
    """The screen that the phone shows."""

    text: str
    expects_reply: bool


@dataclass
class AfricasTalking:
    """A phone on Africa's Talking USSD. Each request carries the whole path; the response starts with CON or END."""

    web: str
    token: str
    phone: str
    code: str
    http: requests.Session = field(default_factory=connection)
    session: str = ""
    path: list[str] = field(default_factory=list)

    def dial(self) -> Screen:
        """Start a session."""
        self.session, self.path = session_id(), []
        return self.again()

    def type(self, reply: str) -> Screen:
        """Send a reply."""
        self.path.append(reply)
        return self.again()

    def again(self) -> Screen:
        """Repeat the last request, and return the screen."""
        answer = self.http.post(
            f"{self.web}/hooks/africastalking/{self.token}/ussd", data=self._form(), timeout=REPLY_TIMEOUT
        )
        assert answer.status_code == 200, answer.status_code
        answer.encoding = "utf-8"
        prefix, _, text = answer.text.partition(" ")
        assert prefix in ("CON", "END"), answer.text
        return Screen(text, prefix == "CON")

    def drop_call(self) -> None:
        """Send the provider's event that the session has ended."""
        form = self._form() | {"status": "Incomplete", "input": "*".join(self.path)}
        answer = self.http.post(
            f"{self.web}/hooks/africastalking/{self.token}/ussd-end", data=form, timeout=REPLY_TIMEOUT
        )
        assert answer.status_code == 200

    def _form(self) -> dict[str, str]:
        return {
            "sessionId": self.session,
            "phoneNumber": self.phone,
            "networkCode": "99999",
            "serviceCode": self.code,
            "text": "*".join(self.path),
        }


@dataclass
class JsonUssd:
    """A phone on USSD over JSON, or on the simulator: each request carries one reply with its number."""

    door: str
    phone: str
    code: str
    http: requests.Session = field(default_factory=connection)
    session: str = ""
    turn: int = 0
    last: str = ""

    def dial(self) -> Screen:
        """Start a session."""
        self.session, self.turn = f"n{next(COUNTER)}-{id(self)}", 0
        return self.type("")

    def type(self, reply: str) -> Screen:
        """Send a reply."""
        self.turn += 1
        self.last = reply
        return self.again()

    def again(self) -> Screen:
        """Repeat the last request, and return the screen."""
        event = "new" if self.turn == 1 else "resume"
        answer = self._post({"event": event, "text": self.last, "turn": self.turn})
        return Screen(answer["text"], answer["continue"])

    def drop_call(self) -> None:
        """Send the event that the session has ended."""
        self._post({"event": "close", "text": ""})

    def _post(self, fields: dict[str, object]) -> dict[str, object]:
        body = {"session": self.session, "phone": self.phone, "service_code": self.code, "network": "54101", **fields}
        answer = self.http.post(self.door, data=json.dumps(body), timeout=REPLY_TIMEOUT)
        assert answer.status_code == 200, answer.status_code
        return answer.json()


@dataclass
class AfricasTalkingTexts:
    """A phone that texts over Africa's Talking; replies arrive later through the provider's API."""

    web: str
    token: str
    phone: str
    code: str
    provider: AfricasTalkingApi
    http: requests.Session = field(default_factory=connection)
    last: dict[str, str] = field(default_factory=dict)

    def text(self, words: str) -> None:
        """Send a text."""
        self.write(words)
        self.again()

    def write(self, words: str) -> None:
        """Prepare a text; `post` sends it."""
        self.last = {
            "from": self.phone,
            "to": self.code,
            "text": words,
            "date": (datetime.now(UTC) + READING).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "id": f"ATXid_{next(COUNTER)}_{id(self)}",
        }

    def post(self) -> requests.Response:
        """Send the prepared text, and return the HTTP response to the provider."""
        return self.http.post(
            f"{self.web}/hooks/africastalking/{self.token}/sms", data=self.last, timeout=REPLY_TIMEOUT
        )

    def again(self) -> None:
        """Send the last text, and repeat it while the response is 503, as the provider does."""
        answer = next((given for _ in range(REPEATS) if (given := self.post()).status_code != 503), None)
        assert answer is not None, f"answered 503 {REPEATS} times"
        assert (answer.status_code, answer.text) == (200, ""), (answer.status_code, answer.text)

    def replies(self) -> list[str]:
        """Return all texts that this phone has received, oldest first."""
        return self.provider.to(self.phone)


@dataclass
class SimulatedTexts:
    """A phone that texts over the simulator; the HTTP response is the reply."""

    door: str
    phone: str
    code: str
    http: requests.Session = field(default_factory=connection)
    last: dict[str, str] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    repeats: dict[str, str] = field(default_factory=dict)

    def text(self, words: str) -> None:
        """Send a text and store its reply."""
        self.last = {"sms": words, "phone": self.phone, "service_code": self.code, "id": f"s{next(COUNTER)}-{id(self)}"}
        if reply := self._post():
            self.received.append(reply)
        self.repeats[self.last["id"]] = reply

    def again(self) -> None:
        """Send the last text again; the reply must be the same."""
        assert self._post() == self.repeats[self.last["id"]]

    def replies(self) -> list[str]:
        """Return all texts that this phone has received, oldest first."""
        return self.received

    def _post(self) -> str:
        answer = self.http.post(self.door, data=json.dumps(self.last), timeout=REPLY_TIMEOUT)
        assert answer.status_code == 200, answer.status_code
        reply: str = answer.json()["text"]
        return reply
