"""The simulator for demo and tests: the neutral JSON form, and SMS."""

from __future__ import annotations

import json

import pytest

from gateway.channels.simulator import Channel, Settings
from gateway.messaging.model import HttpResponse, Inbound, ProviderEvent, Reply, UnreadableRequest
from gateway.messaging.parsing import read
from runtime.settings import load_settings
from tests.support.wire import raw_request

CHANNEL = Channel(load_settings(Settings, {}))

NUMBER = "+6785550101"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"session": "a", "phone": NUMBER, "service_code": "*111#", "event": "new"},
            Inbound(kind="ussd", channel="simulator", sender=NUMBER, code="*111#", text="", session="a", event="new"),
        ),
        ({"session": "a", "event": "close"}, ProviderEvent("ended", "simulator", session="a")),
        (
            {"sms": " report ", "phone": NUMBER, "service_code": "163", "id": "m1", "network": "54101"},
            Inbound(
                kind="sms", channel="simulator", sender=NUMBER, code="163", text=" report ", id="m1", network="54101"
            ),
        ),
        ({"sms": ""}, Inbound(kind="sms", channel="simulator", sender="", code="", text="")),
    ],
)
def test_received(body: dict[str, str], message: Inbound | ProviderEvent) -> None:
    assert CHANNEL.receive("", read(CHANNEL.endpoints[""], raw_request(json.dumps(body).encode()))) == message


@pytest.mark.parametrize("body", [{}, {"text": "1"}, {"sms": ["a"]}])
def test_unreadable(body: dict[str, object]) -> None:
    with pytest.raises(UnreadableRequest):
        CHANNEL.receive("", read(CHANNEL.endpoints[""], raw_request(json.dumps(body).encode())))


def test_it_replies_in_the_answer() -> None:
    assert CHANNEL.answer("", Reply("Hello", expects_reply=True)) == HttpResponse(
        200, "application/json", b'{"text":"Hello","continue":true}'
    )
    assert all(CHANNEL.replies_in_answer.values())


def test_it_is_for_practice_and_has_no_secret() -> None:
    assert CHANNEL.is_simulator
    assert not CHANNEL.token
    assert CHANNEL.accepts("")


def test_what_was_dialled_is_known_of_what_nobody_can_read() -> None:
    assert CHANNEL.code_and_link(lambda name: {"service_code": "*133#"}.get(name, "")) == ("*133#", "")
