"""The kind email: over TLS, a mail that only says that a report waits, to a server that accepts it."""

from __future__ import annotations

import json
from email.message import Message
from pathlib import Path

import pytest

from reports.countries.hotline import Hotline as Listed
from runtime.settings import Mode, SettingError, load_settings
from tests.reports.sample import VU
from tests.workers.mail_server import NAME, LocalMailServer, ScriptedMailServer, tls
from tokaut.conformance import DrillPayloads, check_deliveries
from workers.delivery.outcomes import DELIVERY_ADVICE, Delivered, DeliveryOutcome, DeliveryRequest, Refused, Unavailable
from workers.delivery.registry import HotlineDependencies, HotlineSetupError
from workers.hotlines.email import EmailConnector, Settings, build
from workers.network.http_client import HttpTimeouts
from workers.network.smtp_client import MailServer, SmtpClient, parse_mail_server

pytestmark = pytest.mark.slow

DESK = "desk@hotline.example"
ID = "0192f3c1-7d5e-7c3a-9d53-1c2b3a7f3a2c"
WORDS = {"narrative": "the neighbour's boat is blue", "place": "VU-SEE", "contact": {"msisdn": "+6785550101"}}
PARCEL = DeliveryRequest("d-1", "created", "vu-one", json.dumps({"data": WORDS}).encode(), 1, "P1", ID)
LISTED = Listed(id="vu-one", name="One", screen_name="One", kind="regional", grade="unverified", delivery="email")
NOTIFIED = Delivered(250, is_notice=True)
LIMITS = HttpTimeouts(resolve=2, connect=2, read=2, total=4, drain=0.3)


def means(mode: Mode = Mode.LIVE, mail: MailServer | None = None) -> HotlineDependencies:
    return HotlineDependencies(mode, LISTED, mail, "https://console.example")


def hotline(
    port: int, folder: Path, *, scheme: str = "smtp", user: str = "", listed: bool = True, mode: Mode = Mode.LIVE
) -> EmailConnector:
    ca_file = folder / "ca.pem"
    server = parse_mail_server(
        f"{scheme}://{user}{NAME}:{port}?from=tokaut@example.org",
        (f"{NAME}:{port}",) if listed else (),
        ca_file if ca_file.exists() else None,
    )
    post = SmtpClient(server, strict=True, resolve=lambda *_: ["127.0.0.1"], limits=LIMITS)
    return EmailConnector(DESK, post, means(mode))


@pytest.mark.rule("A-07")
@pytest.mark.rule("S-27")
def test_the_mail_says_that_one_waits_where_and_nothing_of_it(tmp_path: Path) -> None:
    with LocalMailServer(starttls=tls(tmp_path)) as inbox:
        assert hotline(inbox.port, tmp_path).deliver(PARCEL) == NOTIFIED
    [(to, mail)] = inbox.mails
    assert to == DESK
    assert {name: mail[name] for name in ("Subject", "From", "To", "Message-ID", "Auto-Submitted")} == {
        "Subject": "Tokaut: one urgent report waits",
        "From": "tokaut@example.org",
        "To": DESK,
        "Message-ID": "<d-1@example.org>",
        "Auto-Submitted": "auto-generated",
    }
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().splitlines() == [
        "One: one urgent report waits.",
        f"Report {ID}, P1",
        "Read it here: https://console.example",
        "",
        "This mail holds nothing of the report. Do not answer it.",
    ]


