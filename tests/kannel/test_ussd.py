"""USSD over SMPP through the real Kannel: every session field on the wire, from the dialled code to "Sent"."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.kannel.application import Application, Reply
from tests.kannel.network import GSM7, OPERATION, SESSION, UCS2, USSN_CONFIRM, Handset, Network
from tests.kannel.test_reports import key
from tests.support.installation import Installation
from tests.support.kannel import Kannel
from tests.support.ports import free_port

pytestmark = pytest.mark.slow

NUMBERS = itertools.count(5_550_801)
CODE = "*111*163#"
TO_SENT = ("Report", "No", "Bullying, threats", "Me", "13-15", "Shefa", "No", "Send")
WORDS = "they wait at the gate, é €"
LINE = {"ussd_host": "127.0.0.1", "ussd_user": "tokaut", "ussd_password": "smpp-of-a-test"}


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network(free_port()) as network:
        yield network


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    installation = Installation().up()
    yield installation
    installation.down()


@pytest.fixture(scope="module")
def kannel(installation: Installation, network: Network) -> Iterator[Kannel]:
    line = {**LINE, "ussd_port": network.port}
    with Kannel("ussd.conf", web=installation.web, token=installation.token("kannel"), values=line) as kannel:
        network.until_bound()
        yield kannel


def a_number() -> str:
    return f"678{next(NUMBERS)}"


@pytest.mark.usefixtures("kannel")
def test_a_whole_conversation(installation: Installation, network: Network) -> None:
    phone = Handset(network, a_number(), CODE)
    screen = phone.dial()
    assert screen.text.startswith("In danger? Call police 111.\nPikinini Helpline 163, free\n1 Report")
    for reply in TO_SENT:
        assert screen.expects_reply
        assert (screen.to, screen.sender, screen.service_type, screen.coding) == (phone.number, CODE, "USSD", GSM7)
        screen = phone.type(key(screen.text, reply))
    assert screen.text.startswith("Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
    phone.type(WORDS)
    phone.type("00")
    installation.until_received(
        lambda lines: any(line["body"]["data"].get("narrative") == WORDS for line in lines), "the words never came"
    )


@pytest.mark.usefixtures("kannel")
def test_leaving_ends_the_session(network: Network) -> None:
    phone = Handset(network, a_number(), CODE)
    phone.dial()
    screen = phone.type("00")
    assert not screen.expects_reply
    assert screen.fields[SESSION] == bytes([phone.session, 1])


@pytest.mark.usefixtures("kannel")
def test_a_line_that_dropped_gets_no_screen_and_a_new_dial_the_first(network: Network) -> None:
    phone = Handset(network, a_number(), CODE)
    home = phone.dial().text
    phone.type("1")
    phone.hang_up()
    assert phone.dial().text == home
    assert network.screens.empty()


@pytest.mark.usefixtures("kannel")
def test_two_phones_with_the_same_session_number(network: Network) -> None:
    one, two = Handset(network, a_number(), CODE), Handset(network, a_number(), CODE)
    home = one.dial().text
    danger = one.type("1").text
    assert two.dial().text == home
    assert one.type("9").text.endswith(danger)
    assert two.type("1").text == danger


@pytest.mark.usefixtures("kannel")
@pytest.mark.rule("S-03")
def test_a_text_that_was_shown_unasked_brings_no_screen(network: Network) -> None:
    network.deliver(a_number(), CODE, b"", {OPERATION: bytes([USSN_CONFIRM])})
    phone = Handset(network, a_number(), CODE)
    assert phone.dial().to == phone.number
    assert network.screens.empty()


def test_screens_beyond_gsm7(application: Application) -> None:
    """Screens and replies in an alphabet outside GSM-7."""
    meta = {"X-Kannel-Meta-Data": "?smpp?ussd_service_op=2&its_session_info=4608", "X-Kannel-Coding": "2"}
    application.then = Reply(200, "Tēnā koe\n1 Āe", {"Content-Type": "text/plain; charset=UTF-8", **meta})
    own = Network(free_port())
    with own, Kannel("ussd.conf", web=application.url, token="t", values={**LINE, "ussd_port": own.port}):
        phone = Handset(own, a_number(), CODE)
        screen = phone.dial()
        assert (screen.coding, screen.text) == (UCS2, "Tēnā koe\n1 Āe")
        own.deliver(phone.number, CODE, "Āe".encode("utf-16-be"), phone._fields(18), coding=UCS2)
        own.next()
        assert [call.body.decode() for call in application.calls] == [CODE, "Āe"]


def test_a_vendors_own_tags_are_lines_of_the_configuration(installation: Installation) -> None:
    """Kannel then passes both as decimal numbers, not as bytes."""
    tags = {"tag = 0x0501": "tag = 0x1401", "tag = 0x1383": "tag = 0x1402"}
    own = Network(free_port())
    line = {**LINE, "ussd_port": own.port}
    with own, Kannel("ussd.conf", web=installation.web, token=installation.token("kannel"), changes=tags, values=line):
        phone = Handset(own, a_number(), CODE, tags=(0x1401, 0x1402))
        assert phone.dial().text.startswith("In danger?")
        assert phone.type("1").text.startswith("Are you or a child in danger?")
        assert phone.type("00").fields[0x1401] == b"\x11", "the session ends"
