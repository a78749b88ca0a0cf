"""Network-initiated USSD through the real Kannel to the SMPP server, and its delivery reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from gateway.channels.kannel import Channel
from gateway.channels.kannel import Settings as ChannelSettings
from gateway.messaging import parsing
from gateway.messaging.model import ProviderEvent
from reports.store.sms.messages import record_delivery_report
from runtime.settings import Mode, load_settings
from tests.kannel.application import Application
from tests.kannel.network import GSM7, OPERATION, UCS2, USSN_REQUEST, Network, Screen
from tests.kannel.test_ussd import CODE, LINE, a_number
from tests.support import databases
from tests.support.kannel import Kannel
from tests.support.ports import free_port
from tests.support.wait import until
from tests.support.wire import raw_request
from tests.workers.sample_store import SampleStore
from tests.workers.test_reporter_messages import NUMBER
from tests.workers.test_sms_dispatcher import FakeSmsSender
from tests.workers.test_ussd_notices import Notices
from workers.senders.kannel import Sender, Settings
from workers.sms.dispatcher import Accepted, SmsMessage

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-03")]

TOKEN = "kX3v9QmT-b_27LwZp0RfYc"
WORDS = "Hello. Please dial *111*163# when you have time."


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    with Application() as it:
        yield it


@pytest.fixture(scope="module")
def centre() -> Iterator[Network]:
    with Network(free_port()) as network:
        yield network


@pytest.fixture(scope="module")
def kannel(application: Application, centre: Network) -> Iterator[Kannel]:
    values = {**LINE, "ussd_port": centre.port}
    with Kannel("ussd.conf", web=application.url, token=TOKEN, values=values) as kannel:
        centre.until_bound()
        yield kannel


@pytest.fixture
def network(centre: Network) -> Iterator[Network]:
    assert centre.screens.empty()
    yield centre
    centre.refuses = False


def sender_of(kannel: Kannel, application: Application, sms: str = "http://127.0.0.1:1/cgi-bin/sendsms") -> Sender:
    given = {
        "KANNEL_SENDSMS_URL": sms,
        "KANNEL_SENDSMS_USER": "tokaut",
        "KANNEL_SENDSMS_PASSWORD": "sendsms-of-a-test",
        "KANNEL_USSD_SENDSMS_URL": kannel.sendsms,
        "KANNEL_DLR_URL": f"{application.url}/hooks/kannel/{TOKEN}/dlr",
    }
    return Sender(load_settings(Settings, given), Mode.DEMO)


def id_of(number: str) -> str:
    return f"m-{number}"


def shown(kannel: Kannel, network: Network, application: Application, words: str = WORDS) -> Screen:
    """Send a text with our sender, and return it as the network receives it."""
    sender, number, sent = sender_of(kannel, application), a_number(), len(kannel.sent())
    assert sender.can_notify
    message_id = id_of(number)
    assert sender.notify(SmsMessage(f"+{number}", CODE, words, id=message_id, seconds=60)) == Accepted(message_id)
    screen = network.next()
    assert screen.to == number
    until_accepted(kannel, network, sent)
    return screen


def until_accepted(kannel: Kannel, network: Network, sent: int) -> None:
    """Wait until Kannel knows the network's id of a text; it would lose an earlier delivery report."""
    if not network.refuses:
        until(lambda: len(kannel.sent()) > sent, "Kannel had no answer from the network", 20)


def events(application: Application) -> list[ProviderEvent]:
    """Return the delivery reports as our endpoint parses them."""
    channel = Channel(load_settings(ChannelSettings, {"KANNEL_TOKEN": TOKEN}))
    dlr = channel.endpoints["dlr"]
    targets = [call.target for call in application.calls if call.path.endswith("/dlr")]
    read = [channel.receive("dlr", parsing.read(dlr, raw_request(method="GET", target=target))) for target in targets]
    return [event for event in read if isinstance(event, ProviderEvent)]


def statuses(application: Application, screen: Screen) -> list[str]:
    return [event.status for event in events(application) if event.id == id_of(screen.to)]


@pytest.mark.parametrize(("words", "coding"), [(WORDS, GSM7), ("Tēnā koe. *111*163#", UCS2)])
def test_a_text_is_shown_and_nothing_can_be_typed(
    kannel: Kannel, network: Network, application: Application, words: str, coding: int
) -> None:
    screen = shown(kannel, network, application, words)
    assert (screen.text, screen.coding, screen.sender, screen.service_type) == (words, coding, CODE, "USSD")
    assert screen.fields == {OPERATION: bytes([USSN_REQUEST])}


@pytest.mark.parametrize(("state", "status"), [("DELIVRD", "delivered"), ("UNDELIV", "failed"), ("EXPIRED", "failed")])
def test_what_became_of_it_is_reported(
    kannel: Kannel, network: Network, application: Application, state: str, status: str
) -> None:
    screen = shown(kannel, network, application)
    network.report(screen, state)
    until(lambda: status in statuses(application, screen), f"{statuses(application, screen)}", 20)


def test_a_phone_that_the_network_refuses_is_reported(
    kannel: Kannel, network: Network, application: Application
) -> None:
    network.refuses = True
    screen = shown(kannel, network, application)
    until(lambda: "failed" in statuses(application, screen), f"{statuses(application, screen)}", 20)


@pytest.fixture
def notices(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Notices]:
    with closing(databases.migrated_database("sqlite", request, tmp_path)) as database:
        yield Notices(SampleStore.create(database, tmp_path / "keys"))


@pytest.mark.parametrize("state", ["DELIVRD", "UNDELIV"])
def test_an_answer_is_announced_by_ussd_and_after_a_failure_by_sms(
    kannel: Kannel, network: Network, application: Application, notices: Notices, state: str
) -> None:
    """From a hotline's answer to the phone. Only the endpoint that stores the delivery reports is not real."""
    known = {event.id for event in events(application)}
    with (
        Kannel(web=application.url, token=TOKEN) as texts,
        texts.phone("6785550199", "163", "text hi") as phone,
    ):
        notices.kannel = cast("FakeSmsSender", sender_of(kannel, application, texts.sendsms))
        sent = len(kannel.sent())
        notices.report()
        notices.process_due()
        screen = network.next()
        assert (screen.text, f"+{screen.to}", screen.fields) == (WORDS, NUMBER, {OPERATION: bytes([USSN_REQUEST])})
        until_accepted(kannel, network, sent)
        network.report(screen, state)
        last = {"DELIVRD": "delivered", "UNDELIV": "failed"}[state]

        def reported() -> list[ProviderEvent]:
            return [event for event in events(application) if not event.id.startswith("m-") and event.id not in known]

        until(lambda: any(event.status == last for event in reported()), "no delivery report", 20)
        for event in reported():
            assert record_delivery_report(notices.store.database, event.id, event.status, event.ours)
        for seconds in (0, 0, 200):
            notices.process_due(seconds)
        if state == "UNDELIV":
            parts = phone.until_received(1)
            assert [(part.to, part.sender) for part in parts] == [(NUMBER, "163")]
            assert phone.texts() == [WORDS]
        assert len(texts.sent()) == (state == "UNDELIV")
        assert network.screens.empty()
        notices.kannel = FakeSmsSender()  # closes the sender's HTTP client
