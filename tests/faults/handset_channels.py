"""Simulated phones: each makes the request of one channel's provider and reads the answer.

`KINDS` says how many reporters use each. Calls to a telephone number, and USSD over Kannel, have no phone here.
"""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Protocol
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from tests.faults.client import JSON, Answer, Request
from tests.faults.sms_provider import SmsProvider
from tests.support.handsets import READING, session_id

USSD_CODE, SMS_CODE = "*111*163#", "163"
REPLY_WITHIN = 20.0  # seconds until an SMS arrives; its worker may have been killed
NUMBERS = itertools.count(1)
LINES_ABOVE = re.compile(r"(?:(?:Sorry, try again\.|\?|Pikinini Helpline 163|helpline 163)\n)+")


@dataclass(frozen=True)
class Seen:
    """A screen or SMS on the phone."""

    text: str
    expects_reply: bool


def without_lines_above(text: str) -> str:
    """Return the screen from its heading on, without the mark of a wrong reply and the helpline of a care screen."""
    above = LINES_ABOVE.match(text)
    return text[above.end() :] if above else text


@dataclass(frozen=True)
class ProviderAccess:
    """`web`: its address. `secrets`: in the providers' requests or signatures. `inbox`: receives SMS."""

    web: str
    secrets: Mapping[str, str]
    inbox: SmsProvider


def ends(text: str) -> bool:
    """Return whether an SMS is the last one of its conversation."""
    return without_lines_above(text).startswith("Thank you")


class PhoneChannel(Protocol):
    """A phone on a channel."""

    needs: ClassVar[str]  # the secret that the channel needs

    def __init__(self, access: ProviderAccess, phone: str) -> None: ...
    def begin(self) -> Request: ...
    def say(self, reply: str) -> Request: ...
    async def hear(self, answer: Answer) -> Seen | None: ...  # None: the phone received nothing


class RepliesInResponse:
    """A channel whose response contains the reply; it is empty if the words were stored to be answered later."""

    def text_of(self, answer: Answer) -> str:
        raise NotImplementedError

    async def hear(self, answer: Answer) -> Seen | None:
        text = self.text_of(answer)
        return Seen(text, expects_reply=not ends(text)) if text else None


@dataclass
class AfricasTalkingUssd:
    """USSD over Africa's Talking: each request has all replies so far."""

    needs: ClassVar[str] = "africastalking"
    access: ProviderAccess
    phone: str
    path: list[str] = field(default_factory=list)
    session: str = ""

    def begin(self) -> Request:
        self.session, self.path = session_id(), []
        return self._request()

    def say(self, reply: str) -> Request:
        self.path.append(reply)
        return self._request()

    async def hear(self, answer: Answer) -> Seen | None:
        prefix, _, text = answer.body.decode().partition(" ")
        return Seen(text, prefix == "CON")

    def _request(self) -> Request:
        form = {"sessionId": self.session, "phoneNumber": self.phone, "serviceCode": USSD_CODE}
        body = urlencode(form | {"networkCode": "54101", "text": "*".join(self.path)})
        return Request(f"/hooks/africastalking/{self.access.secrets['africastalking']}/ussd", body.encode())


@dataclass
class NeutralUssd:
    """USSD in the neutral JSON form: each request has one reply and its number."""

    needs: ClassVar[str] = "ussd"
    access: ProviderAccess
    phone: str
    session: str = ""
    turn: int = 0

    def begin(self) -> Request:
        self.session, self.turn = f"n_{self.phone}_{next(NUMBERS)}", 0
        return self.say("")

    def say(self, reply: str) -> Request:
        self.turn += 1
        said = {"event": "new" if self.turn == 1 else "resume", "text": reply, "turn": self.turn}
        who = {"session": self.session, "phone": self.phone, "service_code": USSD_CODE, "network": "54101"}
        return Request(self._path(), json.dumps(who | said).encode(), JSON)

    async def hear(self, answer: Answer) -> Seen | None:
        told = json.loads(answer.body)
        return Seen(told["text"], bool(told["continue"]))

    def _path(self) -> str:
        return f"/hooks/ussd/{self.access.secrets['ussd']}"


