"""A request to be called: one item per phone, the number only with consent, and no trace on a shared phone."""

from __future__ import annotations

import json
import re
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from sqlalchemy import delete, insert, update
from structlog.testing import capture_logs

from gateway.background.erasures import ErasureReplay
from gateway.conversation.mailbox import ReporterMailbox
from reports.countries.country import load_countries, shipped_countries
from reports.crypto import RecordCipher, SealContext, SealedBody, open_body, open_head
from reports.crypto.key_files import read_private_key
from reports.routing import incomplete_hotline
from reports.store.schema import tables as t
from tests.reports.schema_check import CLOSED_SCHEMA
from tests.safeguarding.call_paths import CHANNELS, PHONE, TO_SEND_SMS, dial_path, dialled, number, send_texts
from tests.safeguarding.outages import database_unavailable, later
from tests.support.app import App, DecryptedRevision

pytestmark = pytest.mark.slow

KENYA, KENYA_SMS = "*384*123#", "22384"
ASKED = "In danger? Call police 111.\nMay we call? Only if nobody else answers."
ASKED_DURING = (
    "In danger? Call police 111.\nMay Pikinini Helpline call? Only if nobody else answers. "
    "They also get what you told us."
)
PLACED = "Done. Staff are told. In danger? Call police 111."
NO_CALL = "Done. No call is asked for. In danger? Call police 111."
# Words that no text except the emergency number may contain: another person may read it on this phone.
TOPIC = re.compile(r"abuse|sex|child|hurt|report|safe|help|hotline|pikinini|protect|case|violence|crime|threat", re.I)


def requests(app: App) -> list[DecryptedRevision]:
    return [kept for kept in app.bodies() if kept.data["category"] == "contact_request"]


def messages(app: App) -> list[dict[str, Any]]:
    """Return the messages to hotlines about given or withdrawn contact, oldest first."""
    rows = sorted(app.rows(t.message), key=lambda row: (row.created_at, row.message_id))
    return [json.loads(opened(app, row)) for row in rows]


def opened(app: App, row: Any) -> bytes:
    context = SealContext.of_message("demo", row.report_id, row.message_id, row.recipient)  # type: ignore[arg-type]
    return open_body(
        read_private_key(app.keys, row.recipient, row.key_id),
        context,
        SealedBody(row.key_id, row.wrap, b"", row.sealed),
    )


def close(app: App) -> None:
    with app.database.write() as connection:
        connection.execute(update(t.report).values(state="closed"))


@pytest.mark.rule("S-11")
@pytest.mark.rule("S-13")
@pytest.mark.rule("S-22")
@pytest.mark.parametrize(
    "text", ["call me", "Pls cal me", "CALL ME BACK 5550101", "please call me +678 555 0101", "pcm"]
)
def test_a_text_asks_when_and_only_a_yes_gives_the_number(app: App, text: str) -> None:
    phone = app.sms(PHONE)
    assert send_texts(phone, text)[0].startswith(ASKED)
    assert app.count(t.report) == app.count(t.pending) == 0
    assert send_texts(phone, "Call 8am-4pm") == [PLACED]
    [kept] = requests(app)
    CLOSED_SCHEMA.validate(kept.data)
    hours = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
    assert kept.data["contact"] == {"allowed": True, "how": "call", "safe_hours": hours, "msisdn": PHONE}
    assert (kept.hotline, kept.data["flow"]["id"]) == ("vu-pikinini", "contact_request")
    assert kept.data["triage"]["reasons"] == ["CONTACT_REQUEST"] and "SAY_NOTHING_FIRST" in kept.data["triage"]["flags"]
    assert [(row.hotline, row.role) for row in app.rows(t.delivery)] == [("vu-pikinini", "primary")]
    assert [row.priority for row in app.rows(t.report)] == ["P2"]  # escalation as for any report


@pytest.mark.parametrize("text", ["Please call me", "kolem mi", "TIPS", "law", "Report"])
def test_a_machine_that_answers_each_text_alike_is_answered_six_times(app: App, text: str) -> None:
    phone = app.sms(PHONE)
    replies = send_texts(phone, *[text] * 12)
    assert all(replies[:6]) and not any(replies[7:])
    assert all(send_texts(phone, "HELP", "HELP", "HELP", "HELP", "HELP", "HELP", "HELP"))


