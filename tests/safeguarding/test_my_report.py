"""My report: messages of staff are read and answered, contact is given and withdrawn, everything is deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
import redis
import time_machine
from click.testing import CliRunner, Result
from sqlalchemy import event, update

import locales
from flows.catalogues import load
from gateway import threads
from gateway.background.housekeeping import StatisticsFlush
from gateway.conversation import handler
from gateway.conversation.keywords import Keywords
from gateway.sessions.redis_client import Command, Connection
from gateway.submission.builder import ReportBuilder
from reports.access_codes import check_digit
from reports.countries.country import Countries
from reports.countries.numbers import withdraw
from reports.crypto import SealContext, SealedBody, open_body
from reports.crypto.key_files import read_private_key
from reports.statistics.aggregation import quarter_end, quarter_of, quarter_of_day
from reports.store.engine.database import DatabaseUnavailable
from reports.store.mailboxes import correspondence
from reports.store.schema import tables as t
from runtime.time_units import SECOND
from tests.safeguarding.call_paths import COUNTRIES, PHONE, TO_SEND, TO_SEND_SMS, TO_SENT, dial_path, number, send_texts
from tests.safeguarding.outages import database_unavailable
from tests.support.app import App
from tokaut.__main__ import main

pytestmark = pytest.mark.slow

SMS_CODE = "Code {code}, PIN {pin}. To read answers: text CODE. Write both down, then delete these texts."
CODE = re.compile(r"Code (\d{4}) (\d{4}),?\s+PIN (\d{4})")
WORDS = "The boat leaves before the school bell rings"
READ = "We have read it. You did well to tell.\nWhen can you talk?"


@dataclass
class SentReport:
    """A sent report, and the code and PIN of its Sent screen."""

    app: App
    code: str
    pin: str
    report_id: str

    def opened(self, *replies: str, phone: str = number(71), pin: str = "", channel: str = "simulator") -> list[str]:
        """Open My report from any other phone; return the screens from the state on."""
        self.phone = self.app.ussd(phone, channel)
        return dial_path(self.phone, "My report", self.code, pin or self.pin, *replies)[3:]

    def put(self, words: str, *more: str) -> Result:
        """Store a message as the operator's command does."""
        settings = dict(self.app.plan.settings)
        return CliRunner().invoke(main, ["message", "put", self.report_id, *more], input=words, env=settings)

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages as the hotlines read them, oldest first; check that all hotlines have the same."""
        found: dict[str, dict[str, Any]] = {}
        rows = sorted(self.app.rows(t.message), key=lambda row: (row.created_at, row.message_id))
        for row in (row for row in rows if row.report_id == self.report_id):
            private = read_private_key(self.app.keys, row.recipient, row.key_id)
            context = SealContext.of_message("demo", row.report_id, row.message_id, row.recipient)
            data = json.loads(open_body(private, context, SealedBody(row.key_id, row.wrap, b"", row.sealed)))
            assert found.setdefault(row.message_id, data) == data
        return list(found.values())


@pytest.mark.rule("S-35")
@pytest.mark.parametrize("form", ["Code {}, PIN {}", "{}{}", "{} {}!", "My code is {} and my PIN {} thanks"])
def test_code_and_pin_in_one_text_open_the_report(app: App, report: SentReport, form: str) -> None:
    typed = form.format(report.code, report.pin)
    opened = send_texts(app.sms(number(70)), "CODE", typed)[-1]
    assert opened == dial_path(app.ussd(number(71)), "My report", typed)[-1] == report.opened()[0]
    wrong = form.format(report.code, f"{(int(report.pin) + 1) % 10_000:04}")
    for n in range(5):  # each text is one attempt
        assert send_texts(app.sms(number(80 + n)), "CODE", wrong)[-1].startswith("Code or PIN is not right.")
    assert dial_path(app.ussd(number(72)), "My report", typed)[-1].startswith("Code or PIN is not right.")


@pytest.mark.parametrize("word", ["CODE", "My report"])
@pytest.mark.parametrize("first", [(), ("code",)], ids=["both at once", "both at the PIN"])
def test_code_and_pin_with_words_are_never_stored_as_words(
    app: App, report: SentReport, word: str, first: tuple[str, ...]
) -> None:
    typed = f"My code is {report.code[:4]} {report.code[4:]} and my PIN {report.pin}"
    opened = send_texts(app.sms(number(70)), "hello", word, *(report.code for _ in first), typed)[-1]
    assert "\n1 Messages" in opened
    app.submit_due_within(31 * 60)
    assert {row.report_id for row in app.rows(t.report)} == {report.report_id}
    assert report.messages() == []


@pytest.mark.parametrize(
    "before", [(), ("hello",), ("hello", *TO_SEND_SMS, "Send")], ids=["first text", "home", "sent"]
)
@pytest.mark.parametrize("form", [SMS_CODE, "My code is {code} and my PIN {pin}, no answer yet"], ids=["SMS", "words"])
def test_code_and_pin_sent_back_to_us_are_not_stored_but_asked_for(
    app: App, report: SentReport, form: str, before: tuple[str, ...]
) -> None:
    """Staff must not read them: they open the report on any phone."""
    phone = app.sms(number(70))
    send_texts(phone, *before)
    reports = app.count(t.report)
    typed = form.format(code=f"{report.code[:4]} {report.code[4:]}", pin=report.pin)
    asked, opened = send_texts(phone, typed, typed)
    assert "Type your 8-digit code." in asked
    assert "\n1 Messages" in opened
    app.submit_due_within(31 * 60)
    assert app.count(t.report) == reports and report.messages() == []
    assert not [body for body in app.bodies() if report.pin in str(body.data.get("unasked"))]


def test_words_that_a_screen_asks_for_are_delivered_without_the_digits_of_code_and_pin(app: App) -> None:
    words = "It is as before, see code 3286 1120, PIN 0745"
    send_texts(app.sms(PHONE), "hello", *TO_SEND_SMS[:-2], words, "No", "Send")
    assert app.bodies()[0].data["narrative"] == "It is as before, see code •••• ••••, PIN ••••"


def test_the_sms_with_code_and_pin_is_recognised_in_all_languages() -> None:
    for catalogue in load(locales.FOLDER).values():
        text = catalogue.translate(SMS_CODE).format(code="3286 1120", pin="0745")
        assert Keywords().exact(text) == "code", catalogue.tag
    for words in ("My account 3286 1120, PIN 0745", "Code 3286 1120", "PIN 0745", "code 1111 1111, PIN 0745"):
        assert Keywords().exact(words) is None, words


@pytest.mark.rule("S-22")
def test_words_with_numbers_are_no_code_and_pin(app: App) -> None:
    """By USSD they go to the screen for words; by SMS they are a report's first words."""
    texts = ("My father beats me every night call +254712345678", "He hits me, call 555123 or 555124")
    for n, said in enumerate(texts):
        asked = dial_path(app.ussd(number(70 + n)), "My report", said)[-1]
        assert "your words go with it" in asked, said
        assert "Not sent yet." in send_texts(app.sms(number(80 + n)), "hello", "My report", said)[-1]
    assert not send_texts(app.sms(number(90)), "CODE", "+254712345678")[-1].startswith("Code or PIN is not right.")


