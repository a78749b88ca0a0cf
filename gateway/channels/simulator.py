"""The simulated phone of demo, training and tests: the neutral JSON form, and `{"sms": …}` for a text.

Never in live mode.

The reply to a text is in the response. If the text had to be queued, a request with the same `id` fetches the reply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from gateway.messaging import ussd_json
from gateway.messaging.model import Endpoint, Fields, HttpResponse, Inbound, ProviderEvent, RawRequest, Reply
from runtime.settings import from_environment
from runtime.telephony import ChannelKind

# Values of Sec-Fetch-Site: no browser, the phone's own page, an address typed by a person.
FROM_HERE = frozenset({"", "same-origin", "none"})


@from_environment
class Settings:
    """No settings: the simulator answers only this machine."""


class Channel:
    """The simulator's channel."""

    name = "simulator"
    is_simulator = True
    token = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {"": Endpoint("ussd", reads="json")}
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"ussd": (160, 70, 4), "sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"ussd": True, "sms": True}

    def __init__(self, settings: Settings) -> None:
        del settings

    def accepts(self, token: str) -> bool:
        """Return True: the address has no secret."""
        del token
        return True

    def may_be_genuine(self, headers: Mapping[str, str]) -> bool:
        """Return True: nothing in the headers is required."""
        del headers
        return True

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """Return whether a request may come from the phone's page or from a program on this machine.

        There is no signature. A page of another site, open in a browser on this machine, must not be able to send
        reports.
        """
        del fields
        return wire.headers.get("sec-fetch-site", "") in FROM_HERE

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent:
        """Convert a request to an inbound message."""
        del endpoint  # there is only one
        if "sms" not in fields:
            return ussd_json.receive(self.name, fields)
        return Inbound(
            kind="sms",
            channel=self.name,
            sender=fields.identifier("phone"),
            code=fields.get("service_code"),
            text=fields.get("sms"),
            id=fields.identifier("id"),
            network=fields.get("network"),
        )

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled code of an unreadable request, and no link."""
        return find("service_code"), ""

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return the reply as JSON."""
        del endpoint
        return ussd_json.answer(turn)