@pytest.mark.rule("S-22")
def test_the_answer_after_many_times_call_me_is_answered(app: App) -> None:
    *_, last, placed = send_texts(app.sms(PHONE), *["call me"] * 8, "2")
    assert (last, placed) == ("", PLACED)


@pytest.mark.rule("S-13")
def test_no_and_silence_store_nothing(app: App) -> None:
    home = send_texts(app.sms(number(1)), "hi")
    assert send_texts(app.sms(PHONE), "call me", "No", "hi")[1:] == [NO_CALL, *home]
    assert send_texts(app.sms(number(2)), "call me", "0")[1:] == home
    send_texts(app.sms(number(3)), "call me", "00")
    send_texts(app.sms(number(4)), "call me")
    app.submit_due_within(48 * 3600)
    assert app.count(t.report) == app.count(t.pending) == 0


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-05")
@pytest.mark.rule("S-06")
def test_no_answer_by_sms_has_a_topic_word_and_afterwards_all_is_as_before(app: App) -> None:
    home = send_texts(app.sms(number(1)), "hi")
    phone = app.sms(PHONE)
    seen = send_texts(phone, "call me", "2")
    for reply in seen:
        assert not TOPIC.search(reply), reply
    assert "Texts stay on this phone." in seen[0]
    assert send_texts(phone, "hi") == home


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-11")
@pytest.mark.parametrize("channel", CHANNELS)
def test_the_home_key_names_who_calls_and_a_redial_shows_nothing(app: App, channel: str) -> None:
    phone = app.ussd("+254711000111", channel, KENYA)
    home, asked, placed = dial_path(phone, "Call me", "Call 7am-9pm")
    assert "6 Call me" in home
    assert asked.startswith("May Child Helpline call this phone? Only if nobody else answers it.\n1 No")
    assert placed.startswith("Done. Staff are told.")
    assert dial_path(phone) == [home]
    [kept] = requests(app)
    assert kept.data["contact"]["msisdn"] == "+254711000111"


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-11")
@pytest.mark.parametrize("channel", ["twilio_voice", "africastalking_voice"])
def test_the_home_key_of_a_call(redis_url: str, tmp_path: Path, channel: str) -> None:
    """A reporter who cannot read asks by voice to be called; the next call from this phone sounds as on any phone."""
    text = Path("reports/countries/vu.toml").read_text(encoding="utf-8")
    text = text.replace("[[code]]", "[call_back]\nhome_key = true\n\n[[code]]", 1)
    (tmp_path / "vu.toml").write_text(text, encoding="utf-8")
    app = App(redis_url, {"TOKAUT_COUNTRY_DIR": str(tmp_path), "COUNTRIES": "vu"})
    try:
        home, asked, placed = dial_path(app.ussd(PHONE, channel), "Call me", "Call 7am-9pm")
        assert "6 Call me" in home and asked.startswith("May Pikinini Helpline call this phone?")
        assert placed.startswith("Done. Staff are told.")
        assert dial_path(app.ussd(PHONE, channel)) == [home] == dial_path(app.ussd(number(9), channel))
        [kept] = requests(app)
        assert (kept.data["channel"], kept.data["contact"]["msisdn"]) == ("voice", PHONE)
        dial_path(app.ussd(PHONE, channel), "Call me", "No")
        assert [one["contact"]["allowed"] for one in messages(app)] == [False] * len(messages(app)) != []
        assert len(requests(app)) == 1
    finally:
        app.close()


def test_where_the_country_file_does_not_offer_it_the_home_screen_has_no_such_key(app: App) -> None:
    assert "Call me" not in dial_path(app.ussd(PHONE))[0]


@pytest.mark.rule("S-13")
def test_a_network_that_hides_the_number_is_told_so(app: App) -> None:
    seen = dial_path(app.ussd("anonymous", "ussd", KENYA), "Call me")[-1]
    assert seen.startswith("We do not see the number of this phone.")
    assert app.count(t.report) == 0


def test_however_often_and_by_whatever_way_it_is_one_item(app: App) -> None:
    """A second request only changes the hours; after the item is closed, the next request is a new item."""
    kenyan = "+254711000111"
    dial_path(app.ussd(kenyan, "africastalking", KENYA), "Call me", "Call 7am-9pm")
    for _ in range(2):
        send_texts(app.sms(kenyan, KENYA_SMS), "call me", "3")
    assert len(requests(app)) == app.count(t.report) == 1
    [first, second] = messages(app)
    assert {first["kind"], second["kind"]} == {"contact_given"}
    assert second["contact"]["safe_hours"]["from"] == "08:00"
    close(app)
    send_texts(app.sms(kenyan, KENYA_SMS), "call me", "2")
    assert app.count(t.report) == 2


