"""The kind console: the report stays in the store, and a duty officer is notified by mail or SMS."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from reports.countries.hotline import Hotline as Listed
from reports.countries.hotline import PartnerCard
from runtime.settings import Mode, load_settings
from tests.workers.mail_server import LocalMailServer
from tests.workers.sample_store import ONE, SampleStore
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Refused, Unavailable
from workers.delivery.registry import DutyPhones, HotlineDependencies, HotlineSetupError, Notify
from workers.hotlines.console import ConsoleConnector, Settings, build
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.network.smtp_client import parse_mail_server
from workers.retry_policy import MAX_REFUSALS

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
@pytest.mark.parametrize("mails", [1, 3, 5])
def test_the_phone_is_texted_however_many_mailboxes_refuse(store: SampleStore, mails: int) -> None:
    [delivery] = store.submit(priority="P3")
    console = ConsoleConnector([*[lambda _: Refused("refused", 550)] * mails, lambda _: Delivered()])
    for attempt in range(mails + 1):
        assert store.delivery(delivery).state == "due"
        assert console_runner(store.later(minutes=attempt), console).deliver(delivery)
    assert store.delivery(delivery).state == "delivered"


@pytest.mark.slow
@pytest.mark.parametrize("mails", [1, 2, 5])
def test_a_hotline_whose_mailboxes_all_refuse_has_refused(store: SampleStore, mails: int) -> None:
    [delivery] = store.submit(priority="P3")
    console = ConsoleConnector([lambda _: Refused("refused", 550)] * mails)
    for attempt in range(max(mails, MAX_REFUSALS)):
        assert store.delivery(delivery).state == "due"
        assert console_runner(store.later(minutes=attempt), console).deliver(delivery)
    assert store.delivery(delivery).state == "refused"


def console_runner(store: SampleStore, console: ConsoleConnector) -> DeliveryRunner:
    return DeliveryRunner(
        database=store.database,
        keys=KeyRing(store.keys),
        hotlines={ONE: console},
        mode="demo",
        holder="here/urgent/1",
        actor="worker",
        metrics=WorkerMetrics(CollectorRegistry()),
    )


@pytest.mark.slow
def test_a_mail_to_whoever_is_on_duty() -> None:
    with LocalMailServer() as inbox:
        server = parse_mail_server(f"smtp://127.0.0.1:{inbox.port}", (f"127.0.0.1:{inbox.port}",))
        console = build(load_settings(Settings, {}, "X_"), HotlineDependencies(Mode.LIVE, listed(MAIL, OTHER), server))
        assert console.deliver(delivery_request()) == Unavailable("no_tls"), (
            "a mail of a hotline goes over TLS here too"
        )
    assert inbox.mails == []