@pytest.mark.parametrize(
    ("kind", "priority", "subject"),
    [
        ("created", "P2", "Tokaut: one urgent report waits"),
        ("created", "P3", "Tokaut: one report waits"),
        ("updated", "P4", "Tokaut: one report has more"),
        ("message", "P1", "Tokaut: one urgent report has a message"),
        ("unread", "P2", "Tokaut: one message waits that nobody could read"),
    ],
)
def test_what_waits(tmp_path: Path, kind: str, priority: str, subject: str) -> None:
    with LocalMailServer(smtps=tls(tmp_path)) as inbox:
        parcel = DeliveryRequest("d-1", kind, "vu-one", b"{}", 1, priority, ID)
        assert hotline(inbox.port, tmp_path, scheme="smtps").deliver(parcel) == NOTIFIED
    assert inbox.mails[0][1]["Subject"] == subject


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("mode", [Mode.TRAINING, Mode.DEMO])
def test_outside_live_it_says_drill(tmp_path: Path, mode: Mode) -> None:
    with LocalMailServer(starttls=tls(tmp_path)) as inbox:
        hotline(inbox.port, tmp_path, mode=mode).deliver(PARCEL)
    assert_drill(inbox.mails[0][1])


@pytest.mark.rule("S-40")
def test_the_operators_trial_says_drill_at_the_live_desk(tmp_path: Path) -> None:
    with LocalMailServer(starttls=tls(tmp_path)) as inbox:
        rows = list(check_deliveries(hotline(inbox.port, tmp_path), DrillPayloads.now(VU, "vu-pikinini")))
    assert [row.ok for row in rows] == [True, True]
    for _, mail in inbox.mails:
        assert_drill(mail, "one report waits")


def assert_drill(mail: Message, what: str = "one urgent report waits") -> None:
    assert mail["Subject"] == f"DRILL Tokaut: {what}"
    assert str(mail.get_payload()).startswith("DRILL. Not a real report.")


@pytest.mark.rule("F23")
@pytest.mark.parametrize(
    ("rcpt", "data", "outcome"),
    [
        pytest.param("450 4.2.0 greylisted, come back", "", Unavailable("busy", 450), id="greylisting"),
        pytest.param("421 too many of you", "", Unavailable("busy", 421), id="too busy"),
        pytest.param("550 5.1.1 nobody here", "", Refused("refused", 550), id="no such address"),
        pytest.param("", "452 4.3.1 the disk is full", Unavailable("busy", 452), id="a full disk"),
        pytest.param("", "554 5.7.1 looks like spam", Refused("refused", 554), id="the mail itself refused"),
        pytest.param("", "hang", Unavailable("timeout"), id="no word after the mail"),
        pytest.param("", "fall", Unavailable("reset"), id="it falls over after the mail"),
        pytest.param("", "251 what is this", Unavailable("busy", 251), id="an answer that is no receipt"),
    ],
)
def test_only_250_to_the_whole_mail_is_a_receipt(
    tmp_path: Path, rcpt: str, data: str, outcome: DeliveryOutcome
) -> None:
    with LocalMailServer(starttls=tls(tmp_path)) as inbox:
        inbox.rcpt, inbox.data = [rcpt] if rcpt else [], [data] if data else []
        desk = hotline(inbox.port, tmp_path)
        assert desk.deliver(PARCEL) == outcome
        assert inbox.mails == []
        assert desk.deliver(PARCEL) == NOTIFIED, "it comes back, and then it is taken"
    assert [mail["Message-ID"] for _, mail in inbox.mails] == ["<d-1@example.org>"]


@pytest.mark.rule("A-41")
def test_no_tls_offered_gets_nothing(tmp_path: Path) -> None:
    with LocalMailServer() as inbox:
        assert hotline(inbox.port, tmp_path).deliver(PARCEL) == Unavailable("no_tls")
        assert hotline(inbox.port, tmp_path, user="u:p@").deliver(PARCEL) == Unavailable("no_tls")
    assert inbox.mails == []
    assert "TLS" in DELIVERY_ADVICE["no_tls"]