def test_two_days_later_it_is_a_new_item_and_a_fifth_closed_one_is_the_last_of_a_day(app: App) -> None:
    phone = app.sms(PHONE)
    for _ in range(7):
        send_texts(phone, "call me", "2")
        close(app)
    assert app.count(t.report) == 5 and app.count(t.message) == 2  # the other requests became messages
    with time_machine.travel(datetime.now(UTC) + timedelta(days=3), tick=True):
        send_texts(phone, "call me", "2")
    assert app.count(t.report) == 6


@pytest.mark.rule("S-13")
@pytest.mark.rule("S-09")
@pytest.mark.parametrize("way", ["No", "STOP", "optout"])
def test_it_can_be_taken_back(app: App, way: str) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "call me", "2")
    if way == "No":
        assert send_texts(phone, "call me", "No")[-1] == NO_CALL
    elif way == "STOP":
        assert send_texts(phone, "STOP") == [""]
    else:
        token = app.plan.secrets.africastalking
        app.http.post(f"/hooks/africastalking/{token}/optout", data={"phoneNumber": PHONE, "senderId": "163"})
    assert [message["kind"] for message in messages(app)] == ["contact_withdrawn"]
    assert [row.allowed for row in app.rows(t.contact)] == [0]


@pytest.mark.rule("S-04")
@pytest.mark.parametrize("channel", ["sms", *CHANNELS])
def test_who_holds_the_phone_later_does_not_learn_of_a_request_by_no(app: App, channel: str) -> None:
    """A request is withdrawn all the same: not to call is the safe side, and staff see it."""

    def says(caller: str, hours: str) -> list[str]:
        if channel == "sms":
            return send_texts(app.sms(caller, KENYA_SMS), "call me", hours, "hi")
        return dial_path(app.ussd(caller, channel, KENYA), "Call me", hours)

    asked, other = "+254711000111", "+254711000222"
    says(asked, "Call 7am-9pm")
    with later(minutes=40):
        assert says(asked, "No") == says(other, "No")
        assert says(asked, "No") == says(other, "No")
    assert {message["kind"] for message in messages(app)} == {"contact_withdrawn"}
    assert [row.allowed for row in app.rows(t.contact)] == [0]


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("days", [0.9, 3, 45, 390])
@pytest.mark.parametrize("way", [("call me", "No"), ("STOP",)])
def test_it_can_be_taken_back_as_long_as_it_is_open(app: App, days: float, way: tuple[str, ...]) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "call me", "2")
    with later(days=days):
        send_texts(app.sms(number(1)), *way)
        assert app.count(t.message) == 0
        send_texts(phone, *way)
        assert [message["kind"] for message in messages(app)] == ["contact_withdrawn"]
        assert [row.allowed for row in app.rows(t.contact)] == [0]
        close(app)
        send_texts(phone, *way)
    assert app.count(t.message) == 1


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("way", [("call me", "No"), ("STOP",)])
def test_all_open_ones_are_taken_back(app: App, way: tuple[str, ...]) -> None:
    """One was asked for while the database was unavailable, one two days later; its hours hold for both."""
    phone = app.sms(PHONE)
    with database_unavailable(app):
        send_texts(phone, "call me", "2")
    app.parts.housekeeping.once()
    with later(days=2.5):
        send_texts(phone, "call me", "3")
        [told] = messages(app)
        assert len(requests(app)) == 2 and told["contact"]["safe_hours"]["from"] == "08:00"
    with later(days=5):
        send_texts(phone, *way)
    assert [row.allowed for row in app.rows(t.contact)] == [0, 0]


@pytest.mark.rule("S-13")
def test_one_from_before_the_store_key_was_renewed_can_be_taken_back(redis_url: str) -> None:
    app = App(redis_url)
    try:
        phone = app.sms(PHONE)
        send_texts(phone, "call me", "2")
        cipher = app.parts.submitter._cipher
        older, newest = cipher._newest, b"k" * 32
        with patch.object(app.parts.submitter, "_cipher", RecordCipher([newest, cipher._keys[older]])):
            send_texts(phone, "call me", "No")
        assert [row.allowed for row in app.rows(t.contact)] == [0]
    finally:
        app.close()


