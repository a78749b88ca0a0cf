"""After STOP, in any way, a phone gets no unrequested text: another person may hold it now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import redis
import requests
from prometheus_client import CollectorRegistry
from sqlalchemy import delete, insert

from flows.catalogues import ENGLISH_CATALOGUE
from gateway.conversation import contact_requests, handler
from gateway.threads import BlockingPool
from reports.countries.country import load_countries
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.spool import SpoolWriteError
from tests.safeguarding.call_paths import PHONE, TO_SEND, TO_SEND_SMS, dial_path, number, send_texts
from tests.safeguarding.outages import code_and_pin, database_unavailable, empty, later, redis_unavailable
from tests.safeguarding.test_waiting_words import at_text
from tests.support.app import App
from tests.support.handsets_kannel import KannelTexts
from tests.support.handsets_twilio import TwilioTexts
from tests.support.twilio import Account
from workers.jobs.answer_notices import AnswerNotices
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.sms.dispatcher import SmsDispatcher

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-09"), pytest.mark.rule("S-03"), pytest.mark.rule("B-52")]

TEXT_ME = (*TO_SEND[:-1], "SMS 7am-9pm", "Send")
Stop = Callable[[App], requests.Response]


def texts(app: App) -> KannelTexts:
    return KannelTexts(f"/hooks/kannel/{app.plan.secrets.kannel}/sms", PHONE, "163", http=app.http)


def by_text(app: App, words: str = "STOP") -> requests.Response:
    phone = texts(app)
    phone.write(words)
    return phone.post()


def by_notice(
    app: App, post_webhook: str = "optout", phone: str = PHONE, reason: str = "UserInBlacklist"
) -> requests.Response:
    """Post Africa's Talking's notice: it has answered STOP for us, or an SMS of ours failed because of STOP."""
    form = {"phoneNumber": phone, "senderId": "163", "id": "1", "status": "Failed", "failureReason": reason}
    return app.http.post(f"/hooks/africastalking/{app.plan.secrets.africastalking}/{post_webhook}", data=form)


def by_twilio(app: App) -> requests.Response:
    """Send STOP in another language, as Twilio marks it."""
    made = app.plan.settings
    account = Account(made["TWILIO_ACCOUNT_SID"], made["TWILIO_AUTH_TOKEN"])
    phone = TwilioTexts("", account, PHONE, "163", public=made["PUBLIC_URL"], http=app.http)  # type: ignore[arg-type]
    phone.write("ARRET", OptOutType="STOP")
    return phone.post()


WAYS = pytest.mark.parametrize("stop", [by_text, by_notice, by_twilio])


@pytest.fixture
def reported(app: App) -> str:
    """Send a report that allows SMS, and return its id."""
    assert dial_path(app.ussd(PHONE), *TEXT_ME)[-1].startswith("Sent to ")
    app.parts.housekeeping.once()
    [report] = app.rows(t.report)
    return str(report.report_id)


def answered(app: App, report_id: str) -> None:
    """Store an answer of a hotline; then run the scheduler at several hours of a day."""
    [delivery, *_] = app.rows(t.delivery)
    row = {"report_id": report_id, "hotline": delivery.hotline, "created_at": 1, "sealed": b"x"}
    with app.database.write() as connection:
        connection.execute(insert(t.answer).values(row | {"answer_id": new_id(app.database.now())}))
    address = app.database.engine.url.render_as_string(hide_password=False)
    for hours in range(0, 26, 5):
        later = Database(address, offset=hours * 3600)
        clock(app, later).process_due()
        later.close()


def clock(app: App, database: Database) -> AnswerNotices:
    """Return answer notices with a provider that accepts nothing, so that SMS stay in `outgoing`."""

    class DiscardingDispatcher(SmsDispatcher):
        def send(self, sms_id: str) -> bool:
            return bool(sms_id)

    keys, senders = KeyRing(app.keys), dict[str, Any](kannel=None)
    sms_dispatcher = DiscardingDispatcher(database, keys, senders, "demo", "h", WorkerMetrics(CollectorRegistry()))
    return AnswerNotices(
        database, keys, app.keys, load_countries(("vu",), "demo"), {"en": ENGLISH_CATALOGUE}, sms_dispatcher
    )


@contextmanager
def spool_full(app: App) -> Iterator[None]:
    with patch.object(app.parts.spool, "put", side_effect=SpoolWriteError("full")):
        yield


def test_who_said_yes_and_nothing_since_is_texted_once(app: App, reported: str) -> None:
    answered(app, reported)
    assert app.count(t.outgoing) == 1


@WAYS
def test_after_stop_an_answer_texts_nobody(app: App, reported: str, stop: Stop) -> None:
    assert stop(app).status_code == 200
    answered(app, reported)
    assert app.count(t.outgoing) == 0


def test_a_number_written_in_another_way_is_the_same_number(app: App, reported: str) -> None:
    phone = texts(app)
    phone.phone = PHONE.removeprefix("+678")
    phone.write("Unsubscribe")
    assert phone.post().status_code == 200
    answered(app, reported)
    assert app.count(t.outgoing) == 0


@pytest.mark.parametrize("words", ["START", "Yes", "unstop"])
def test_start_takes_it_back_and_what_somebody_asks_is_answered_all_the_while(
    app: App, reported: str, words: str
) -> None:
    by_text(app)
    assert by_text(app, "hi").text.startswith("In danger? Call police 111.")
    assert app.count(t.optout) == 1, "asking is not taking it back"
    by_text(app, words)
    assert app.count(t.optout) == 0
    answered(app, reported)
    assert app.count(t.outgoing) == 0, "STOP has ended the consent of this report"


@pytest.mark.parametrize("words", ["", "START"])
def test_start_takes_it_back_for_a_report_of_the_day_before(
    app: App, redis_url: str, reported: str, words: str
) -> None:
    """No report of this phone is known any more: the consent stays, and the opt-out alone keeps texts back."""
    empty(redis_url)
    with later(hours=25):
        by_text(app)
        if words:
            by_text(app, words)
        assert allowed(app) == []
        answered(app, reported)
    assert app.count(t.outgoing) == (1 if words else 0)


@WAYS
def test_who_chooses_to_be_texted_after_stop_is_texted(app: App, stop: Stop) -> None:
    """The choice says that an SMS will come."""
    stop(app)
    assert dial_path(app.ussd(PHONE), *TEXT_ME)[-1].startswith("Sent to ")
    [report] = app.rows(t.report)
    answered(app, str(report.report_id))
    assert app.count(t.outgoing) == 1


def test_who_chooses_it_in_my_report_has_taken_stop_back(app: App) -> None:
    sent = dial_path(app.ussd(PHONE), *TO_SEND, "Send")[-1]
    app.parts.housekeeping.once()
    by_text(app)
    code, pin = code_and_pin(sent)
    assert app.count(t.optout) == 1
    dial_path(app.ussd(PHONE), "My report", code, pin, "Contact", "SMS 7am-9pm")
    assert app.count(t.optout) == 0


@pytest.mark.parametrize("contact", ["No", "Call 7am-9pm"])
def test_another_choice_takes_no_stop_back(app: App, reported: str, contact: str) -> None:
    by_text(app)
    dial_path(app.ussd(PHONE), *TO_SEND[:-1], contact, "Send")
    answered(app, reported)
    assert app.count(t.outgoing) == 0


def test_another_numbers_stop_is_no_ones_else(app: App, reported: str) -> None:
    phone = texts(app)
    phone.phone = number(7)
    phone.text("STOP")
    answered(app, reported)
    assert app.count(t.outgoing) == 1


@WAYS
def test_stop_with_the_database_away_is_kept_in_the_spool(app: App, reported: str, stop: Stop) -> None:
    with database_unavailable(app):
        assert stop(app).status_code == 200
    app.parts.housekeeping.once()
    assert app.parts.spool.names() == []
    answered(app, reported)
    assert app.count(t.outgoing) == 0


def test_nothing_is_decided_before_web_has_said_by_which_key(app: App, reported: str) -> None:
    """Otherwise, if an upgrade starts the clock before web, reporters who agreed to SMS would lose waiting notices."""
    said = [row._asdict() for row in app.rows(t.optout_key)]
    with app.database.write() as connection:
        connection.execute(delete(t.optout_key))
    answered(app, reported)
    assert app.count(t.outgoing) == 0
    with app.database.write() as connection:
        connection.execute(insert(t.optout_key), said)
    answered(app, reported)
    assert app.count(t.outgoing) == 1


@pytest.mark.parametrize("start_meets_it", [True, False], ids=["START too", "START alone does not"])
def test_the_last_word_counts_though_stop_went_by_the_spool(app: App, start_meets_it: bool) -> None:
    with database_unavailable(app):
        by_text(app)
        app.parts.housekeeping.once()
        if start_meets_it:
            by_text(app, "START")
    if not start_meets_it:
        by_text(app, "START")
    app.parts.housekeeping.once()
    assert app.parts.spool.names() == []
    assert app.count(t.optout) == 0


def test_a_start_in_the_spool_takes_no_second_stop_back(app: App) -> None:
    by_text(app)
    with database_unavailable(app):
        by_text(app, "START")
    by_text(app)
    app.parts.housekeeping.once()
    assert app.parts.spool.names() == []
    assert app.count(t.optout) == 1


@WAYS
def test_stop_that_neither_takes_is_not_told_as_done(app: App, reported: str, stop: Stop) -> None:
    """The answer is 503, so the provider repeats the notice."""
    with database_unavailable(app), spool_full(app):
        assert stop(app).status_code == 503
    assert app.count(t.optout) == 0
    assert stop(app).status_code == 200
    answered(app, reported)
    assert app.count(t.outgoing) == 0


def test_a_notice_about_a_name_is_no_text_for_staff(app: App) -> None:
    assert by_notice(app, phone="Promo").status_code == 200
    assert (app.count(t.pending), app.count(t.optout)) == (0, 0)


@pytest.mark.parametrize(("reason", "status"), [("UserInBlacklist", 503), ("AbsentSubscriber", 200)])
def test_a_delivery_report_is_asked_for_again_only_for_the_opt_out_in_it(app: App, reason: str, status: int) -> None:
    with database_unavailable(app), spool_full(app):
        assert by_notice(app, "delivery", reason=reason).status_code == status


def test_stop_holds_at_once_where_the_conversation_has_to_wait(app: App, reported: str) -> None:
    with redis_unavailable(app):
        assert by_text(app).status_code == 200
        assert app.count(t.optout) == 1
        answered(app, reported)
    app.parts.housekeeping.once()
    assert [row.waiting for row in app.rows(t.inbound)] == [None]
    answered(app, reported)
    assert app.count(t.outgoing) == 0


IN_THE_MIDDLE = ("REPORT", "1", "Soon", "Asks photos, money", "Me")


@pytest.mark.rule("S-04")
@pytest.mark.parametrize("word", ["STOP", "end", "Quit", "CANCEL", "unsubscribe", "arrêt"])
def test_stop_in_the_middle_of_a_report_ends_it_beside_the_opt_out(app: App, word: str) -> None:
    """A person who then picks up the phone and texts gets the home screen, as on any phone."""
    home = send_texts(app.sms(number(7)), "hi")
    phone = app.sms(PHONE)
    assert send_texts(phone, *IN_THE_MIDDLE)[-1].startswith("How old are you?")
    assert send_texts(phone, word) == [""], "a reply would make the phone sound"
    assert app.count(t.optout) == 1
    assert send_texts(phone, "hi") == home
    assert send_texts(phone, "2")[-1].startswith("In danger?"), "an answer to the report that was left"


def test_the_first_word_of_a_label_is_no_stop(app: App) -> None:
    """In Bislama *stap* is to be or to stay: *Stap sef* is a choice of the home screen."""
    phone = app.sms(PHONE)
    home = send_texts(phone, "halo")[-1]
    assert "2 Stap sef" in home
    assert send_texts(phone, "Stap", "Stap sef")[0].startswith("Sori, traem bakegen.")
    assert app.count(t.optout) == 0


def test_stop_at_the_provider_ends_the_conversation_too(app: App) -> None:
    made = app.plan.settings
    account = Account(made["TWILIO_ACCOUNT_SID"], made["TWILIO_AUTH_TOKEN"])
    phone = TwilioTexts("", account, PHONE, "163", public=made["PUBLIC_URL"], http=app.http)  # type: ignore[arg-type]
    for words in IN_THE_MIDDLE:
        phone.text(words)
    by_twilio(app)
    phone.text("hi")
    assert phone.replies()[-1].startswith("In danger? Call police 111.")


@pytest.mark.rule("S-12")
def test_stop_after_danger_now_tells_the_helpline_as_leaving_does(app: App) -> None:
    for n, word in enumerate(("STOP", "00")):
        phone = app.sms(number(n))
        send_texts(phone, "REPORT", "1", "Now", "Go on", "Asks photos, money", "Shefa", word)
    waiting = app.pending_revisions()
    assert [one.data["completeness"] for one in waiting] == ["incomplete", "incomplete"]
    app.submit_due_within(601)
    assert [row.completeness for row in app.rows(t.report)] == ["incomplete", "incomplete"]


def test_stop_after_send_files_what_was_gathered(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "REPORT", *TO_SEND_SMS, "Send", "Add more", "Answer questions", "Photos")
    assert app.count(t.pending) > 0
    phone.text("STOP")
    app.submit_due_within(0)
    assert app.count(t.pending) == 0


CALL_ME = (*TO_SEND_SMS[:-1], "Call 7am-9pm", "Send")


def allowed(app: App) -> list[int]:
    return [row.allowed for row in app.rows(t.contact)]


@pytest.mark.rule("S-13")
@WAYS
def test_stop_ends_contact_for_the_reports_of_the_last_day(app: App, stop: Stop) -> None:
    """By SMS nothing else can: the reporter may have no access code."""
    assert send_texts(app.sms(PHONE), "hi", "Report", *CALL_ME[1:])[-1].startswith("Sent to ")
    dial_path(app.ussd(PHONE), *TEXT_ME)
    dial_path(app.ussd(PHONE), *TO_SEND, "Send")
    dial_path(app.ussd(number(7)), *TO_SEND[:-1], "Call 8am-4pm", "Send")
    with later(hours=20):
        assert stop(app).status_code == 200
    assert allowed(app) == [0, 0]
    assert {row.recipient for row in app.rows(t.message)} == {row.hotline for row in app.rows(t.route)}


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("chosen", ["Call 7am-9pm", "SMS 7am-9pm"])
@WAYS
def test_stop_ends_contact_that_this_phone_allowed_under_my_report(app: App, stop: Stop, chosen: str) -> None:
    """The report was sent from another phone, or two days before."""
    code, pin = code_and_pin(dial_path(app.ussd(number(7)), *TO_SEND, "Send")[-1])
    app.parts.housekeeping.once()
    dial_path(app.ussd(PHONE), "My report", code, pin, "Contact", chosen)
    assert allowed(app) == [1]
    with later(hours=20):
        assert stop(app).status_code == 200
    assert allowed(app) == [0]


def test_stop_ends_no_contact_that_another_phone_allowed_under_my_report(app: App) -> None:
    code, pin = code_and_pin(dial_path(app.ussd(PHONE), *TO_SEND, "Send")[-1])
    app.parts.housekeeping.once()
    dial_path(app.ussd(number(7)), "My report", code, pin, "Contact", "Call 7am-9pm")
    by_text(app)
    assert allowed(app) == [1]


def test_an_sms_that_failed_because_of_an_earlier_stop_ends_no_calls(app: App) -> None:
    dial_path(app.ussd(PHONE), *TO_SEND[:-1], "Call 8am-4pm", "Send")
    made = app.plan.settings
    account = Account(made["TWILIO_ACCOUNT_SID"], made["TWILIO_AUTH_TOKEN"])
    failed = {"To": PHONE, "From": "163", "MessageStatus": "failed", "ErrorCode": "21610"}
    failed |= {"MessageSid": f"SM{'1' * 32}", "AccountSid": account.sid}
    path = "/hooks/twilio/status"
    assert account.post(app.http, path, failed, made["PUBLIC_URL"] + path).status_code < 300
    assert app.count(t.optout) == 1 and allowed(app) == []


@WAYS
def test_stop_with_the_database_away_ends_calls_once_it_is_back(app: App, stop: Stop) -> None:
    with database_unavailable(app):
        assert dial_path(app.ussd(PHONE), *TO_SEND[:-1], "Call 8am-4pm", "Send")[-1].startswith("Sent to ")
        assert stop(app).status_code == 200
    with patch.object(app.parts.spool, "drain", return_value=0):
        app.parts.housekeeping.once()
    assert allowed(app) == []
    app.parts.housekeeping.once()
    app.parts.housekeeping.once()
    assert allowed(app) == [0]


@WAYS
def test_stop_ends_contact_for_a_report_in_the_spool_of_another_host(app: App, stop: Stop) -> None:
    with database_unavailable(app):
        assert dial_path(app.ussd(PHONE), *TEXT_ME)[-1].startswith("Sent to ")
    with patch.object(app.parts.spool, "names", return_value=[]), patch.object(contact_requests, "RETRY_SECONDS", 0):
        assert stop(app).status_code == 200
        app.parts.housekeeping.once()
    app.parts.housekeeping.once()
    app.parts.housekeeping.once()
    assert app.count(t.report) == 1 and allowed(app) == [0]


def test_stop_waits_two_days_for_a_report_that_no_host_stores(app: App) -> None:
    """Its reporter deleted it, or it was purged."""
    requests = app.parts.dispatcher._contact_requests
    with patch.object(contact_requests, "RETRY_SECONDS", 0):
        requests.withdraw("vu", PHONE, ("stop",), int(time.time()), (new_id(app.database.now()),))
        app.parts.housekeeping.once()
        assert len(requests.waiting) == 1
        with later(hours=49):
            app.parts.housekeeping.once()
    assert not requests.waiting


@WAYS
def test_stop_without_redis_ends_calls_once_it_is_back(app: App, stop: Stop) -> None:
    dial_path(app.ussd(PHONE), *TO_SEND[:-1], "Call 8am-4pm", "Send")
    with redis_unavailable(app):
        assert stop(app).status_code == 200
    assert app.count(t.optout) == 1
    app.parts.housekeeping.once()
    assert allowed(app) == [0]


@WAYS
def test_a_repeated_stop_sends_staff_nothing_again(app: App, stop: Stop) -> None:
    for _ in range(2):
        dial_path(app.ussd(PHONE), *TO_SEND[:-1], "Call 8am-4pm", "Send")
    assert send_texts(app.sms(PHONE), "call me", "2")[-1].startswith("Done.")
    stop(app)
    sent, entries = app.count(t.message), len(app.parts.journal.since(0).erasures)
    assert allowed(app) == [0, 0, 0] and sent
    for minutes in (1, 2):
        with later(minutes=minutes):
            stop(app)
    assert app.count(t.message) == sent
    assert len(app.parts.journal.since(0).erasures) == entries + 2, "the opt-outs alone"
    with later(minutes=3):
        assert send_texts(app.sms(PHONE), "call me", "2")[-1].startswith("Done.")
        stop(app)
    assert allowed(app) == [0, 0, 0] and app.count(t.message) > sent


def test_a_notice_that_is_repeated_while_redis_is_away_withdraws_a_request_once(app: App) -> None:
    send_texts(app.sms(PHONE), "call me", "2")
    with redis_unavailable(app):
        by_notice(app)
        sent = app.count(t.message)
        with later(minutes=1):
            assert by_notice(app).status_code == 200
    app.parts.housekeeping.once()
    assert sent and app.count(t.message) == sent


@pytest.mark.parametrize("asked", ["a report", "a request", "new hours", "a report begun before"])
def test_a_stop_that_waited_for_redis_ends_no_calls_allowed_after_it(app: App, asked: str) -> None:
    if asked == "new hours":
        send_texts(app.sms(PHONE), "call me", "2")
    caller = app.ussd(PHONE)
    if asked == "a report begun before":
        dial_path(caller, *TO_SEND[:-1])
    with redis_unavailable(app):
        assert by_text(app).status_code == 200
    with later(seconds=30):
        if asked == "a report begun before":
            caller.type("Call 8am-4pm")
            assert caller.type("Send").text.startswith("Sent to ")
        elif asked == "a report":
            assert dial_path(app.ussd(PHONE), *TO_SEND[:-1], "Call 8am-4pm", "Send")[-1].startswith("Sent to ")
        else:
            assert send_texts(app.sms(PHONE), "call me", "2")[-1].startswith("Done.")
        app.parts.housekeeping.once()
    assert [row.waiting for row in app.rows(t.inbound)] == [None]
    assert allowed(app) == ([1] if asked == "new hours" else [])


# A STOP that comes late


WORDS = "My cousin is in trouble at home"
HALF_AN_HOUR = 1860


def by_at(app: App, *words: str) -> None:
    """Text over Africa's Talking, whose notice says STOP."""
    for text in words:
        assert at_text(app, text, new_id(app.database.now())) == 200


