"""A picture beside a text: the answer to the text stands, and the notice that pictures are not seen follows it."""

from __future__ import annotations

import pytest

from tests.safeguarding.call_paths import PHONE, TO_SEND_SMS, send_texts
from tests.safeguarding.outages import later
from tests.support.app import App
from tests.support.handsets_twilio import TwilioTexts
from tests.support.twilio import Account

pytestmark = pytest.mark.slow

WORDS = "The green kite is in the tall tree again"
NOTICE = "\nWe did not open that and can not see pictures. Please do not send any."
NOTICE_FR = "\nOn n'a pas ouvert cela et on ne voit pas les photos. N'en envoie pas."
PICTURE = {"NumMedia": "1", "MediaContentType0": "image/jpeg", "MediaUrl0": "https://media.example/x"}


def twilio(app: App, phone: str = PHONE) -> TwilioTexts:
    made = app.plan.settings
    account = Account(made["TWILIO_ACCOUNT_SID"], made["TWILIO_AUTH_TOKEN"])
    return TwilioTexts("", account, phone, "163", public=made["PUBLIC_URL"], http=app.http)


def with_picture(phone: TwilioTexts, words: str) -> str:
    phone.text(words, **PICTURE)
    return phone.replies()[-1]


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-30")
def test_first_words_with_a_picture_say_that_they_will_be_forwarded_and_can_be_deleted(app: App) -> None:
    phone = twilio(app)
    plain = send_texts(twilio(app, "+6785550102"), WORDS)[-1]
    assert "30 min" in plain and "00 Delete it" in plain
    assert with_picture(phone, WORDS) == plain + NOTICE
    assert send_texts(phone, "delete")[-1].startswith("Deleted: what you told us now.")
    app.submit_due_within(31 * 60)
    assert {body.data["narrative"] for body in app.bodies()} == {WORDS}, "only the other phone's words"


def test_sent_is_said_beside_the_notice(app: App) -> None:
    phone = twilio(app)
    send_texts(phone, "hi", "Report", *TO_SEND_SMS[1:])
    answer = with_picture(phone, "1")
    assert answer.startswith("Sent to Pikinini Helpline.") and answer.endswith(NOTICE)
    assert app.bodies()


@pytest.mark.rule("S-04")
def test_words_with_a_picture_after_send_hide_the_report_as_words_alone_do(app: App) -> None:
    phone, fresh = twilio(app), twilio(app, "+6785550102")
    home = send_texts(fresh, "hm")[-1]
    send_texts(phone, "LANGUAGE", "3", "1", "2", "3", "1", "4", "4", "1", "1", "1")
    assert phone.replies()[-1].startswith("Envoyé ")
    assert with_picture(phone, WORDS) == home + NOTICE
    assert send_texts(phone, "hm")[-1] == send_texts(fresh, "hm")[-1]


@pytest.mark.rule("S-33")
@pytest.mark.parametrize("words", ["quelque chose", ""])
def test_the_notice_is_in_the_language_that_was_chosen(app: App, words: str) -> None:
    phone = twilio(app)
    send_texts(phone, "LANGUAGE", "3")
    assert with_picture(phone, words).endswith(NOTICE_FR)


def test_yes_after_a_question_asked_back_with_the_notice_means_its_keyword(app: App) -> None:
    phone = twilio(app)
    asked = with_picture(phone, "repotr")
    assert "Did you mean Report?" in asked and asked.endswith(NOTICE)
    assert send_texts(phone, "yes")[-1].startswith("Are you or a child in danger?")


def test_a_picture_beside_words_after_a_silence_of_minutes_changes_no_answer(app: App) -> None:
    phone, fresh = twilio(app), twilio(app, "+6785550102")
    for texts in (phone, fresh):
        send_texts(texts, "hi", "Report")
    with later(minutes=12):
        assert with_picture(phone, "No") == send_texts(fresh, "No")[-1] + NOTICE
