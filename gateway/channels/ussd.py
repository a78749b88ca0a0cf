"""USSD from a telco or an SMPP bridge in the neutral JSON form: POST /hooks/ussd/<token>."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from gateway.messaging import ussd_json
from gateway.messaging.model import Endpoint, Fields, HttpResponse, Inbound, ProviderEvent, Reply
from gateway.messaging.parsing import TokenAuthMixin
from runtime.settings import Secret, env, from_environment, parsers
from runtime.telephony import ChannelKind


@from_environment
class Settings:
    """The tokens in the address that the telco or the bridge calls."""

    tokens: Secret[tuple[str, ...]] = env(
        "USSD_TOKEN",
        parsers.tokens,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="in the address that the telco or the bridge calls; two while one is replaced",
    )


class Channel(TokenAuthMixin):
    """The neutral USSD channel."""

    name = "ussd"
    is_simulator = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {"": Endpoint("ussd", reads="json")}
    # 4 septets for the prefix that some bridges add, so that screens are the same on every channel
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"ussd": (160, 70, 4)}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"ussd": True}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.tokens)

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent:
        """Convert a request to an inbound message or the end of a session."""
        del endpoint  # there is only one
        return ussd_json.receive(self.name, fields)

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled code of an unreadable request, and no link."""
        return find("service_code"), ""

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return the reply as JSON."""
        del endpoint
        return ussd_json.answer(turn)