def by_kannel(app: App, *words: str) -> None:
    send_texts(texts(app), *words)


BOTH = pytest.mark.parametrize(("say", "stop"), [(by_kannel, by_text), (by_at, by_notice)], ids=["text", "notice"])
Say = Callable[..., None]


@BOTH
@pytest.mark.parametrize("begun", [("hi", *TO_SEND_SMS[:-1]), (WORDS,)], ids=["a report", "words"])
def test_a_stop_that_waited_for_redis_ends_no_conversation_after_it(
    app: App, say: Say, stop: Stop, begun: tuple[str, ...]
) -> None:
    with redis_unavailable(app):
        assert stop(app).status_code == 200
    with later(seconds=30):
        say(app, *begun)
        replies = app.count(t.outgoing)
        app.parts.housekeeping.once()
        assert [row.waiting for row in app.rows(t.inbound)] == [None]
        assert app.count(t.outgoing) == replies, "STOP gets no reply"
        if begun != (WORDS,):
            say(app, "No", "Send")
        app.submit_due_within(HALF_AN_HOUR)
    assert [row.completeness for row in app.rows(t.report)] == ["incomplete" if begun == (WORDS,) else "complete"]


@BOTH
@pytest.mark.parametrize("begun", [("hi", *TO_SEND_SMS), (WORDS,)], ids=["a report", "words"])
def test_a_stop_that_waited_for_redis_deletes_what_waited_before_it(
    app: App, say: Say, stop: Stop, begun: tuple[str, ...]
) -> None:
    say(app, *begun)
    with later(seconds=30):
        with redis_unavailable(app):
            assert stop(app).status_code == 200
        app.parts.housekeeping.once()
        say(app, "Send", "hi", *TO_SEND_SMS[:4])
        app.submit_due_within(HALF_AN_HOUR)
    assert app.count(t.report) == 0
    with redis.Redis.from_url(app.plan.settings["REDIS_URL"]) as client:
        assert len(client.keys("d:*")) == 1, "a draft of its own"


