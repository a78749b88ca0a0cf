"""Another person picks up the phone. They see what a phone shows that never reported.

The same bytes, after any action and any end, seconds, minutes and half an hour later. A difference must be allowed by a
rule that is named in its row.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
import redis

from reports.store import pending_submissions
from tests.safeguarding.call_paths import IN_DANGER, TO_SEND, TO_SEND_SMS, TO_SENT
from tests.safeguarding.outages import code_and_pin, later
from tests.safeguarding.second_person import NOSY, TEXTS, SharedPhone, dials, texts
from tests.support.app import App

pytestmark = pytest.mark.slow

WORDS = "Zorrovik waits for me behind the shop"
SOON, MINUTES, LATER = 10, 300, 31 * 60  # seconds; the draft of a dropped call is submitted before LATER
BY_SMS = ("REPORT", "1", *TO_SEND_SMS[1:])
DANGER_BY_SMS = ("REPORT", "1", *IN_DANGER[1:-2])

Act = Callable[[SharedPhone], object]


def call(*replies: str, gone: bool = False, more: tuple[str, ...] = ()) -> Act:
    """Dial and type. `gone`: the network reports the end of the call. `more`: another call after it."""

    def act(phone: SharedPhone) -> None:
        phone.dial(*replies)
        if gone:
            phone.call.drop_call()
        if more:
            phone.dial(*more)

    return act


def sms(*said: str) -> Act:
    return lambda phone: phone.texts(*said)


def both(*acts: Act) -> Act:
    return lambda phone: [act(phone) for act in acts]


def opens_my_report(phone: SharedPhone) -> None:
    code, pin = code_and_pin(phone.dial(*TO_SENT)[-1])
    phone.dial("My report", code, pin)


def texts_for_my_report(phone: SharedPhone) -> None:
    code, pin = code_and_pin(phone.dial(*TO_SENT)[-1])
    phone.texts("CODE", code, pin)


# Allowed differences: rule → for how many seconds.
Allowed = Mapping[str, int]
OPEN_QUESTION: Allowed = {"S-04": 30 * 60}  # "while a conversation is open the current question again"
OPENED_REPORT: Allowed = {"S-04": 5 * 60}  # by SMS it closes sooner than a question
SILENCE: Allowed = {"S-36": 30 * 60}  # after replies that look like a machine's, no answer until a long pause


@dataclass(frozen=True)
class Row:
    name: str
    first: Act
    texted: bool = False  # the conversation is in the inbox until somebody deletes it (S-05)
    allowed: Allowed | None = None


ROWS = (
    # Dropped
    Row("dialled and hung up", call()),
    Row("dropped at danger", call(*TO_SEND[:1])),
    Row("dropped at category", call(*TO_SEND[:2])),
    Row("dropped at about", call(*TO_SEND[:3], gone=True)),
    Row("dropped at age", call(*TO_SEND[:4])),
    Row("dropped at place", call(*TO_SEND[:5], gone=True)),
    Row("dropped at contact", call(*TO_SEND[:6])),
    Row("dropped at Send", call(*TO_SEND)),
    Row("dropped at Who else", call(*TO_SEND, "Leave one out", gone=True)),
    Row("dropped with an office left out", call(*TO_SEND, "Leave one out", "Pikinini Helpline")),
    Row("dropped, dialled again, dropped", call(*TO_SEND[:5], more=TO_SEND[:6])),
    # In danger
    Row("danger now, dropped before the category", call(*IN_DANGER[:3], gone=True)),
    Row("danger now, dropped", call(*IN_DANGER[:4])),
    Row("danger now, the line gone", call(*IN_DANGER, gone=True)),
    Row("danger now, left by 00", call(*IN_DANGER, "00")),
    Row("danger now, another category", call(*IN_DANGER[:3], "Hurt, touched, forced", "Tafea", gone=True)),
    Row("danger now, the helpline left out", call(*IN_DANGER, "Leave one out", "Pikinini Helpline", gone=True)),
    Row("danger now, sent", call(*IN_DANGER, "Send")),
    Row("danger now, deleted", call(*IN_DANGER, "9")),
    Row("danger now, taken back", call(*IN_DANGER[:4], "0", "0", "0", "No", gone=True)),
    # Finished
    Row("sent", call(*TO_SENT)),
    Row("sent, and Done", call(*TO_SENT, "0")),
    Row("sent, words in a later call", call(*TO_SENT, WORDS, gone=True, more=("My report", "1", WORDS))),
    Row("words in a call without a report", call("My report", "1", WORDS, gone=True)),
    Row("sent, own words", call(*TO_SENT, WORDS, gone=True)),
    Row("sent, answered", call(*TO_SENT, WORDS, "1", "Money", "They do", "0", "0", "0", "0")),
    Row("sent twice", call(*TO_SENT, more=TO_SENT)),
    Row("contact given, sent", call(*TO_SEND[:-1], "SMS 7am-9pm", "Send")),
    Row("call me, sent", call(*TO_SEND[:-1], "Call 8am-4pm", "Send", "0")),
    Row("deleted", call(*TO_SEND, "9")),
    # Left
    Row("left by 00 at once", call("00")),
    Row("left by 00 in the middle", call(*TO_SEND[:4], "00")),
    Row("left by 00 on Sent", call(*TO_SENT, "00")),
    # No report
    Row("tips", call("Safety tips", "2", "3", "98")),
    Row("five questions for parents", call("Safety tips", "4", "9", "1", "2", "3", "1", "1", "1", "1")),
    Row("from a tip to the report", call("Safety tips", "2", "3", "98", "1", "Soon", "Asks photos, money")),
    Row("law", call("Law", "98", "1")),
    Row("my report, a wrong code", call("My report", "48219304", "7350", "1", "48219304", "7351")),
    Row("my report, opened", opens_my_report),
    Row("the third wrong answer", call("Report", "x", "x", "x")),
    Row("nonsense", call("99", "é" * 300, WORDS, "-1", "\u202e0", "🐢" * 90)),
    Row("a language chosen", call("5", "2", "1", "1")),
    Row("two languages, then sent", call("5", "2", "5", "3", "1", "2", "3", "1", "4", "4", "1", "1")),
    # By SMS
    Row("texted hello", sms("hello"), True, OPEN_QUESTION),
    Row("texted until Sent", sms(*BY_SMS, "1"), True, OPEN_QUESTION),
    Row("texted until Done", sms(*BY_SMS, "1", "0"), True),
    Row("texted and left by 00", sms(*BY_SMS[:-1], "00"), True),
    Row("texted, code asked for", sms(*BY_SMS, "1", "2"), True, OPEN_QUESTION),
    Row("texted, deleted", sms(*BY_SMS, "9"), True),
    Row("texted, my report opened", texts_for_my_report, True, OPENED_REPORT),
    Row("texted in danger", sms(*DANGER_BY_SMS), True, OPEN_QUESTION),
    Row("texted words", sms(WORDS), True, OPEN_QUESTION),
    Row("texted words, left by 00", sms(WORDS, "00"), True),
    Row("texted STOP in the middle", sms(*BY_SMS[:5], "STOP"), True, OPEN_QUESTION),
    Row("texted HELP in the middle", sms(*BY_SMS[:5], "HELP"), True, OPEN_QUESTION),
    Row("texted for tips", sms("TIPS", "2", "3"), True, OPEN_QUESTION),
    Row("texted in Bislama", sms("halo", "1", "1"), True, OPEN_QUESTION),
    Row("texted nonsense three times", sms("hello", "x", "y"), True, OPEN_QUESTION),
    Row("texted nonsense six times", sms("a", "b", "c", "d", "e", "f"), True, SILENCE),
    Row("texted call me", sms("call me"), True, OPEN_QUESTION),
    Row("texted call me, and when", sms("call me", "Call 8am-4pm"), True),
    Row("texted call me, and took it back", sms("call me", "2", "call me", "No"), True),
    Row("called, then texted", both(call(*TO_SEND[:5]), sms("hello", "00")), True),
)
CHANNELS = (("africastalking", "africastalking"), ("ussd", "simulator"), ("kannel", "kannel"))


@pytest.fixture(scope="module")
def web(module_redis: str) -> Iterator[App]:
    with redis.Redis.from_url(module_redis) as client:
        client.flushall()
    app = App(module_redis)
    yield app
    app.close()


@functools.cache
def never_reported(app: App, ussd: str, by: str) -> tuple[list[str], list[str]]:
    phone = SharedPhone(app, f"+678770{CHANNELS.index((ussd, by)):04}", ussd, by)
    return dials(phone), texts(phone)


@pytest.mark.product(parts=3)
@pytest.mark.rule("S-03")
@pytest.mark.rule("S-04")
@pytest.mark.rule("S-05")
@pytest.mark.rule("S-06")
@pytest.mark.rule("S-07")
@pytest.mark.rule("S-10")
@pytest.mark.parametrize("seconds", [SOON, MINUTES, LATER])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_who_picks_up_the_phone_sees_what_everybody_sees(web: App, row: Row, seconds: int) -> None:
    place = ROWS.index(row) * 3 + (SOON, MINUTES, LATER).index(seconds)
    ussd, by = CHANNELS[(ROWS.index(row) + place) % len(CHANNELS)]
    fresh_dials, fresh_texts = never_reported(web, ussd, by)
    phone = SharedPhone(web, f"+678551{place:04}", ussd, by)
    row.first(phone)
    thread = phone.inbox()
    assert bool(thread) is row.texted
    with later(seconds=seconds):
        _clock(web)
        assert phone.inbox() == thread, "a message came that nobody asked for"
        assert dials(phone) == fresh_dials
        rules = [rule for rule, until in (row.allowed or {}).items() if seconds < until]
        if rules == ["S-04"]:
            _looks_at_the_open_question(phone, thread, fresh_texts)
        elif rules == ["S-36"]:
            assert texts(phone) == ["", "", "", "", *fresh_texts[len(NOSY) :]]
        else:
            assert texts(phone) == fresh_texts


def _looks_at_the_open_question(phone: SharedPhone, thread: list[str], fresh: list[str]) -> None:
    """Check that the open question repeats only text of the inbox, and that the home screen follows after leaving."""
    [again] = phone.texts("hm")
    shown = re.sub(r"^(Sorry, try again|Sori, traem bakegen)\.\n", "", again)
    lines = shown.split("\n")  # with "Sorry, try again.", a full screen omits its foot and parts of its heading
    assert not shown or any(all(line in text for line in lines) for text in thread) or shown in fresh
    assert phone.texts("00") == [""]
    assert texts(phone) == fresh


def _clock(app: App) -> None:
    """Submit all due reports."""
    app.parts.housekeeping.once()
    while ripe := pending_submissions.list_due(app.database):
        for origin_key in ripe:
            pending_submissions.submit_due(app.database, origin_key)


def test_the_second_person_looks_at_enough(web: App) -> None:
    """The tours reach the intended screens; otherwise nothing would be compared."""
    seen, replies = never_reported(web, *CHANNELS[0])
    for start in ("Send to ", "Sent to ", "These may get it", "Deleted", "Call police 111 now.", "Code or PIN",
                  "Tips for you", "Sexual pictures", "Long denja?", "Do you know what", "Thank you."):  # fmt: skip
        assert any(screen.startswith(start) for screen in seen), start
    for start in ("Send to ", "Deleted", "Code or PIN", "Tips for you", "Not sent yet.", "In danger?"):
        assert any(reply.startswith(start) for reply in replies), start
    assert len(ROWS) >= 30 and len(TEXTS) > 30
    assert not re.search(r"Zorrovik", "\n".join(seen + replies))