def test_back_after_keep_and_after_a_skipped_question_leads_before_the_state(report: SentReport) -> None:
    """Back never shows the deletion again, nor the screen for words, where a key would be sent as words."""
    [asked] = dial_path(report.app.ussd(number(70)), "My report", report.code)[2:]
    for replies in (("Delete", "Keep"), ("Delete", "0"), ("Write", "1"), ("Write", "1 = skip")):
        state, *_, again, before = report.opened(*replies, "0")
        assert again == state and before.splitlines()[-2:] == asked.splitlines()[-2:], replies
        assert before != report.opened(replies[0])[1], replies
    assert report.messages() == []


@pytest.fixture
def report(app: App) -> Iterator[SentReport]:
    yield sent(app)


def sent(app: App, phone: str = PHONE, contact: str = "No") -> SentReport:
    before = {row.report_id for row in app.rows(t.report)}
    screen = dial_path(app.ussd(phone), *TO_SEND[:-1], contact, "Send")[-1]
    found = CODE.search(screen)
    assert found, screen
    [report_id] = {row.report_id for row in app.rows(t.report)} - before
    return SentReport(app, found[1] + found[2], found[3], report_id)


# Messages of staff


@pytest.mark.parametrize("channel", ["africastalking", "ussd", "simulator", "kannel"])
def test_a_message_that_comes_while_others_are_read_follows_them(app: App, channel: str) -> None:
    report = sent(app)
    for words in ("The first.", "The second."):
        report.put(words)
    assert report.opened("1", channel=channel)[1].startswith("The second.\n")
    for words in ("The third.", "The fourth."):
        report.put(words)
    seen = [report.phone.type("2").text for _ in range(3)]
    assert [text.partition("\n")[0] for text in seen] == ["The first.", "The third.", "The fourth."]
    assert "2 Next" not in seen[-1]
    back = [report.phone.type("0").text.partition("\n")[0] for _ in range(3)]
    assert back == ["The third.", "The first.", "The second."], "Back leads to what was read"
    assert "1 Messages (4)" in report.phone.type("0").text
    assert report.phone.type("1").text.startswith("The fourth.\n")


