"""SMS: repeats, senders that are not people, carriers' keywords, machines, strange dates."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.bad_inputs.row import SORRY, TO_SEND, TO_WORDS_SMS, Row, choices
from tests.support.wait import until

pytestmark = pytest.mark.slow

HOME_SMS = "In danger? Call police 111.\n1 Report"
DANGER = "Are you or a child in danger?"
REPORT, NO = "1", "3"  # as keys: in the tests of old SMS, one is a key and one a name
CLOSED = "Thank you for your message. We are closed."


def said(replies: list[str]) -> str:
    return replies[-1].replace(f"{SORRY}\n", "")


@pytest.mark.rule("B-38")
def test_the_same_text_for_twelve_hours(row: Row) -> None:
    texts = row.texts()
    texts.walk("hi", "Report")
    for _ in range(144):  # one each five minutes
        answer = row.post("africastalking/T/sms", texts.phone.last)
        assert (answer.status_code, answer.content) == (200, b"")
    replies = texts.until_at_rest()
    assert len(replies) == 2
    assert said(replies).startswith(DANGER)
    texts.send("No")
    for _ in range(5):
        row.post("africastalking/T/sms", {**texts.phone.last, "text": "Report"})  # the id decides, not the words
    assert said(texts.until_replied(3)).startswith("What happened?")
    assert len(texts.until_at_rest()) == 3


@pytest.mark.rule("B-38")
def test_a_text_that_is_not_the_last_comes_again(row: Row) -> None:
    texts = row.texts()
    texts.walk("hi", "Report")
    old = dict(texts.phone.last)
    texts.send("No")
    texts.until_replied(3)
    row.post("africastalking/T/sms", old)
    texts.send("Something else")
    assert said(texts.until_replied(4)).startswith("Who is this about?")
    assert len(texts.until_at_rest()) == 4


@pytest.mark.rule("B-39")
@pytest.mark.parametrize("sender", ["MTN", "1234", "", "5" * 25, None])
def test_a_sender_that_is_nobody(row: Row, sender: str | None) -> None:
    texts, sent = row.texts(), len(row.installation.provider.sent)
    answer = texts.send("these are somebody's words", **{"from": sender})
    assert (answer.status_code, answer.content) == (200, b"")
    kept = row.report()
    assert (kept["schema"], kept["country"]) == ("cop-unread", "VU")
    assert base64.b64decode(kept["body_base64"]) == b"these are somebody's words"
    filed = "SELECT hotline, type FROM delivery WHERE report_id = ?"
    until(lambda: row.stored_data.rows(filed, kept["report_id"]) == [("vu-pikinini", "unread")], "it is not filed")
    texts.until_at_rest()
    assert len(row.installation.provider.sent) == sent


@pytest.mark.rule("B-39")
def test_a_text_that_nobody_can_read(row: Row) -> None:
    row.is_silent("words of somebody")
    body = b"from=%2B6785550199&from=%2B6785550198&to=163&text=words of somebody"
    answer = row.post("africastalking/T/sms", body, Content_Type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.content) == (200, b"")
    kept = row.report()
    assert base64.b64decode(kept["body_base64"]) == body
    row.installation.until_received(
        lambda lines: any(
            line["body"]["type"] == "report.unread" and line["body"]["data"]["report_id"] == kept["report_id"]
            for line in lines
        ),
        "what could not be read never came to the hotline",
    )


FORM = "application/x-www-form-urlencoded"


@pytest.mark.rule("B-39")
@pytest.mark.rule("B-07")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, "from=%2B6799123456&from=%2B6799123457&to=133&id=ATXid_f&text={}"),
        (FORM, "from=%2B6799123456&to=133&id=ATXid_f&id=ATXid_g&text={}"),
        (FORM, "from=" + "5" * 129 + "&to=133&id=ATXid_f&text={}"),
        ("application/json", "from=%2B6799123456&to=133&text={}"),
        ("application/json", '{{"from":"+6799123456","to":"133","text":"{}"}}'),
        ("multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="to"\r\n\r\n133\r\n--x\r\n{}'),
    ],
    ids=["two senders", "two ids", "long sender", "form as JSON", "JSON", "parts"],
)
def test_what_nobody_can_read_goes_to_the_country_that_was_texted(row: Row, kind: str, body: str) -> None:
    row.is_silent("words of somebody in Fiji")
    answer = row.post("africastalking/T/sms", body.format("words of somebody in Fiji").encode(), Content_Type=kind)
    assert (answer.status_code, answer.content) == (200, b"")
    kept = row.report()
    assert (kept["schema"], kept["country"]) == ("cop-unread", "FJ")
    filed = "SELECT hotline, type FROM delivery WHERE report_id = ?"
    until(
        lambda: row.stored_data.rows(filed, kept["report_id"]) == [("fj-child-helpline", "unread")], "it is not filed"
    )


@pytest.mark.rule("B-40")
@pytest.mark.parametrize("word", ["stop", " Stop ", "CANCEL", "END"])
def test_stop_gets_no_reply_and_the_next_text_gets_the_home_screen(row: Row, word: str) -> None:
    texts = row.texts()
    texts.walk("hi", "Report", word)
    assert len(texts.until_at_rest()) == 2
    texts.send("No")
    assert said(texts.until_replied(3)).startswith("In danger? Call police 111.\n1 Report\n")


@pytest.mark.rule("B-40")
def test_stop_in_the_middle_of_a_report_in_danger(row: Row) -> None:
    """The draft is submitted; repeating the same answers adds to that report."""
    texts = row.texts()
    to_words = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me")
    texts.walk("hi", *to_words)
    asked = len(texts.until_replied(7))
    texts.send("STOP")
    assert len(texts.until_at_rest()) == asked
    report_id = row.report()["report_id"]
    row.stored_data.rows("UPDATE pending SET due_at = 0 WHERE report_id = ?", report_id)  # as ten minutes later
    filed = "SELECT completeness FROM report WHERE report_id = ?"
    until(lambda: row.stored_data.rows(filed, report_id) == [("incomplete",)], "the draft is not filed")
    texts.send("1")
    assert said(texts.until_replied(asked + 1)).startswith("In danger? Call police 111.\n1 Report\n")
    texts.walk(*to_words, "Skip", "No", "Send")
    assert said(texts.until_replied(asked + 10)).startswith("Sent to ")
    report = row.report()
    assert (report["report_id"], report["completeness"]) == (report_id, "complete")


@pytest.mark.rule("B-41")
@pytest.mark.parametrize("words", ["STOP PLEASE", "please stop him", "help me", "end it", "STOP\nSTOP"])
def test_a_carriers_word_among_others_is_words(row: Row, words: str) -> None:
    row.texts().walk(*TO_WORDS_SMS, words, "No", "Send")
    assert row.report()["narrative"] == words


@pytest.mark.rule("B-42")
@pytest.mark.parametrize("word", ["HELP", "help", " Help ", "INFO"])
def test_help_in_the_middle(row: Row, word: str) -> None:
    texts = row.texts()
    texts.walk(*TO_WORDS_SMS, "somebody waits at the gate")
    had = len(texts.until_replied(len(TO_WORDS_SMS) + 1))
    texts.send(word)
    assert said(texts.until_replied(had + 1)).startswith(HOME_SMS)
    texts.walk(*TO_SEND[:-1], "1", "No", "Send")
    assert said(texts.until_replied(had + 1 + len(TO_SEND) + 2)).startswith("Sent to ")
    assert row.report()["narrative"] == "somebody waits at the gate"


@pytest.mark.rule("B-43")
def test_a_machine_that_answers_every_answer(row: Row) -> None:
    texts = row.texts()
    for _ in range(50):
        assert texts.send(CLOSED).status_code == 200
    assert len(texts.until_at_rest()) <= 5
    heard = [report["narrative"] for report in row.reports()]
    heard += [one["text"] for report in row.reports() for one in report["unasked"]]
    assert heard.count(CLOSED) == 50
    texts.send("HELP")
    assert said(texts.until_at_rest()).startswith(HOME_SMS)


def at(minutes: float = 0, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime(form)


@pytest.mark.rule("B-44")
@pytest.mark.parametrize(
    "date",
    [
        at,
        lambda: at(form="%Y-%m-%d %H:%M:%S"),
        lambda: at(10),
        lambda: "2031-01-01T00:00:00Z",
        lambda: "x",
        lambda: None,
        lambda: "",
        lambda: "9" * 400,
        lambda: at(form="%s"),
    ],
    ids=["T", "blank", "ahead", "far ahead", "x", "none", "empty", "long", "unix"],
)
def test_dates_that_say_little(row: Row, date: Callable[[], str | None]) -> None:
    """Each date is computed when it is sent, so that none is old however long the tests have run."""
    texts = row.texts()
    texts.send("hi", date=date())
    texts.send(REPORT, date=date())
    assert said(texts.until_replied(2)).startswith(DANGER)
    texts.send(NO, date=date())
    assert said(texts.until_replied(3)).startswith("What happened?")
    texts.walk(*TO_SEND[2:-1], "at the market", "No")
    texts.send("1", date=date())
    assert said(texts.until_replied(len(TO_SEND) + 3)).startswith("Sent to ")
    created = row.report()["created_at"]
    assert abs(datetime.fromisoformat(created) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.rule("B-44")
@pytest.mark.parametrize("answer", [NO, "No", "Now", "Back", "Leave"])
def test_an_old_text_takes_no_step_and_its_words_are_kept(row: Row, answer: str) -> None:
    texts = row.texts()
    texts.walk("hi", "Report")
    current = said(texts.until_replied(2))
    texts.send(answer, date=at(-20))
    assert said(texts.until_replied(3)) == current
    texts.walk(*TO_SEND[1:-1])
    texts.send("it was on the bus", date=at(-20))
    texts.walk("No", "Send")
    assert row.report()["narrative"] == "it was on the bus"


@pytest.mark.rule("B-44")
@pytest.mark.parametrize("answer", ["Send", "1", "Delete", "yes"])
def test_an_old_text_sends_and_deletes_nothing(row: Row, answer: str) -> None:
    """It is meant for a screen that its sender did not see, by key or by name."""
    texts = row.texts()
    texts.walk(*TO_WORDS_SMS, "it was on the bus", "No")
    replies = texts.until_replied(len(TO_WORDS_SMS) + 2)
    asked, current = len(replies), said(replies)
    texts.send(answer, date=at(-20))
    shown = said(texts.until_replied(asked + 1))
    assert current.startswith(shown.partition("\n")[0])  # "Sorry, try again." replaces the heading's end
    assert choices(shown) == choices(current)
    texts.send("Send")
    assert said(texts.until_replied(asked + 2)).startswith("Sent to ")
    report = row.report()
    assert (report["completeness"], report["narrative"]) == ("complete", "it was on the bus")


@pytest.mark.rule("B-44")
def test_old_words_at_a_choice_are_kept(row: Row) -> None:
    texts = row.texts()
    texts.walk("hi", *TO_SEND[:3])
    replies = texts.until_replied(4)
    asked, current = len(replies), said(replies)
    texts.send("somebody waits at the gate", date=at(-20))
    assert said(texts.until_replied(asked + 1)) == current
    texts.walk(*TO_SEND[3:-1], "1", "No", "Send")
    assert said(texts.until_at_rest()).startswith("Sent to ")
    assert [one["text"] for one in row.report()["unasked"]] == ["somebody waits at the gate"]


@pytest.mark.rule("B-45")
@pytest.mark.parametrize("words", ["my cousin is in trouble pls", "\U0001f62d my cousin is in trouble"])
def test_words_come_first(row: Row, words: str) -> None:
    """They are not sent yet, and are part of the report once."""
    texts = row.texts()
    texts.send(words)
    assert said(texts.until_replied(1)).startswith("Not sent yet. In danger? Call police 111.\n1 Go on and send")
    texts.walk("Go on and send", *TO_SEND[1:-1], "1", "No", "Send")
    report = row.report()
    assert (report["completeness"], report["narrative"], report["unasked"]) == ("complete", words, [])


@pytest.mark.rule("B-45")
def test_words_in_two_texts_are_both_heard(row: Row) -> None:
    texts = row.texts()
    texts.walk("my cousin is in trouble pls", "he hurts her every single night")
    report = row.report()
    assert report["narrative"] == "my cousin is in trouble pls"
    assert [one["text"] for one in report["unasked"]] == ["he hurts her every single night"]


@pytest.mark.rule("B-45")
def test_words_that_are_never_confirmed_are_heard_all_the_same(row: Row) -> None:
    texts = row.texts()
    texts.send("my cousin is in trouble pls")
    texts.until_replied(1)
    report_id = row.report()["report_id"]
    row.stored_data.rows("UPDATE pending SET due_at = 0 WHERE report_id = ?", report_id)  # as half an hour later
    filed = "SELECT completeness, priority FROM report WHERE report_id = ?"
    until(lambda: row.stored_data.rows(filed, report_id) == [("incomplete", "P3")], "the words are not filed")
    report = row.report()
    assert report["narrative"] == "my cousin is in trouble pls"
    assert "WORDS_ONLY" in report["triage"]["flags"]
    assert report["contact"]["allowed"] is False


def test_two_who_send_the_same_word_without_an_id_are_both_answered(row: Row) -> None:
    for _ in range(2):
        row.phone = row.new_phone()
        texts = row.texts()
        texts.send("hi", id=None)
        assert said(texts.until_replied(1)).startswith(HOME_SMS)
        texts.send("hi", id=None)
        texts.until_replied(2)