def test_a_text_in_the_middle_of_a_menu_asks_too_and_words_stay_words(app: App) -> None:
    phone = app.sms(PHONE)
    assert send_texts(phone, "hi", "call me")[1].startswith(ASKED)
    assert "Not sent yet." in send_texts(phone, "somebody waits for me at the bus stop")[0]
    assert len(app.pending_revisions()) == 1  # own words are submitted as usual
    other = app.sms(number(1))
    assert "Not sent yet." in send_texts(other, "please call me my uncle is here")[0]


def test_while_the_database_is_away_the_spool_takes_it_and_stop_is_not_forgotten(app: App) -> None:
    phone = app.sms(PHONE)
    with database_unavailable(app):
        assert send_texts(phone, "call me", "2")[1] == PLACED
        assert send_texts(phone, "STOP") == [""]
    app.parts.housekeeping.once()
    app.parts.housekeeping.once()
    assert len(requests(app)) == 1
    assert [message["kind"] for message in messages(app)] == ["contact_withdrawn"]


@pytest.mark.rule("S-04")
def test_no_does_not_reveal_a_request_that_waits_in_the_spool(app: App) -> None:
    with database_unavailable(app):
        assert send_texts(app.sms(PHONE), "call me", "2")[1] == PLACED
    assert app.parts.spool.names()
    for phone in (PHONE, number(7)):
        assert send_texts(app.sms(phone), "call me", "No")[1] == NO_CALL
    app.parts.housekeeping.once()
    app.parts.housekeeping.once()
    assert len(requests(app)) == 1 and [row.allowed for row in app.rows(t.contact)] == [0]


def test_while_the_database_is_away_no_withdraws_nothing_on_any_phone(app: App) -> None:
    """It would wait in the memory of web, which may end first."""
    with database_unavailable(app):
        for phone in (PHONE, number(7)):
            assert send_texts(app.sms(phone), "call me", "No")[1].startswith("Not working now.")


def reroute(app: App, report_id: str, hotline: str = "vu-gone") -> None:
    """Name another hotline as the only one of a report; web has no key of `vu-gone`."""
    with app.database.write() as connection:
        connection.execute(update(t.route).where(t.route.c.report_id == report_id).values(hotline=hotline))


def start_again(app: App) -> None:
    """Apply the journal of deletions again, as web does at its start."""
    before = app.parts.housekeeping._erasure_replay
    ErasureReplay(app.database, app.parts.journal, before._reporter_mailbox, before._host).reapply()


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("is_available", [True, False])
def test_stop_ends_contact_though_no_hotline_can_open_a_message(app: App, is_available: bool) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "call me", "2")
    reroute(app, app.rows(t.report)[0].report_id)
    with nullcontext() if is_available else database_unavailable(app):
        send_texts(phone, "STOP")
    app.parts.housekeeping.once()
    assert [row.allowed for row in app.rows(t.contact)] == [0]
    assert messages(app) == []


@pytest.mark.rule("S-13")
@pytest.mark.rule("S-28")
@pytest.mark.parametrize("way", [("STOP",), ("call me", "No")])
def test_a_withdrawal_without_a_message_survives_a_restore_and_ends_no_later_consent(
    app: App, way: tuple[str, ...]
) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "call me", "2")
    backup = [row._asdict() for row in app.rows(t.contact)]
    [report] = app.rows(t.report)
    [hotline] = {row.hotline for row in app.rows(t.route)}
    reroute(app, report.report_id)
    assert send_texts(phone, *way)[-1] == ("" if way == ("STOP",) else NO_CALL)
    with app.database.write() as connection:
        connection.execute(delete(t.contact))
        for row in backup:
            connection.execute(insert(t.contact).values(row))
    start_again(app)
    assert [row.allowed for row in app.rows(t.contact)] == [0]
    reroute(app, report.report_id, hotline)
    send_texts(phone, "START", "call me", "2")
    assert [row.allowed for row in app.rows(t.contact)] == [1]
    start_again(app)
    assert [row.allowed for row in app.rows(t.contact)] == [1]