@pytest.mark.rule("S-25")
@pytest.mark.rule("S-35")
@pytest.mark.parametrize("channel", ["africastalking", "ussd", "simulator", "kannel"])
def test_what_staff_wrote_is_read_as_often_as_it_is_asked_for(app: App, channel: str) -> None:
    report = sent(app)
    assert "1 Messages (0)" in report.opened(channel=channel)[0]
    none = report.phone.type("1").text
    assert none.startswith("No messages yet. In danger? Call police 111.\n0 Back")
    assert report.put(READ).exit_code == 0
    assert report.put("Take care of yourself.").exit_code == 0
    for _ in range(2):
        opened, newest, older, last, before, back = report.opened("1", "2", "2", "0", "0", channel=channel)
        assert "1 Messages (2)" in opened
        assert newest.startswith("Take care of yourself.\n1 Write\n2 Next\n0 Back")
        assert older.startswith(f"{READ}\n1 Write\n0 Back")
        assert last == f"Sorry, try again.\n{older}"
        assert (before, back) == (newest, opened)


@pytest.mark.rule("S-35")
def test_by_sms_it_comes_when_it_is_asked_for_and_not_before(app: App) -> None:
    report = sent(app)
    texts = app.sms(number(72))
    send_texts(texts, "hi")
    assert report.put(READ).exit_code == 0
    assert len(texts.replies()) == 1
    replies = send_texts(texts, "code", report.code, report.pin, "1", "0", "1", "2", WORDS, "0", "0")
    assert replies[2].startswith("We have it and are still sending it.")
    assert replies[3] == replies[5] == f"{READ}\n1 Write\n0 Back\n00 Leave"
    assert WORDS not in "".join(replies)


@pytest.mark.rule("S-07")
def test_only_code_and_pin_open_what_staff_wrote(report: SentReport) -> None:
    """They cannot be opened with the database and all key files, nor with another report's code."""
    report.put(READ)
    [row] = report.app.rows(t.answer)
    assert READ.encode() not in row.sealed
    other = sent(report.app, number(73))
    assert "1 Messages (0)" in other.opened()[0]
    with report.app.database.write() as connection:
        connection.execute(t.answer.update().values(report_id=other.report_id))  # by an attacker
    assert "1 Messages (0)" in other.opened()[0]


@pytest.mark.rule("S-04")
def test_a_message_that_waits_changes_nothing_that_anybody_sees_before_code_and_pin(report: SentReport) -> None:
    phone = report.app.ussd(PHONE)
    before = dial_path(phone, "My report", report.code)
    report.put(READ)
    assert dial_path(phone, "My report", report.code) == before


