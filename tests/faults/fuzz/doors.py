"""Every door of every channel that web has open, and how a provider writes a request there."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import gateway.channels
from gateway.message import Channel, Door
from reports.settings import Common, load_all
from tests.support.town import Town

USSD_CODE, SMS_CODE = "*111*163#", "163"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Said:
    """What one phone says: by USSD the whole path and the last reply of it, by SMS a text."""

    phone: str
    text: str
    id: str  # of the session, or of the message
    path: str = ""
    turn: int = 1


@dataclass(frozen=True)
class Request:
    """As it goes over the wire, but for its length."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def raw(self) -> bytes:
        head = b"%s %s HTTP/1.1\r\n" % (self.method.encode(), self.target)
        lines = [*self.headers, (b"Content-Length", b"%d" % len(self.body))]
        return head + b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n" + self.body


@dataclass(frozen=True)
class Way:
    """One door, with the secret in its address where it has one."""

    channel: str
    name: str
    opens: str
    target: str
    write: Callable[[str, Said], Request]
    seal: Callable[[Request], Request]  # signs it as the provider would

    def request(self, said: Said) -> Request:
        return self.seal(self.write(self.target, said))


def ways(town: Town) -> list[Way]:
    """Of every channel that this town's web has open."""
    found = []
    for name in load_all((Common,), town.environment)[Common].channels:
        module = importlib.import_module(f"{gateway.channels.__name__}.{name}")
        channel: Channel = module.Channel(load_all((module.Settings,), town.environment)[module.Settings])
        for door_name, door in channel.doors.items():
            found.extend(_ways(town, channel, door_name, door))
    return found


def _ways(town: Town, channel: Channel, name: str, door: Door) -> list[Way]:
    token = f"/{town.environment[TOKENS[channel.name]]}" if channel.token else ""
    target = f"/hooks/{channel.name}{token}" + (f"/{name}" if name else "")
    seal = SIGNED[channel.name](town) if channel.name in SIGNED else _unsigned
    return [
        Way(channel.name, name, opens, target, write, seal)
        for (opens, write) in WRITTEN[channel.name, name]
        if opens == door.opens or channel.practice
    ]


def _unsigned(request: Request) -> Request:
    return request


def _form(target: str, fields: Mapping[str, str]) -> Request:
    kind = ((b"Host", b"here"), (b"Content-Type", FORM.encode()))
    return Request("POST", target.encode(), kind, urlencode(fields, errors="surrogatepass").encode())


def _json(target: str, fields: Mapping[str, object]) -> Request:
    kind = ((b"Host", b"here"), (b"Content-Type", b"application/json"))
    return Request("POST", target.encode(), kind, json.dumps(fields).encode())


def _at_ussd(target: str, said: Said) -> Request:
    who = {"sessionId": said.id, "phoneNumber": said.phone, "networkCode": "99999", "serviceCode": USSD_CODE}
    return _form(target, who | {"text": said.path})


def _at_end(target: str, said: Said) -> Request:
    who = {"sessionId": said.id, "phoneNumber": said.phone, "serviceCode": USSD_CODE}
    return _form(target, who | {"status": "Incomplete", "input": said.path})


def _at_sms(target: str, said: Said) -> Request:
    return _form(target, {"from": said.phone, "to": SMS_CODE, "text": said.text, "id": said.id})


def _at_delivery(target: str, said: Said) -> Request:
    return _form(target, {"id": said.id, "phoneNumber": said.phone, "status": "Success"})


def _at_optout(target: str, said: Said) -> Request:
    return _form(target, {"senderId": SMS_CODE, "phoneNumber": said.phone})


def _neutral(target: str, said: Said) -> Request:
    who = {"session": said.id, "phone": said.phone, "service_code": USSD_CODE, "network": "54101"}
    step = {"event": "new" if said.turn == 1 else "resume", "text": said.text, "turn": said.turn}
    return _json(target, who | step)


def _simulated_sms(target: str, said: Said) -> Request:
    return _json(target, {"sms": said.text, "phone": said.phone, "service_code": SMS_CODE, "id": said.id})


# Where the secret of a channel's address stands, and how its provider signs
TOKENS: Mapping[str, str] = {"africastalking": "AFRICASTALKING_TOKEN", "ussd": "USSD_TOKEN"}
SIGNED: Mapping[str, Callable[[Town], Callable[[Request], Request]]] = {}

# A channel that is missing here fails the test beside: random bytes alone would never get past its first check.
WRITTEN: Mapping[tuple[str, str], tuple[tuple[str, Callable[[str, Said], Request]], ...]] = {
    ("africastalking", "ussd"): (("ussd", _at_ussd),),
    ("africastalking", "ussd-end"): (("notice", _at_end),),
    ("africastalking", "sms"): (("sms", _at_sms),),
    ("africastalking", "delivery"): (("notice", _at_delivery),),
    ("africastalking", "optout"): (("notice", _at_optout),),
    ("ussd", ""): (("ussd", _neutral),),
    ("simulator", ""): (("ussd", _neutral), ("sms", _simulated_sms)),
}
