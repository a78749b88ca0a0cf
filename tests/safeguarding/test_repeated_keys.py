"""On a slow line people send a key again: the repeat must not answer a screen that they have not seen (S-11)."""

from __future__ import annotations

import time

import pytest

from gateway.conversation.turns import EARLY_SECONDS
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, send_texts
from tests.support.app import App
from tests.support.handsets_kannel import KannelTexts

pytestmark = pytest.mark.slow

TO_WORDS = ("hi", "Report", "Soon", "Asks photos, money", "Me", "13-15", "Shefa")
OWN_WORDS, CONTACT, SEND = "Tell us in your own words.", "May staff contact you?", "Send to "


@pytest.fixture
def phone(app: App) -> KannelTexts:
    return KannelTexts(f"/hooks/kannel/{app.plan.secrets.kannel}/sms", PHONE, "163", http=app.http)  # type: ignore[arg-type]


def say(phone: KannelTexts, text: str, ago: int) -> str:
    """Send a text that the provider dates `ago` seconds back; return the reply."""
    phone.write(text)
    phone.last["ts"] = str(int(time.time()) - ago)
    answer = phone.post()
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("ago", [30, 0, -EARLY_SECONDS + 1], ids=["slow line", "at once", "fast clock"])
def test_a_repeat_from_before_our_answer_shows_the_screen_again(app: App, phone: KannelTexts, ago: int) -> None:
    assert send_texts(phone, *TO_WORDS)[-1].startswith(OWN_WORDS)
    first = say(phone, "1", ago)
    assert first.startswith(CONTACT)
    assert say(phone, "1", ago) == first
    assert app.count(t.report) == 0


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("late", ["1", "1.", "1 = skip", "skip", "0", "0.", "0 = Back", "00.", "OO", "00 Leave"])
def test_a_late_key_answers_nothing_however_it_is_written(app: App, phone: KannelTexts, late: str) -> None:
    """Its sender saw another screen; at the question for own words a key would skip it."""
    asked = send_texts(phone, *TO_WORDS)[-1]
    assert say(phone, late, 1000) == asked
    assert send_texts(phone, "He follows me on the way to school", "No", "Send")[-1].startswith("Sent to ")
    assert [body.data["narrative"] for body in app.bodies()][:1] == ["He follows me on the way to school"]


def test_late_words_are_stored(app: App, phone: KannelTexts) -> None:
    send_texts(phone, *TO_WORDS)
    assert say(phone, "1 man follows me", 1000).startswith(CONTACT)


@pytest.mark.rule("S-11")
def test_three_keys_at_once_do_not_send(app: App, phone: KannelTexts) -> None:
    send_texts(phone, *TO_WORDS)
    seen = [say(phone, "1", 20)[:8] for _ in range(3)]
    assert seen == [CONTACT[:8], CONTACT[:8], SEND[:8]] and app.count(t.report) == 0
    assert say(phone, "1", 20).startswith(SEND) and app.count(t.report) == 0


@pytest.mark.rule("S-11")
def test_a_slow_clock_locks_nobody_out(app: App, phone: KannelTexts) -> None:
    """Each repeat is shown the screen once; then the same key counts."""
    send_texts(phone, *TO_WORDS)
    seen = [say(phone, "1", 600) for _ in range(5)]
    assert seen[-1].startswith("Sent to ") and app.count(t.report) == 1


@pytest.mark.rule("S-11")
def test_another_key_and_a_later_one_count(app: App, phone: KannelTexts) -> None:
    send_texts(phone, *TO_WORDS)
    assert say(phone, "1", 30).startswith(CONTACT)
    assert say(phone, "No", 30).startswith(SEND)
    assert app.count(t.report) == 0
    send_texts(phone, "00", *TO_WORDS)
    assert say(phone, "1", 0).startswith(CONTACT)
    assert say(phone, "1", -EARLY_SECONDS - 1).startswith(SEND)


def test_after_sent_another_text_of_a_slow_clock_is_taken_once(app: App, phone: KannelTexts) -> None:
    """Words after Sent show the home screen in place of it; the next text is handled there."""
    send_texts(phone, *TO_WORDS, "1", "No", "Send", "He follows me on the way to school")
    assert say(phone, "Tips", 600).startswith("In danger? Call police 111.\nTips. Who for?")


@pytest.mark.rule("S-11")
def test_without_a_time_of_the_provider_a_repeat_counts(app: App) -> None:
    """Nothing shows then when it was typed."""
    assert send_texts(app.sms(PHONE), *TO_WORDS, "1", "1")[-1].startswith(SEND)


def test_words_that_are_sent_again_are_all_stored(app: App, phone: KannelTexts) -> None:
    send_texts(phone, "hi", "Report", "Now")
    for _ in range(2):
        say(phone, "he has a knife come now", 30)
    [pending] = app.pending_revisions()
    assert len(pending.data["unasked"]) == 2
