"""The ways in which a caller's words come to `web`: each makes the provider's request and reads what is answered."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import requests

from tests.support.provider import Provider

USSD_CODE, SMS_CODE = "*111*163#", "163"
REPLY_WITHIN = 20.0  # seconds for an SMS to come back, over a worker that may just have been killed
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Request:
    """As the provider sends it, and would send it again."""

    url: str
    data: dict[str, str] | str


@dataclass(frozen=True)
class Seen:
    text: str
    goes_on: bool


class Line(Protocol):
    def begin(self) -> Request: ...
    def say(self, reply: str) -> Request: ...
    def read(self, answer: requests.Response) -> Seen | None: ...  # None: nothing came back to the phone


@dataclass
class Dialled:
    """USSD over Africa's Talking: the whole path each time."""

    url: str
    phone: str
    path: list[str] = field(default_factory=list)
    session: str = ""

    def begin(self) -> Request:
        self.session, self.path = f"ATUid_{self.phone}_{next(NUMBERS)}", []
        return self._request()

    def say(self, reply: str) -> Request:
        self.path.append(reply)
        return self._request()

    def read(self, answer: requests.Response) -> Seen | None:
        prefix, _, text = answer.content.decode().partition(" ")
        return Seen(text, prefix == "CON")

    def _request(self) -> Request:
        form = {"sessionId": self.session, "phoneNumber": self.phone, "serviceCode": USSD_CODE}
        return Request(self.url, form | {"networkCode": "54101", "text": "*".join(self.path)})


@dataclass
class Texted:
    """SMS over Africa's Talking: the reply goes out by the worker and the provider's API."""

    url: str
    phone: str
    provider: Provider
    had: int = 0

    def begin(self) -> Request:
        return self.say("hello")

    def say(self, reply: str) -> Request:
        self.had = len(self.provider.to(self.phone))
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        form = {"from": self.phone, "to": SMS_CODE, "text": reply, "date": date, "id": f"ATXid_{next(NUMBERS)}"}
        return Request(self.url, form)

    def read(self, answer: requests.Response) -> Seen | None:
        end = time.monotonic() + REPLY_WITHIN
        while time.monotonic() < end:
            received = self.provider.to(self.phone)
            if len(received) > self.had:
                return Seen(received[-1], goes_on=not received[-1].startswith("Thank you"))
            time.sleep(0.05)
        return None


@dataclass
class Simulated:
    """The simulator's SMS: the reply is the answer; it has none where the text was put aside."""

    url: str
    phone: str

    def begin(self) -> Request:
        return self.say("hello")

    def say(self, reply: str) -> Request:
        body = {"sms": reply, "phone": self.phone, "service_code": SMS_CODE, "id": f"s{next(NUMBERS)}"}
        return Request(self.url, json.dumps(body))

    def read(self, answer: requests.Response) -> Seen | None:
        text = str(answer.json()["text"])
        return Seen(text, goes_on=not text.startswith("Thank you")) if text else None
