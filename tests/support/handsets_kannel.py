"""Phones behind Kannel: requests of its smsbox to `web`, in the format recorded from the real one."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

from tests.support.handsets import COUNTER, READING, REPLY_TIMEOUT, Screen, connection


@dataclass
class KannelTexts:
    """A phone that texts over Kannel: the text is the body, other fields are headers; the HTTP response is the reply.

    `by`: the HTTP method; with GET, the text and all other fields are in the query.
    """

    door: str
    phone: str
    code: str
    by: str = "POST"
    http: requests.Session = field(default_factory=connection)
    last: dict[str, str] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    repeats: dict[str, str] = field(default_factory=dict)

    def text(self, words: str) -> None:
        """Send a text and store its reply."""
        self.write(words)
        if reply := self._reply():
            self.received.append(reply)
        self.repeats[self.last["id"]] = reply

    def write(self, words: str) -> None:
        """Prepare a text; `post` sends it."""
        self.last = kannel_says(self.phone, self.code, words)

    def again(self) -> None:
        """Send the last text again; the reply must be the same."""
        assert self._reply() == self.repeats[self.last["id"]]

    def post(self) -> requests.Response:
        """Send the prepared text, and return the HTTP response to Kannel."""
        return kannel_asks(self.http, self.door, self.last, self.by)

    def replies(self) -> list[str]:
        """Return all texts that this phone has received, oldest first."""
        return self.received

    def _reply(self) -> str:
        answer = self.post()
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
        return answer.content.decode()


@dataclass
class KannelUssd:
    """A phone on USSD over SMPP. smsbox passes the fields of the session as meta-data, and so does our response."""

    door: str
    phone: str
    code: str
    http: requests.Session = field(default_factory=connection)
    session: int = 0
    last: dict[str, str] = field(default_factory=dict)

    def dial(self) -> Screen:
        """Start a session."""
        self.session = next(COUNTER) % 256
        return self._send(self.code, operation=1)

    def type(self, reply: str) -> Screen:
        """Send a reply."""
        return self._send(reply, operation=18)

    def again(self) -> Screen:
        """Repeat the last request, and return the screen."""
        answer = kannel_asks(self.http, self.door, self.last)
        assert answer.status_code == 200, answer.status_code
        operation, _, info = answer.headers["X-Kannel-Meta-Data"].removeprefix("?smpp?ussd_service_op=").partition("&")
        goes_on = {"2": True, "17": False}[operation]
        assert info == f"its_session_info={self.session * 256 + (not goes_on)}"
        return Screen(answer.content.decode(), goes_on)

    def drop_call(self) -> None:
        """Send the event that the session has ended."""
        self.last = kannel_says(self.phone, self.code, "", meta=self._meta(18, ended=True))
        answer = kannel_asks(self.http, self.door, self.last)
        assert (answer.status_code, answer.content) == (200, b"")

    def _send(self, words: str, operation: int) -> Screen:
        self.last = kannel_says(self.phone, self.code, words, meta=self._meta(operation))
        return self.again()

    def _meta(self, operation: int, *, ended: bool = False) -> str:
        fields = {"ussd_service_op": bytes([operation]), "its_session_info": bytes([self.session, ended])}
        return "?smpp?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()) + "&"


def kannel_says(phone: str, code: str, words: str, meta: str = "") -> dict[str, str]:
    """Return the fields of one message, named as in the query of Kannel's documentation."""
    return {
        "id": str(uuid.uuid4()),
        "smsc": "OPERATOR",
        "from": phone.removeprefix("+"),
        "to": code,
        "ts": str(int(time.time() + READING.total_seconds())),
        "coding": "0",
        "charset": "UTF-8",
        "text": words,
        "meta": meta,
    }


def kannel_asks(http: Any, door: str, said: Mapping[str, str], by: str = "POST") -> requests.Response:
    """Send a message as the real smsbox does."""
    if by == "GET":
        return http.get(door, params=said, timeout=REPLY_TIMEOUT)
    headers = {
        "User-Agent": "Kannel/1.4.5",
        "Content-Type": 'text/plain; charset="UTF-8"',
        "X-Kannel-From": said["from"],
        "X-Kannel-To": said["to"],
        "X-Kannel-Time": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(said["ts"]))),
        "X-Kannel-SMSC": said["smsc"],
        "X-Kannel-Coding": said["coding"],
        "X-Kannel-Service": "tokaut",
    } | ({"X-Kannel-Meta-Data": said["meta"]} if said["meta"] else {})
    address = f"{door}?id={said['id']}&ts={said['ts']}"
    return http.post(address, data=said["text"].encode(), headers=headers, timeout=REPLY_TIMEOUT)