LAST_WORD = [("STOP", "START", 0), ("START", "STOP", 1)]


@pytest.mark.parametrize("waits", ["both", "the first", "the second"])
@pytest.mark.parametrize(("first", "second", "opted_out"), LAST_WORD, ids=["START", "STOP"])
def test_the_last_word_counts_whichever_waited_for_redis(
    app: App, first: str, second: str, opted_out: int, waits: str
) -> None:
    for word, name in ((first, "the first"), (second, "the second")):
        if waits in ("both", name):
            with redis_unavailable(app):
                assert by_text(app, word).status_code == 200
        else:
            by_text(app, word)
    app.parts.housekeeping.once()
    assert [row.waiting for row in app.rows(t.inbound)] in ([None], [None, None])
    assert app.count(t.optout) == opted_out


def test_a_stop_that_its_provider_delayed_ends_what_came_before_it_alone(app: App) -> None:
    """The opt-out counts all the same: it is the safe side."""
    stop, phone = texts(app), texts(app)
    stop.write("STOP")
    with later(hours=2):
        assert send_texts(phone, "hi", "Report", *CALL_ME[1:])[-1].startswith("Sent to ")
        send_texts(phone, "HELP", WORDS)
        answer = stop.post()
        assert (answer.status_code, answer.text) == (200, "")
        assert app.count(t.optout) == 1 and allowed(app) == []
        app.submit_due_within(HALF_AN_HOUR)
    assert app.count(t.report) == 2


