"""The kind console: the report stays in the store, and a duty officer is notified by mail or SMS."""

from __future__ import annotations

import pytest

from reports.countries.hotline import Hotline as Listed
from reports.countries.hotline import PartnerCard
from runtime.settings import Mode, load_settings
from tests.workers.mail_server import LocalMailServer
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Unavailable
from workers.delivery.registry import DutyPhones, HotlineDependencies, HotlineSetupError, Notify
from workers.hotlines.console import ConsoleConnector, Settings, build
from workers.network.smtp_client import parse_mail_server

LINE = {"X_CHANNEL": "kannel", "X_FROM": "163"}
MAIL, OTHER, NUMBER = "desk@hotline.example", "night@hotline.example", "+6785550101"
SERVER = parse_mail_server("smtps://mail.example")


def delivery_request(attempt: int = 1) -> DeliveryRequest:
    return DeliveryRequest("d-1", "created", "one", b"{}", attempt, "P1", "r-1")


def listed(*duty: str) -> Listed:
    return Listed(
        id="one",
        name="One",
        screen_name="One",
        kind="regional",
        grade="unverified",
        delivery="console",
        card=PartnerCard(duty_officer=duty),
    )


def made(*duty: str, mail: bool = True, line: bool = True) -> tuple[ConsoleConnector, dict[str, DutyPhones]]:
    enlisted: dict[str, DutyPhones] = {}

    def enlist(hotline: str, phones: DutyPhones) -> Notify:
        enlisted[hotline] = phones
        return lambda _: Delivered(reason="delivered")

    means = HotlineDependencies(Mode.LIVE, listed(*duty), SERVER if mail else None, None, ("kannel",), enlist)
    return build(load_settings(Settings, LINE if line else {}, "X_"), means), enlisted


def test_phones_are_told_as_of_the_kind_sms_alert() -> None:
    console, enlisted = made(NUMBER)
    assert enlisted == {"one": DutyPhones((NUMBER,), "kannel", "163")}
    assert console.deliver(delivery_request()) == Delivered()


def test_mails_alone_need_no_line_for_sms() -> None:
    assert made(MAIL, line=False)[1] == {}


@pytest.mark.parametrize(
    ("duty", "mail", "line", "lacks"),
    [
        ((), True, True, "has nobody to notify in duty_officer"),
        (("Duty desk",), True, True, "has nobody to notify in duty_officer"),
        ((MAIL,), False, True, "needs SMTP_URL, the address of a mail server"),
        ((MAIL, NUMBER), True, False, "no channel in HOTLINE_<ID>_CHANNEL"),
    ],
)
def test_what_it_lacks(duty: tuple[str, ...], mail: bool, line: bool, lacks: str) -> None:
    with pytest.raises(HotlineSetupError, match=lacks):
        made(*duty, mail=mail, line=line)


def test_each_attempt_takes_the_next_way_and_one_that_fails_is_no_receipt() -> None:
    asked: list[str] = []

    def way(name: str, outcome: DeliveryOutcome) -> Notify:
        def tell(_: DeliveryRequest) -> DeliveryOutcome:
            asked.append(name)
            return outcome

        return tell

    console = ConsoleConnector(
        [way("mail", Unavailable("timeout")), way("other", Unavailable("tls")), way("sms", Delivered())]
    )
    outcomes = [console.deliver(delivery_request(attempt)) for attempt in (1, 2, 3, 4)]
    assert asked == ["mail", "other", "sms", "mail"]
    assert outcomes == [Unavailable("timeout"), Unavailable("tls"), Delivered(), Unavailable("timeout")]


@pytest.mark.slow
def test_a_mail_to_whoever_is_on_duty() -> None:
    with LocalMailServer() as inbox:
        server = parse_mail_server(f"smtp://127.0.0.1:{inbox.port}", (f"127.0.0.1:{inbox.port}",))
        console = build(load_settings(Settings, {}, "X_"), HotlineDependencies(Mode.LIVE, listed(MAIL, OTHER), server))
        assert console.deliver(delivery_request()) == Unavailable("no_tls"), (
            "a mail of a hotline goes over TLS here too"
        )
    assert inbox.mails == []