@pytest.mark.rule("A-41")
@pytest.mark.rule("F25")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize(
    ("name", "days", "trusted"),
    [
        pytest.param(NAME, -1, True, id="expired"),
        pytest.param("other.example", 30, True, id="another name"),
        pytest.param(NAME, 30, False, id="nobody vouches for it"),
    ],
)
def test_a_certificate_that_does_not_hold_gets_nothing(
    tmp_path: Path, scheme: str, name: str, days: int, trusted: bool
) -> None:
    context = tls(tmp_path, name, days)
    if not trusted:
        (tmp_path / "ca.pem").unlink()
    with LocalMailServer(starttls=context) if scheme == "smtp" else LocalMailServer(smtps=context) as inbox:
        assert hotline(inbox.port, tmp_path, scheme=scheme).deliver(PARCEL) == Unavailable("tls")
    assert inbox.mails == []


@pytest.mark.parametrize(("password", "outcome"), [("right", NOTIFIED), ("wrong", Unavailable("mail_login", 535))])
def test_a_server_that_asks_who_we_are(tmp_path: Path, password: str, outcome: DeliveryOutcome) -> None:
    with LocalMailServer(starttls=tls(tmp_path), password="right") as inbox:
        assert hotline(inbox.port, tmp_path, user=f"tokaut:{password}@").deliver(PARCEL) == outcome
        assert hotline(inbox.port, tmp_path).deliver(PARCEL) == Unavailable("mail_login", 530)


@pytest.mark.rule("F23")
@pytest.mark.parametrize(
    ("server", "outcome"),
    [
        pytest.param(ScriptedMailServer(), Unavailable("timeout"), id="half-open: it never says a word"),
        pytest.param(
            ScriptedMailServer(b"220 " + b"." * 500, drips=True), Unavailable("timeout"), id="a byte at a time"
        ),
        pytest.param(ScriptedMailServer(b"220 here\r\n"), Unavailable("timeout"), id="it greets and falls asleep"),
        pytest.param(
            ScriptedMailServer(b"220 here\r\n", closes=True), Unavailable("reset"), id="it greets and hangs up"
        ),
        pytest.param(ScriptedMailServer(b"", closes=True), Unavailable("reset"), id="it hangs up"),
        pytest.param(ScriptedMailServer(b"421 not now\r\n"), Unavailable("busy", 421), id="it does not want to"),
        pytest.param(ScriptedMailServer(b"554 no mail here\r\n"), Refused("refused", 554), id="it is no mail server"),
        pytest.param(
            ScriptedMailServer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Unavailable("reset"), id="it speaks HTTP"
        ),
    ],
)
def test_a_server_that_lies(tmp_path: Path, server: ScriptedMailServer, outcome: DeliveryOutcome) -> None:
    with server:
        assert hotline(server.port, tmp_path).deliver(PARCEL) == outcome


def test_nobody_there(tmp_path: Path, free_port: int) -> None:
    assert hotline(free_port, tmp_path).deliver(PARCEL) == Unavailable("not_reached")


@pytest.mark.rule("A-05")
def test_a_name_that_leads_into_a_private_network_must_be_listed(tmp_path: Path) -> None:
    with LocalMailServer(starttls=tls(tmp_path)) as inbox:
        assert hotline(inbox.port, tmp_path, listed=False).deliver(PARCEL) == Unavailable("private_address")
        assert hotline(inbox.port, tmp_path).deliver(PARCEL) == NOTIFIED


@pytest.mark.parametrize(
    "to",
    [
        "desk",
        "desk@example",
        "a@b.example, c@d.example",
        "a b@c.example",
        "a@b.example\nBcc: x@y.example",
        "é@b.example",
    ],
)
def test_an_address_that_is_none(to: str) -> None:
    with pytest.raises(SettingError, match="HOTLINE_VU_ONE_TO is "):
        load_settings(Settings, {"HOTLINE_VU_ONE_TO": to}, prefix="HOTLINE_VU_ONE_")


def test_without_a_mail_server_it_is_not_set_up() -> None:
    settings = load_settings(Settings, {"HOTLINE_VU_ONE_TO": DESK}, prefix="HOTLINE_VU_ONE_")
    with pytest.raises(HotlineSetupError, match="SMTP_URL"):
        build(settings, means())
    assert isinstance(build(settings, means(mail=parse_mail_server("smtps://mail.example"))), EmailConnector)