@pytest.mark.parametrize("waits", [False, True])
def test_a_start_that_its_provider_delayed_takes_no_later_stop_back(app: App, waits: bool) -> None:
    start = texts(app)
    start.write("START")
    with later(hours=2):
        by_text(app)
        with redis_unavailable(app) if waits else nullcontext():
            assert start.post().status_code == 200
        app.parts.housekeeping.once()
    assert app.count(t.optout) == 1


def test_a_delayed_stop_without_redis_ends_no_request_after_it(app: App) -> None:
    stop = texts(app)
    stop.write("STOP")
    with later(hours=2):
        assert send_texts(app.sms(PHONE), "call me", "2")[-1].startswith("Done.")
        with redis_unavailable(app):
            assert stop.post().status_code == 200
        app.parts.housekeeping.once()
        assert app.count(t.optout) == 1 and allowed(app) == []


def test_a_stop_whose_time_is_years_ago_counts_from_when_it_came(app: App) -> None:
    """No network keeps an SMS for so long: the clock of its provider is wrong."""
    send_texts(app.sms(PHONE), "hi", "Report", *CALL_ME[1:])
    send_texts(app.sms(PHONE), "call me", "2")
    stop = texts(app)
    with later(days=-400):
        stop.write("STOP")
    assert stop.post().status_code == 200
    assert allowed(app) == [0, 0]


