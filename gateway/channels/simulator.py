"""The phone of demo, training and tests: the neutral JSON form, and `{"sms": …}` for a text. Never in live mode.

The answer to a text rides in the answer to the request. Where it had to wait, the same `id` asked again fetches it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from gateway.messaging import ussd_json
from gateway.messaging.model import Endpoint, Fields, HttpResponse, Inbound, Kind, ProviderEvent, RawRequest, Reply
from runtime.settings import from_environment

FROM_HERE = frozenset({"", "same-origin", "none"})  # no browser, the phone's own page, a person


@from_environment
class Settings:
    """None: it is open to this machine alone."""


class Channel:
    name = "simulator"
    practice = True
    token = False
    doors: ClassVar[Mapping[str, Endpoint]] = {"": Endpoint("ussd", reads="json")}
    limits: ClassVar[Mapping[Kind, tuple[int, int, int]]] = {"ussd": (160, 70, 4), "sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[Kind, bool]] = {"ussd": True, "sms": True}

    def __init__(self, settings: Settings) -> None:
        del settings

    def accepts(self, token: str) -> bool:
        del token  # its address has none
        return True

    def may_vouch(self, header: Callable[[str], str]) -> bool:
        del header
        return True

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """It signs nothing. A page of another site, open in a browser of this machine, is not to report by it."""
        del fields
        return wire.header("Sec-Fetch-Site") in FROM_HERE

    def receive(self, door: str, fields: Fields) -> Inbound | ProviderEvent:
        del door  # there is one
        if "sms" not in fields:
            return ussd_json.receive(self.name, fields)
        return Inbound(
            kind="sms",
            channel=self.name,
            sender=fields.who("phone"),
            code=fields.get("service_code"),
            text=fields.get("sms"),
            id=fields.who("id"),
            network=fields.get("network"),
        )

    def line(self, said: Callable[[str], str]) -> tuple[str, str]:
        return said("service_code"), ""

    def answer(self, door: str, turn: Reply | None) -> HttpResponse:
        del door
        return ussd_json.answer(turn)
