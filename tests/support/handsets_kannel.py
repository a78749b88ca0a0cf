"""Phones behind a Kannel: what its smsbox asks `web`, in its own form, as seen with the real one."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

from tests.support.handsets import COUNTER, Seen


@dataclass
class KannelTexts:
    """Texts as Kannel's smsbox hands them on: the words are the body, the rest headers; the reply is the answer.

    `by`: GET, where the words and all else stand in the address.
    """

    door: str
    phone: str
    code: str
    by: str = "POST"
    http: requests.Session = field(default_factory=requests.Session)
    last: dict[str, str] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    repeats: dict[str, str] = field(default_factory=dict)

    def text(self, words: str) -> None:
        self.write(words)
        if reply := self._reply():
            self.received.append(reply)
        self.repeats[self.last["id"]] = reply

    def write(self, words: str) -> None:
        """What Kannel is to hand on; `post` does."""
        self.last = kannel_says(self.phone, self.code, words)

    def again(self) -> None:
        assert self._reply() == self.repeats[self.last["id"]]

    def post(self) -> requests.Response:
        return kannel_asks(self.http, self.door, self.last, self.by)

    def replies(self) -> list[str]:
        return self.received

    def _reply(self) -> str:
        answer = self.post()
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
        return answer.content.decode()


@dataclass
class KannelUssd:
    """USSD over SMPP as smsbox hands it on: the session's fields are meta-data beside the words, and so are ours."""

    door: str
    phone: str
    code: str
    http: requests.Session = field(default_factory=requests.Session)
    session: int = 0
    last: dict[str, str] = field(default_factory=dict)

    def dial(self) -> Seen:
        self.session = next(COUNTER) % 256
        return self._say(self.code, operation=1)

    def type(self, reply: str) -> Seen:
        return self._say(reply, operation=18)

    def again(self) -> Seen:
        answer = kannel_asks(self.http, self.door, self.last)
        assert answer.status_code == 200, answer.status_code
        operation, _, info = answer.headers["X-Kannel-Meta-Data"].removeprefix("?smpp?ussd_service_op=").partition("&")
        goes_on = {"2": True, "17": False}[operation]
        assert info == f"its_session_info={self.session * 256 + (not goes_on)}"
        return Seen(answer.content.decode(), goes_on)

    def line_gone(self) -> None:
        self.last = kannel_says(self.phone, self.code, "", meta=self._meta(18, ended=True))
        answer = kannel_asks(self.http, self.door, self.last)
        assert (answer.status_code, answer.content) == (200, b"")

    def _say(self, words: str, operation: int) -> Seen:
        self.last = kannel_says(self.phone, self.code, words, meta=self._meta(operation))
        return self.again()

    def _meta(self, operation: int, *, ended: bool = False) -> str:
        raw = {"ussd_service_op": bytes([operation]), "its_session_info": bytes([self.session, ended])}
        return "?smpp?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in raw.items()) + "&"


def kannel_says(phone: str, code: str, words: str, meta: str = "") -> dict[str, str]:
    """One message, by the names of the query in the documentation's GET address."""
    return {
        "id": str(uuid.uuid4()),
        "smsc": "OPERATOR",
        "from": phone.removeprefix("+"),
        "to": code,
        "ts": str(int(time.time())),
        "coding": "0",
        "charset": "UTF-8",
        "text": words,
        "meta": meta,
    }


def kannel_asks(http: Any, door: str, said: Mapping[str, str], by: str = "POST") -> requests.Response:
    """As smsbox asks, seen with the real one."""
    if by == "GET":
        return http.get(door, params=said, timeout=10)
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
    return http.post(address, data=said["text"].encode(), headers=headers, timeout=10)