@pytest.mark.parametrize("busy", ["crowd", "many tips"])
def test_a_delayed_stop_gets_no_reply_while_a_screen_that_can_wait_is_refused(app: App, busy: str) -> None:
    """The conversation goes on at that screen; a reply to STOP would make the phone sound."""
    stop = texts(app)
    stop.write("STOP")
    with later(hours=2):
        by_kannel(app, "hi", "Tips")
        crowd = patch.object(BlockingPool, "is_overloaded", new=True)
        with crowd if busy == "crowd" else patch.object(handler, "MAX_SCREENS_READ", 1):
            answer = stop.post()
    assert (answer.status_code, answer.text) == (200, "")
    assert app.count(t.optout) == 1


def test_a_start_that_its_provider_repeats_without_redis_takes_no_later_stop_back(app: App) -> None:
    start = texts(app)
    start.write("START")
    with redis_unavailable(app):
        for post in (start.post, partial(by_text, app), start.post):
            assert post().status_code == 200
    app.parts.housekeeping.once()
    assert app.count(t.optout) == 1


@BOTH
def test_words_that_waited_with_a_later_stop_are_deleted(app: App, say: Say, stop: Stop) -> None:
    """Both are replayed at the same time; the words are older all the same."""
    with redis_unavailable(app):
        say(app, WORDS)
        with later(seconds=30):
            assert stop(app).status_code == 200
    with later(minutes=2):
        app.parts.housekeeping.once()
        assert {row.waiting for row in app.rows(t.inbound)} == {None}
        app.submit_due_within(HALF_AN_HOUR)
    assert app.count(t.report) == 0