@pytest.mark.rule("S-13")
def test_a_withdrawal_that_fails_by_a_fault_of_ours_is_tried_once_a_minute(app: App) -> None:
    first, second = app.sms(PHONE), app.sms(number(1))
    for phone in (first, second):
        send_texts(phone, "call me", "2")
    with database_unavailable(app):
        send_texts(first, "STOP")
        send_texts(second, "STOP")
    withdraw, tried = ReporterMailbox.withdraw_contact, list[str]()

    def fail(mailbox: ReporterMailbox, report_id: str, *rest: Any) -> None:
        tried.append(report_id)
        if report_id == tried[0]:
            raise KeyError("a fault of ours")
        withdraw(mailbox, report_id, *rest)

    with patch.object(ReporterMailbox, "withdraw_contact", fail), capture_logs() as logs:
        for _ in range(3):
            app.parts.housekeeping.once()
    assert len(tried) == 2
    assert [line["event"] for line in logs if line["event"] == "crashed"] == ["crashed"]
    with patch("gateway.conversation.contact_requests.time.monotonic", return_value=time.monotonic() + 61):
        app.parts.housekeeping.once()
    assert [row.allowed for row in app.rows(t.contact)] == [0, 0]


@pytest.mark.rule("S-13")
def test_one_stop_that_cannot_be_applied_holds_up_no_other(app: App) -> None:
    first, second = app.sms(PHONE), app.sms(number(1))
    send_texts(second, "call me", "2")
    with database_unavailable(app):
        send_texts(first, "call me", "2")  # it stays in the spool, so its withdrawal has to wait
        send_texts(first, "STOP")
        send_texts(second, "STOP")
    with patch.object(app.parts.spool, "drain", return_value=0):
        app.parts.housekeeping.once()
    assert [row.allowed for row in app.rows(t.contact)] == [0]
    app.parts.housekeeping.once()
    assert [row.allowed for row in app.rows(t.contact)] == [0, 0]


def incomplete(app: App) -> list[DecryptedRevision]:
    app.submit_due_within(0)
    return [kept for kept in app.bodies() if kept.data["completeness"] == "incomplete"]


TYPED = "It happens on the way home every day"
DURING = {
    "first words": (TYPED,),
    "danger": (TYPED, "1"),
    "about": ("hi", "Report", "Soon", "Asks photos, money", TYPED),
    "contact": ("hi", *TO_SEND_SMS[:-1]),
    "send": ("hi", *TO_SEND_SMS),
    "in danger": ("hi", "Report", "Now", "Go on", "Asks photos, money", TYPED),
    "in danger, words only": ("hi", "Report", "Now", TYPED),
}


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-13")
@pytest.mark.parametrize("before", DURING)
def test_a_call_asked_for_during_a_report_takes_the_report_along(app: App, before: str) -> None:
    """What was typed goes at once, without the number, and the request to be called names it."""
    phone = app.sms(PHONE)
    send_texts(phone, *DURING[before])
    assert send_texts(phone, "call me")[0].startswith(ASKED_DURING)
    assert incomplete(app) == [] == requests(app)
    assert send_texts(phone, "Call 8am-4pm") == [PLACED]
    [report], [asked] = incomplete(app), requests(app)
    assert TYPED in (report.data["narrative"], *(said["text"] for said in report.data["unasked"]))
    assert PHONE not in json.dumps(report.data) and asked.data["contact"]["msisdn"] == PHONE
    assert linked(app, asked)[0] == report.report_id
    if before in ("about", "contact", "send", "in danger"):
        assert report.data["category"] == "luring"
    app.submit_due_within(1801)
    assert len({body.report_id for body in app.bodies()}) == 2


def linked(app: App, body: DecryptedRevision) -> list[str]:
    """Return the ids of earlier reports that staff see beside this one."""
    [row] = [row for row in app.rows(t.report_body) if row.report_id == body.report_id]
    context = SealContext("demo", row.report_id, row.revision, row.recipient)
    sealed_body = SealedBody(row.key_id, row.wrap, row.head, row.sealed)
    return json.loads(open_head(read_private_key(app.keys, row.recipient, row.key_id), context, sealed_body))["earlier"]


