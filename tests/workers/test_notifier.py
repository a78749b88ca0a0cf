"""Notifying a person through a real mail server that accepts, refuses or is unavailable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from reports.store.engine.database import DatabaseUnavailable
from reports.store.escalation.delivery_alerts import DueAlert
from tests.workers.mail_server import Inbox, LocalMailServer
from workers.metrics import WorkerMetrics
from workers.network.smtp_client import MailServer, parse_mail_server
from workers.notifications.notifier import Notifier
from workers.notifications.texts import MAX_LISTED_REPORTS, Alert, group_alerts

ALERT = Alert("vu-pikinini", "timeout", "P1", "Call them.", ("0192-a", "0192-b"), ("0192-d",))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with LocalMailServer() as server_inbox:
        yield server_inbox


def notifier(port: int, *contacts: str, mode: str = "live") -> Notifier:
    server = parse_mail_server(f"smtp://127.0.0.1:{port}?from=tokaut@example.org")
    return Notifier(server, contacts, mode, WorkerMetrics(CollectorRegistry()))


@pytest.mark.rule("A-07")
@pytest.mark.slow
def test_a_message_says_ids_and_what_to_do_and_nothing_else(inbox: Inbox) -> None:
    assert notifier(inbox.port, "on-call@example.org").notify_on_call(ALERT)
    [(to, mail)] = inbox.mails
    assert to == "on-call@example.org"
    assert mail["Subject"] == "Tokaut: P1, 2 reports not delivered, vu-pikinini"
    assert mail["From"] == "tokaut@example.org"
    body = str(mail.get_payload())
    words = "Priority: P1 Who: vu-pikinini What: timeout To do: Call them. Report 0192-a Report 0192-b"
    assert " ".join(body.split()) == words


@pytest.mark.slow
def test_the_next_contact_is_told_where_the_first_one_cannot_be(inbox: Inbox) -> None:
    inbox.refused = {"first@example.org"}
    assert notifier(
        inbox.port, "first@example.org", "+6785550101", "second@example.org", "third@example.org"
    ).notify_on_call(ALERT)
    assert [to for to, _ in inbox.mails] == ["second@example.org"]


@pytest.mark.slow
def test_nobody_told_is_false(inbox: Inbox, free_port: int) -> None:
    inbox.refused = {"first@example.org"}
    assert not notifier(inbox.port, "first@example.org").notify_on_call(ALERT)
    assert not notifier(free_port, "first@example.org").notify_on_call(ALERT)
    assert not notifier(inbox.port, "+6785550101").notify_on_call(ALERT)
    assert not Notifier(None, ["first@example.org"], "live", WorkerMetrics(CollectorRegistry())).notify_on_call(ALERT)


@dataclass
class FakeSmsSender:
    """An SMS provider that accepts texts to some numbers."""

    unreachable: tuple[str, ...] = ()
    texts: list[tuple[str, str]] = field(default_factory=list)

    def send(self, to: str, words: str) -> bool:
        if to not in self.unreachable:
            self.texts.append((to, words))
        return to not in self.unreachable


def sms_notifier(sender: FakeSmsSender, *contacts: str, mode: str = "live") -> Notifier:
    return Notifier(None, contacts, mode, WorkerMetrics(CollectorRegistry()), sender.send)


def test_a_phone_is_texted_ids_and_what_is_next_and_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    sender = FakeSmsSender()
    assert sms_notifier(sender, "+6785550101").notify_on_call(ALERT)
    assert sender.texts == [
        ("+6785550101", "Tokaut: P1, 2 reports not delivered (0192-a). Next: tokaut watch"),
    ]
    assert sms_notifier(sender, "+6785550101", mode="training").notify_on_call(ALERT)
    assert sender.texts[1][1].startswith("DRILL Tokaut: P1")
    assert "+678" not in capsys.readouterr().out


@pytest.mark.rule("S-39")
def test_a_phone_that_is_dead_and_the_next_one() -> None:
    sender = FakeSmsSender(unreachable=("+6785550101",))
    assert sms_notifier(sender, "+6785550101", "+6785550102").notify_on_call(ALERT)
    assert [to for to, _ in sender.texts] == ["+6785550102"]
    assert not sms_notifier(sender, "+6785550101").notify_on_call(ALERT)


@pytest.mark.slow
def test_what_can_wait_is_mailed_first(inbox: Inbox) -> None:
    sender = FakeSmsSender()
    server = parse_mail_server(f"smtp://127.0.0.1:{inbox.port}?from=tokaut@example.org")
    both = Notifier(
        server, ("+6785550101", "on-call@example.org"), "live", WorkerMetrics(CollectorRegistry()), sender.send
    )
    assert both.notify_on_call(replace(ALERT, priority="P3"))
    assert (len(inbox.mails), sender.texts) == (1, [])
    assert both.notify_on_call(ALERT)
    assert (len(inbox.mails), len(sender.texts)) == (1, 1)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_as_many_as_are_to_be_told(most: int) -> None:
    sender = FakeSmsSender(unreachable=("+6785550102",))
    listed = ("+6785550101", "+6785550102", "+6785550103")
    assert sms_notifier(sender, *listed).notify(listed, ALERT.as_notification(), most) == min(most, 2)


@pytest.mark.slow
@pytest.mark.rule("S-40")
@pytest.mark.parametrize("mode", ["training", "demo"])
def test_outside_live_the_subject_says_drill(inbox: Inbox, mode: str) -> None:
    assert notifier(inbox.port, "on-call@example.org", mode=mode).notify_on_call(ALERT)
    assert inbox.mails[0][1]["Subject"].startswith("DRILL Tokaut")


@pytest.mark.slow
def test_a_password_does_not_go_over_a_line_without_tls(inbox: Inbox) -> None:
    server = parse_mail_server(f"smtp://somebody:a-word@127.0.0.1:{inbox.port}")
    assert not Notifier(server, ["on-call@example.org"], "live", WorkerMetrics(CollectorRegistry())).notify_on_call(
        ALERT
    )
    assert inbox.mails == []


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, False, None, None, "tokaut@mail.example")),
        (
            "smtps://a%40b.example:p%3Aw@mail.example",
            MailServer("mail.example", 465, True, "a@b.example", "p:w", "a@b.example"),
        ),
        (
            "smtps://u:p@mail.example:2465?from=x@y.example",
            MailServer("mail.example", 2465, True, "u", "p", "x@y.example"),
        ),
    ],
)
def test_addresses_of_mail_servers(address: str, server: MailServer) -> None:
    assert parse_mail_server(address) == server


def test_a_mail_server_shows_no_password() -> None:
    assert "p:w" not in repr(parse_mail_server("smtps://u:p%3Aw@mail.example"))


def row(n: int, hotline: str = "one", why: str = "timeout", priority: str = "P2", state: str = "due") -> DueAlert:
    return DueAlert(f"d{n}", f"r{n}", hotline, priority, state, why)


def test_one_alert_for_each_hotline_and_class_the_most_urgent_first() -> None:
    alerts = group_alerts(
        [
            row(1),
            row(2),
            row(3, "two", priority="P1"),
            row(4, why="refused 2"),
            row(5, why="gone", state="parked"),
            row(6, why=""),
        ]
    )
    assert [(a.subject_id, a.reason, a.priority, len(a.reports)) for a in alerts] == [
        ("two", "timeout", "P1", 1),
        ("one", "timeout", "P2", 2),
        ("one", "refused", "P2", 1),
        ("one", "parked", "P2", 1),
        ("one", "not_tried", "P2", 1),
    ]
    assert all(alert.action for alert in alerts)


def test_a_long_list_is_cut() -> None:
    [alert] = group_alerts([row(n) for n in range(MAX_LISTED_REPORTS + 5)])
    assert len(alert.deliveries) == MAX_LISTED_REPORTS + 5
    assert alert.text().endswith("and 5 more: tokaut deliveries list\n")


def test_an_alert_without_reports() -> None:
    alert = Alert("", "clock_jumped", "P2", "Set it right.")
    assert alert.subject() == "Tokaut: P2, needs a person"
    assert "Report" not in alert.text()


@pytest.mark.slow
def test_a_contact_for_which_sending_raises_stops_no_other(inbox: Inbox) -> None:
    texts = notifier(inbox.port, "a@[b", "+6785550101", "+6785550102", "second@example.org")

    def text(to: str, _: str) -> bool:
        raise DatabaseUnavailable("away") if to.endswith("1") else ValueError("a provider's answer")

    with capture_logs() as logs:
        assert replace(texts, text=text).notify_on_call(ALERT)
    assert [to for to, _ in inbox.mails] == ["second@example.org"]
    assert [log["event"] for log in logs] == ["job_failed", "database_unavailable", "job_failed", "alert_sent"]