@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_after_my_report_is_left_a_screen_needs_no_thread(
    report: SentReport, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug: each further screen of that call took a thread, and while none was free the call ended without it."""
    assert report.opened("0", "0", "0", channel=channel)[-1].startswith("In danger? Call police 111.")
    monkeypatch.setattr(threads, "MAX_QUEUED", 0)
    assert report.phone.type("Report").text.startswith("Are you or a child in danger?")


@pytest.mark.rule("S-32")
def test_a_number_that_is_withdrawn_goes_from_what_staff_wrote_before(report: SentReport) -> None:
    report.put("Call 163 or 1-6-3 at 16:30, or 111. Dial *111*163#")
    vanuatu = withdraw(COUNTRIES["VU"], {"vu-pikinini"})
    report.app.parts.dispatcher.renew(Countries((vanuatu, *(one for one in COUNTRIES.values() if one.iso != "VU"))))
    assert report.opened("1")[-1].startswith("Call ... or ... at 16:30, or 111. Dial *111*163#\n1 Write")


# Words to staff


@pytest.mark.rule("S-06")
@pytest.mark.rule("X-03")
def test_words_go_to_every_hotline_of_the_report_and_close_nothing(report: SentReport) -> None:
    state_, asks, added, more, again, after = report.opened("2", "all is well now", "1", WORDS, "0")
    assert asks.startswith("Write what you want to add. Please do not send photos.")
    assert added == again
    assert added.startswith("Added. It goes to staff. In danger? Call police 111.\n1 Write more\n0 Back")
    assert (more, after) == (asks, state_)
    assert [one["text"] for one in report.messages()] == ["all is well now", WORDS]
    assert {row.recipient for row in report.app.rows(t.message)} == {row.hotline for row in report.app.rows(t.route)}
    assert [row.state for row in report.app.rows(t.report)] == ["queued"]
    assert WORDS not in "".join(report.opened("2"))


def test_words_are_as_typed_and_one_means_none(report: SentReport) -> None:
    odd = "  \u202e 4111 1111 1111 1111 <b>"
    assert report.opened("2", "1")[-1].startswith("We have it")
    report.opened("2", odd)
    assert [one["text"] for one in report.messages()] == [odd]


@pytest.mark.parametrize("channel", ["africastalking", "ussd", "simulator", "kannel"])
def test_a_repeat_says_nothing_twice_and_the_same_words_again_are_said_again(app: App, channel: str) -> None:
    report = sent(app)
    report.opened("2", WORDS, channel=channel)
    report.phone.again()
    report.phone.type("1")
    report.phone.type(WORDS)
    assert len(report.messages()) == 2
    assert len({row.message_id for row in app.rows(t.message)}) == 2


@pytest.mark.parametrize("way", [(), ("1",), ("2", "more"), ("3",), ("4",)])
def test_words_by_sms_where_a_key_is_asked_go_to_staff_too(report: SentReport, way: tuple[str, ...]) -> None:
    """A reporter may answer a message at once, without the key of Write."""
    report.put(READ)
    replies = send_texts(report.app.sms(number(72)), "hi", "code", report.code, report.pin, *way, WORDS, "and ever")
    assert [one["text"] for one in report.messages()] == [*way[1:], WORDS, "and ever"]
    assert replies[-2].startswith("Added. It goes to staff. In danger? Call police 111.\n1 Write more")
    assert replies[-1] == replies[-2]


@pytest.mark.parametrize("way", [("code",), ("code", "48219303"), ("tips",), ("law",), ("language",)])
def test_words_by_sms_where_nobody_would_hear_them_are_words_not_sent_yet(app: App, way: tuple[str, ...]) -> None:
    asked = send_texts(app.sms(number(72)), "hi", *way, WORDS)[-1]
    assert asked.startswith("Not sent yet. In danger? Call police 111.\n1 Go on and send")
    [waiting] = app.pending_revisions()
    assert waiting.data["narrative"] == WORDS


@pytest.mark.rule("S-07")
@pytest.mark.parametrize("word", ["help", "tips"])
def test_a_word_in_between_leaves_no_code_and_pin_behind(
    report: SentReport, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    pack = handler.pack_record
    monkeypatch.setattr(handler, "pack_record", lambda record: kept.append(pack(record)) or kept[-1])
    send_texts(report.app.sms(number(72)), "hi", "code", report.code, report.pin)
    assert f'"{report.pin}"' in str(kept[-1])
    send_texts(report.app.sms(number(72)), word)
    assert re.search(rf"\b{report.pin}\b", str(kept[-1])) is None  # a time may contain the digits
    assert report.code not in str(kept[-1])


def test_a_typing_error_by_sms_is_not_for_staff(report: SentReport) -> None:
    send_texts(report.app.sms(number(72)), "hi", "code", report.code, report.pin, "mesages")
    assert report.messages() == []


@pytest.mark.rule("S-26")
def test_who_was_left_out_of_the_report_reads_nothing_of_what_is_added(app: App) -> None:
    screen = dial_path(app.ussd(PHONE), *TO_SEND, "Leave one out", "Pikinini Helpline", "Send")[-1]
    found = CODE.search(screen)
    assert found, screen
    report = SentReport(app, found[1] + found[2], found[3], app.rows(t.report)[0].report_id)
    report.opened("2", WORDS, "0", "4", "1")
    assert len(report.messages()) == 2
    assert "vu-pikinini" not in {row.recipient for row in app.rows(t.message)}


def test_the_clock_numbers_them_and_makes_one_delivery_for_each_who_was_given_the_report(report: SentReport) -> None:
    report.opened("2", WORDS, "1", "and this")
    made = deliveries(report)
    assert [(row.hotline, row.type, row.revision, row.priority) for row in made] == [
        ("vu-pikinini", "message", 1, "P2"),
        ("vu-pikinini", "message", 2, "P2"),
    ]
    assert deliveries(report) == made


def deliveries(report: SentReport) -> list[Any]:
    """Make the deliveries as the clock does, and return them."""
    for message_id, report_id in correspondence.list_undelivered_messages(report.app.database):
        correspondence.deliver_message(report.app.database, message_id, report_id)
    rows = [row for row in report.app.rows(t.delivery) if row.type == "message"]
    return sorted(rows, key=lambda row: (row.hotline, row.revision))


# Contact


@pytest.mark.rule("S-13")
@pytest.mark.parametrize(
    ("label", "how", "hours"),
    [
        ("SMS 7am-9pm", "sms", "07:00"),
        ("SMS 8am-4pm", "sms", "08:00"),
        ("Call 7am-9pm", "call", "07:00"),
        ("Call 8am-4pm", "call", "08:00"),
    ],
)
def test_contact_is_given_for_the_phone_that_says_so(report: SentReport, label: str, how: str, hours: str) -> None:
    screens = report.opened("3", label, "0")
    asks = "May staff contact you? Only if nobody else sees this phone. An SMS only says: dial us."
    assert screens[1].startswith(f"{asks}\n1 No\n")
    assert screens[2].startswith("Done. Staff are told. In danger? Call police 111.\n0 Back")
    assert screens[3] == screens[0]
    [message] = report.messages()
    assert message["kind"] == "contact_given"
    assert message["contact"]["msisdn"] == number(71)
    assert (message["contact"]["how"], message["contact"]["safe_hours"]["from"]) == (how, hours)
    assert [(row.report_id, row.allowed) for row in report.app.rows(t.contact)] == [(report.report_id, 1)]


@pytest.mark.rule("S-13")
@pytest.mark.rule("S-06")
def test_no_looks_the_same_and_withdraws(app: App) -> None:
    report = sent(app, contact="SMS 8am-4pm")
    given, withdrawn = report.opened("3", "SMS 7am-9pm"), report.opened("3", "No")
    assert given == withdrawn
    assert [one["kind"] for one in report.messages()] == ["contact_given", "contact_withdrawn"]
    assert report.messages()[1]["contact"] == {"allowed": False, "how": "none", "safe_hours": None}
    assert [row.allowed for row in app.rows(t.contact)] == [0]


@pytest.mark.rule("S-13")
def test_a_phone_that_hides_its_number_can_only_end_contact(report: SentReport) -> None:
    screens = report.opened("3", "1", phone="")
    assert screens[1].startswith("We do not see the number of this phone.")
    assert "SMS" not in screens[1]
    assert [one["kind"] for one in report.messages()] == ["contact_withdrawn"]


# Delete


@pytest.mark.rule("S-35")
def test_delete_asks_once_and_after_it_nothing_is_there(report: SentReport) -> None:
    report.put(READ)
    wrong = report.opened(pin=wrong_pin(report))
    kept = report.opened("4", "Keep")
    assert kept[0] == kept[2]
    opened, asks, done = report.opened("4", "Delete")
    assert asks.startswith("Delete your report here? Staff are asked to delete their copy; by law they may have to")
    assert done == "Being deleted here. In danger? Call police 111."
    assert report.opened() == wrong
    [message] = report.messages()
    assert message["kind"] == "delete_asked"
    assert [row.allowed for row in report.app.rows(t.contact)] == [0]
    [box] = report.app.rows(t.mailbox)
    assert box.public_key == box.sealed_key == b""
    assert opened.startswith("We have it")


def test_what_was_answered_goes_with_it_and_nothing_more_can_be_put_there(report: SentReport) -> None:
    other = sent(report.app, number(73))
    for one in (report, other):
        one.put(READ)
    report.opened("4", "1")
    assert correspondence.delete_unreadable_answers(report.app.database) == 1
    assert correspondence.delete_unreadable_answers(report.app.database) == 0
    refused = report.put(READ)
    assert refused.exit_code == 1
    assert "the mailbox is closed" in refused.output
    assert [row.report_id for row in report.app.rows(t.answer)] == [other.report_id]
    assert "1 Messages (1)" in other.opened()[0]


@pytest.mark.rule("S-35")
def test_what_was_added_and_not_submitted_is_deleted_too(app: App) -> None:
    phone = app.ussd(PHONE)
    found = CODE.search(dial_path(phone, *TO_SENT)[-1])
    assert found
    report = SentReport(app, found[1] + found[2], found[3], app.rows(t.report)[0].report_id)
    phone.type("Zorrovik waits near the school")
    assert app.pending_revisions()
    assert report.opened("4", "Delete")[-1].startswith("Being deleted here.")
    assert app.pending_revisions() == []
    app.submit_due_within(60)
    assert {kept.revision for kept in app.bodies()} == {1}


@pytest.mark.rule("S-35")
def test_while_something_added_is_in_the_spool_it_is_not_said_to_be_deleted(app: App) -> None:
    phone = app.ussd(PHONE)
    found = CODE.search(dial_path(phone, *TO_SENT)[-1])
    assert found
    report = SentReport(app, found[1] + found[2], found[3], app.rows(t.report)[0].report_id)
    with database_unavailable(app):
        phone.type("Zorrovik waits near the school")
    assert app.parts.spool.names()
    assert not report.opened("4", "Delete")[-1].startswith("Being deleted here.")
    assert report.messages() == []
    app.parts.housekeeping.once()
    assert report.opened("4", "Delete")[-1].startswith("Being deleted here.")
    app.submit_due_within(60)
    assert {kept.revision for kept in app.bodies()} == {1}


def test_by_sms_it_says_how_to_delete_the_texts(report: SentReport) -> None:
    replies = send_texts(report.app.sms(number(72)), "hi", "code", report.code, report.pin, "4", "1", "hello")
    assert replies[5].startswith("Being deleted here. Now delete these texts: open this thread")
    assert replies[6].startswith("In danger? Call police 111.\n1 Report")


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("more", [("2", WORDS), ("3", "2")])
def test_after_deletion_another_phone_that_is_in_it_can_do_nothing(app: App, more: tuple[str, ...]) -> None:
    report = sent(app, contact="SMS 8am-4pm")
    one, two = (app.ussd(number(n)) for n in (71, 72))
    for phone in (one, two):
        dial_path(phone, "My report", report.code, report.pin)
    for key in more[:-1]:
        two.type(key)
    one.type("4")
    one.type("1")
    assert two.type(more[-1]).text.startswith("Not working now. In danger? Call police 111.")
    assert [one["kind"] for one in report.messages()] == ["delete_asked"]
    assert [row.allowed for row in app.rows(t.contact)] == [0]


def test_deleting_twice_at_once_asks_once(report: SentReport) -> None:
    one, two = (report.app.ussd(number(n)) for n in (71, 72))
    for phone in (one, two):
        dial_path(phone, "My report", report.code, report.pin, "4")
    assert one.type("1").text == two.type("1").text
    assert len(report.messages()) == 1


@pytest.mark.rule("S-35")
def test_a_report_whose_hotlines_have_left_the_country_is_deleted_too(report: SentReport) -> None:
    """Nobody is left who could read the request, and what is stored here must not outlive it."""
    one, two = (report.app.ussd(number(n)) for n in (71, 72))
    for phone in (one, two):
        dial_path(phone, "My report", report.code, report.pin, "4")
    replay = report.app.parts.housekeeping._erasure_replay
    with patch.object(replay._reporter_mailbox.builder, "_keys", {}):
        assert one.type("1").text == two.type("1").text == "Being deleted here. In danger? Call police 111."
    assert [row.delete_asked_at is not None for row in report.app.rows(t.report)] == [True]
    [box] = report.app.rows(t.mailbox)
    assert box.public_key == box.sealed_key == b""
    assert [row.allowed for row in report.app.rows(t.contact)] == [0]
    assert report.messages() == []


# Every wrong answer is the same


def wrong_pin(report: SentReport) -> str:
    return f"{(int(report.pin) + 1) % 10_000:04}"


def lock(report: SentReport) -> None:
    for _ in range(5):
        report.opened(pin=wrong_pin(report))


@pytest.mark.rule("S-35")
@pytest.mark.rule("X-07")
def test_a_wrong_code_a_wrong_pin_a_locked_one_and_a_closed_one_are_answered_alike(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes, the same SQL statements, and the same number of Redis commands."""
    closed, locked, report = (sent(app, number(n)) for n in (61, 62, 63))
    closed.opened("4", "1")
    lock(locked)
    nobody = next(f"{n:07}" for n in range(7_130_000, 10**7) if f"{n:07}" != report.code[:7])
    told_apart = {
        "wrong code": (nobody + check_digit(nobody), report.pin),
        "wrong check digit": (report.code[:7] + str((int(report.code[7]) + 1) % 10), report.pin),
        "wrong PIN": (report.code, wrong_pin(report)),
        "locked, right PIN": (locked.code, locked.pin),
        "closed, right PIN": (closed.code, closed.pin),
    }
    seen = {name: trips(app, monkeypatch, *pair) for name, pair in told_apart.items()}
    [alike] = set(seen.values())
    assert alike[0].startswith("Code or PIN is not right. If it is locked, try tomorrow. In danger? Call police 111.")
    assert alike[1]
    assert alike[2] > 0
    assert trips(app, monkeypatch, report.code, report.pin) != alike


def trips(app: App, monkeypatch: pytest.MonkeyPatch, code: str, pin: str) -> tuple[str, tuple[str, ...], int]:
    """Type the PIN; return the answer, the SQL statements and the number of Redis commands."""
    phone = app.ussd(number(64))
    dial_path(phone, "My report", code)
    statements: list[str] = []
    commands: list[object] = []
    ask = Connection.ask

    def see(_c: object, _cu: object, statement: str, *_: object) -> None:
        statements.append(statement)

    def count(self: Connection, asked: Sequence[Command]) -> object:
        commands.extend(asked)
        return ask(self, asked)

    event.listen(app.database.engine, "before_cursor_execute", see)
    monkeypatch.setattr(Connection, "ask", count)
    text = phone.type(pin).text
    monkeypatch.undo()
    event.remove(app.database.engine, "before_cursor_execute", see)
    return text, tuple(statements), len(commands)


@pytest.mark.rule("S-35")
def test_three_wrong_tries_show_the_numbers_and_five_lock_for_a_day(report: SentReport) -> None:
    screens = [report.opened(pin=wrong_pin(report)) for _ in range(5)]
    assert len({screen for [screen] in screens}) == 1
    assert report.opened() == screens[0]
    assert "Pikinini Helpline: call 163." in screens[0][0]
    assert "2 New report" in screens[0][0]


@pytest.mark.rule("S-35")
@pytest.mark.rule("S-01")
def test_the_number_to_call_is_on_every_screen_of_it_that_keeps_somebody_waiting(report: SentReport) -> None:
    for way in ((), ("1",), ("2", WORDS), ("3", "1"), ("4", "1")):
        assert "police 111" in report.opened(*way)[-1], way
    assert "police 111" in report.opened()[-1]


# Unavailable services


def test_with_the_database_away_nothing_is_said_to_be_added_and_the_same_key_adds_it(
    report: SentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.opened("2")
    away = DatabaseUnavailable("refused")

    def refuse(*_: object, **__: object) -> None:
        raise away

    monkeypatch.setattr(correspondence, "save_message", refuse)
    assert report.phone.type(WORDS).text.startswith("Not working now. In danger? Call police 111.")
    monkeypatch.undo()
    assert report.messages() == []
    report.opened("2", WORDS)
    assert [one["text"] for one in report.messages()] == [WORDS]


def test_by_sms_too_the_numbers_come_with_the_database_away(
    report: SentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = report.app.sms(number(72))
    send_texts(texts, "hi", "code", report.code, report.pin)

    def refuse(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("refused")

    monkeypatch.setattr(correspondence, "load_mailbox", refuse)
    assert send_texts(texts, "1")[0].startswith("Not working now. In danger? Call police 111.")
    monkeypatch.undo()
    assert send_texts(texts, "1")[0].startswith("No messages yet.")


@pytest.mark.rule("S-08")
@pytest.mark.rule("S-10")
def test_one_leaves_with_the_database_away(report: SentReport, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = report.app.sms(number(72))
    send_texts(texts, "hi", "code", report.code, report.pin)
    report.opened()

    def refuse(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("refused")

    monkeypatch.setattr(correspondence, "load_mailbox", refuse)
    assert send_texts(texts, "00") == [""]
    assert report.phone.type("00").text == "Thank you. Goodbye."


def test_with_no_hotline_that_could_read_it_nothing_is_said_to_be_added(
    report: SentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.opened("2")
    monkeypatch.setattr(ReportBuilder, "seal_messages", lambda *_: ())
    assert report.phone.type(WORDS).text.startswith("Not working now. In danger? Call police 111.")


def test_a_report_that_nobody_could_take_is_added_to_for_all_hotlines_of_its_country(report: SentReport) -> None:
    with report.app.database.write() as connection:
        connection.execute(t.route.delete())
        connection.execute(t.delivery.delete())
    report.opened("2", WORDS)
    assert {row.recipient for row in report.app.rows(t.message)} == set(COUNTRIES["VU"].hotlines)
    assert deliveries(report) == []


def test_whether_it_helped_is_asked_once_and_only_counted(report: SentReport, redis_url: str) -> None:
    """Counted per quarter: a count per day would show the answer of a day's only reader."""
    app = report.app
    with app.database.write() as connection:
        connection.execute(update(t.report).values(state="closed", desk="vu-pikinini"))
    assert report.opened()[0].startswith("Closed by Pikinini Helpline. Did it help?")
    state = report.phone.type("A little").text
    assert state.startswith("Closed by Pikinini Helpline. You can write more.")
    assert report.phone.type("0").text.startswith("Closed by Pikinini Helpline. Did it help?")
    report.phone.type("It helped")  # the first answer counts
    assert report.opened(phone=number(72))[0] == state
    sessions, quarter = app.parts.sessions, quarter_of(app.database.now())
    assert sessions.helped(quarter) == {"VU helped_little": 1}
    assert not any("helped" in name for name in sessions.counted(handler.day_of(app.database.now() // SECOND)))
    with redis.Redis.from_url(redis_url) as client:
        assert not [key for key in client.scan_iter("*") if report.report_id.encode() in key]
    assert [row for row in app.rows(t.screen_tally) if "helped" in row.what] == []
    with time_machine.travel(quarter_end(quarter) / SECOND + 2 * 3600, tick=False):
        StatisticsFlush(sessions, app.database).move()
    [row] = [row for row in app.rows(t.screen_tally) if "helped" in row.what]
    assert (row.country, row.what, row.number, quarter_of_day(row.day)) == ("VU", "helped_little", 1, quarter)
    assert sessions.helped(quarter) == {}


def test_a_question_is_no_reason_to_wait_for_redis(report: SentReport, monkeypatch: pytest.MonkeyPatch) -> None:
    with report.app.database.write() as connection:
        connection.execute(update(t.report).values(state="closed", desk="vu-pikinini"))
    monkeypatch.setattr(report.app.parts.sessions, "ask_if_it_helped", not_asked)
    assert report.opened()[0].startswith("Closed by Pikinini Helpline. You can write more.")


async def not_asked(_report_id: str) -> bool:
    return False