@pytest.mark.rule("S-12")
def test_now_and_call_me_without_a_word_says_so_to_staff(app: App) -> None:
    send_texts(app.sms(PHONE), "hi", "Report", "Now", "call me", "2")
    [report], [_] = incomplete(app), requests(app)
    assert (report.data["danger"], report.data["category"]) == ("now", None)


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("reply", ["0", "Back"])
@pytest.mark.parametrize("before", ["first words", "about", "contact", "in danger"])
def test_back_from_the_question_about_a_call_returns_to_the_report(app: App, before: str, reply: str) -> None:
    phone = app.sms(PHONE)
    question = send_texts(phone, *DURING[before])[-1].removeprefix("Sorry, try again.\n")
    pending = app.count(t.pending)
    assert send_texts(phone, "call me", reply)[-1] == question
    assert app.count(t.pending) == pending


@pytest.mark.rule("S-12")
def test_no_call_after_all_keeps_the_report(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "hi", *TO_SEND_SMS[:-1], "call me", "No")
    assert requests(app) == [] and app.count(t.pending) == 0
    answers = ("hi", "Report", "Soon", "Asks photos, money", "Me", "13-15", "Shefa", "1", "No", "Send")
    assert send_texts(phone, *answers)[-1].startswith("Sent to ")
    assert any(TYPED in json.dumps(body.data) for body in app.bodies())


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("before", ["first words", "in danger", "in danger, words only"])
def test_no_call_after_all_keeps_what_goes_without_send(app: App, before: str) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *DURING[before])
    assert send_texts(phone, "call me", "No")[-1] == NO_CALL
    app.submit_due_within(1801)
    [report] = incomplete(app)
    assert TYPED in (report.data["narrative"], *(said["text"] for said in report.data["unasked"]))


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("iso", ["ws", "sb"])
def test_the_question_names_the_hotline_that_gets_what_was_typed_and_no_other_gets_it(redis_url: str, iso: str) -> None:
    """Send would go to the police only; the request to be called goes to a hotline that no other screen named."""
    country = next(one for one in load_countries(shipped_countries(), "demo").all if one.iso == iso.upper())
    caller = country.hotlines[str(incomplete_hotline(country))]
    app = App(redis_url, {"COUNTRIES": iso})
    try:
        phone = app.sms(PHONE, dialled(country, "sms"))
        send = send_texts(phone, "hi", "Report", "No", "Photos online", "Me", "13-15", "1", TYPED, "1")[-1]
        assert caller.screen_name not in send
        asked = send_texts(phone, "call me")[0]
        assert f"May {caller.screen_name} call?" in asked and "They also get what you told us." in asked
        send_texts(phone, "Call 8am-4pm")
        app.submit_due_within(1801)
        assert {body.hotline for body in app.bodies()} == {caller.id}
    finally:
        app.close()


@pytest.mark.rule("S-11")
def test_who_left_out_the_hotline_that_calls_is_told_that_nobody_can_call(app: App) -> None:
    phone = app.sms(PHONE)
    send = send_texts(phone, "hi", *TO_SEND_SMS, "Leave one out", "Pikinini Helpline")[-1]
    nobody = send_texts(phone, "call me")[0]
    assert nobody.startswith("Nobody can call you now.") and "Pikinini" not in nobody.partition("You can call")[0]
    assert send_texts(phone, "0") == [send]
    app.submit_due_within(1801)
    assert app.bodies() == []


ABANDONED = {
    "tips": ("hi", "Report", "No", "Photos online", TYPED, *["0"] * 4, "tips"),
    "after HELP": ("hi", *TO_SEND_SMS, "HELP"),
    "a keyword": ("hi", *TO_SEND_SMS, "tips"),
}


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("before", ABANDONED)
def test_a_call_asked_for_outside_a_report_takes_nothing_along_by_sms(app: App, before: str) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *ABANDONED[before])
    assert send_texts(phone, "call me", "2")[0].startswith(ASKED)
    app.submit_due_within(1801)
    assert incomplete(app) == [] and len(requests(app)) == 1


@pytest.mark.rule("S-11")
@pytest.mark.parametrize(
    "keys", [("1", "2", "7", "1", "4", *["0"] * 5), ("1", "2", "1", "My teacher touches me at school", *["0"] * 3)]
)
def test_a_call_asked_for_outside_a_report_takes_nothing_along_by_ussd(app: App, keys: tuple[str, ...]) -> None:
    phone = app.ussd("+254711000111", "africastalking", KENYA)
    phone.dial()
    seen = [phone.type(key).text for key in (*keys, "6", "2")]
    assert seen[-1].startswith(PLACED.partition(" In")[0])
    app.submit_due_within(1801)
    assert incomplete(app) == [] and len(requests(app)) == 1