class SimulatorUssd(NeutralUssd):
    """USSD in the simulator."""

    needs: ClassVar[str] = "simulator"

    def _path(self) -> str:
        return "/hooks/simulator"


@dataclass
class AfricasTalkingSms:
    """SMS over Africa's Talking: the worker sends the reply through the provider's API."""

    needs: ClassVar[str] = "africastalking"
    access: ProviderAccess
    phone: str
    had: int = 0

    def begin(self) -> Request:
        return self.say("hello")

    def say(self, reply: str) -> Request:
        self.had = len(self.access.inbox.to(self.phone))
        date = (datetime.now(UTC) + READING).strftime("%Y-%m-%dT%H:%M:%SZ")
        form = {"from": self.phone, "to": SMS_CODE, "text": reply, "date": date, "id": f"ATXid_{next(NUMBERS)}"}
        return Request(f"/hooks/africastalking/{self.access.secrets['africastalking']}/sms", urlencode(form).encode())

    async def hear(self, answer: Answer) -> Seen | None:
        end = time.monotonic() + REPLY_WITHIN
        while time.monotonic() < end:
            received = self.access.inbox.to(self.phone)
            if len(received) > self.had:
                return Seen(received[-1], expects_reply=not ends(received[-1]))
            await asyncio.sleep(0.05)
        return None


@dataclass
class SimulatorSms(RepliesInResponse):
    """SMS in the simulator."""

    needs: ClassVar[str] = "simulator"
    access: ProviderAccess
    phone: str

    def begin(self) -> Request:
        return self.say("hello")

    def say(self, reply: str) -> Request:
        body = {"sms": reply, "phone": self.phone, "service_code": SMS_CODE, "id": f"s{next(NUMBERS)}"}
        return Request("/hooks/simulator", json.dumps(body).encode(), JSON)

    def text_of(self, answer: Answer) -> str:
        return str(json.loads(answer.body)["text"])


@dataclass
class Twilio(RepliesInResponse):
    """SMS over Twilio: signed, and answered in TwiML."""

    needs: ClassVar[str] = "twilio"
    access: ProviderAccess
    phone: str

    def begin(self) -> Request:
        return self.say("hello")

    def say(self, reply: str) -> Request:
        account = self.access.secrets["twilio_account"]
        form = {"AccountSid": account, "MessageSid": f"SM{next(NUMBERS):032x}", "From": self.phone, "To": SMS_CODE}
        form |= {"Body": reply, "NumMedia": "0"}
        signer = RequestValidator(self.access.secrets["twilio"])
        signature = signer.compute_signature(f"{self.access.web}/hooks/twilio/sms", form)
        return Request("/hooks/twilio/sms", urlencode(form).encode(), headers={"X-Twilio-Signature": signature})

    def text_of(self, answer: Answer) -> str:
        found = re.search(r"<Message>(.*)</Message>", answer.body.decode(), re.DOTALL)
        return html.unescape(found[1]) if found else ""


@dataclass
class Kannel(RepliesInResponse):
    """SMS by Kannel's POST: the response is the reply."""

    needs: ClassVar[str] = "kannel"
    access: ProviderAccess
    phone: str

    def begin(self) -> Request:
        return self.say("hello")

    def say(self, reply: str) -> Request:
        headers = {"X-Kannel-From": self.phone, "X-Kannel-To": SMS_CODE, "X-Kannel-Coding": "0"}
        path = f"/hooks/kannel/{self.access.secrets['kannel']}/sms?id=k{next(NUMBERS)}"
        return Request(path, reply.encode(), "text/plain; charset=UTF-8", headers)

    def text_of(self, answer: Answer) -> str:
        return answer.body.decode()


# Reporters of a hundred who use each channel.
KINDS: Mapping[type[PhoneChannel], int] = {
    AfricasTalkingUssd: 45,
    NeutralUssd: 22,
    SimulatorUssd: 8,
    AfricasTalkingSms: 9,
    SimulatorSms: 4,
    Twilio: 6,
    Kannel: 6,
}
BY_SMS = (AfricasTalkingSms, SimulatorSms, Twilio, Kannel)
