"""Words by SMS: delivered when promised, deleted on request, and never a key on an unseen screen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, TO_SEND_SMS, number, send_texts
from tests.safeguarding.outages import database_unavailable, redis_unavailable
from tests.support.app import App
from tests.support.handsets import SimulatedTexts

pytestmark = pytest.mark.slow

WORDS = "My cousin is in trouble at home"
MORE = "My cousin is afraid to go home today"
PROMISED = "Else Pikinini Helpline gets it within 30 min, not your number."
HALF_AN_HOUR = 1801  # seconds
TO_CONTACT = ("hi", *TO_SEND_SMS[:-1])  # the next key answers Contact, the one after it Send


def heard(app: App) -> list[tuple[str | None, list[str], str]]:
    """Return (narrative, unasked words, completeness) of each report at the helpline, oldest first."""
    kept = (one.data for one in app.bodies() if one.hotline == "vu-pikinini")
    return [(one["narrative"], [said["text"] for said in one["unasked"]], one["completeness"]) for one in kept]


def post_webhook(app: App, name: str, **form: str) -> int:
    address = f"/hooks/africastalking/{app.plan.secrets.africastalking}/{name}"
    return app.http.post(address, data=form).status_code


def at_text(app: App, text: str, id_: str) -> int:
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return post_webhook(app, "sms", **{"from": PHONE, "to": "163", "text": text, "date": date, "id": id_})


def drain(app: App) -> None:
    app.parts.housekeeping.once()
    assert app.parts.spool.names() == []


# Promise


@pytest.mark.rule("S-12")
def test_words_with_the_database_away_are_filed_as_promised(app: App) -> None:
    with database_unavailable(app):
        assert PROMISED in send_texts(app.sms(PHONE), WORDS)[0]
        assert len(app.parts.spool.names()) == 1
    drain(app)
    app.submit_due_within(HALF_AN_HOUR - 10)
    assert heard(app) == [], "there is time to delete it"
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "incomplete")]


@pytest.mark.rule("S-12")
def test_what_the_provider_sends_again_after_an_outage_is_filed_once(app: App) -> None:
    """The words are in the spool but the reply was not saved: 503, and the provider sends the SMS again."""
    with database_unavailable(app):
        assert at_text(app, WORDS, "1") == 503
    assert at_text(app, WORDS, "1") == 200
    drain(app)
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "incomplete")]


@pytest.mark.rule("S-12")
def test_words_an_hour_after_a_loop_was_cut_are_filed(app: App) -> None:
    """After five replies without progress the sender may be a machine; an hour later this is forgotten."""
    phone = app.sms(PHONE)
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        assert send_texts(phone, "hi", "hello", "hey", "who", "u?", "hm")[-1] == ""
        clock.shift(3700)
        assert PROMISED in send_texts(phone, WORDS)[0]
        app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "incomplete")]


# Withdrawn


REFUSALS = [
    *(
        "DELETE",
        "delete it!",
        "Delete",
        "dont send",
        "Don\u2019t send it",
        "please dont send",
        "no send",
        "00 Delete it",
    ),
    *("effacer", "supprimer", "no sendem", "Tekemaot", "delete pls"),
]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("reply", REFUSALS)
def test_a_clear_refusal_deletes_the_words_and_says_so(app: App, reply: str) -> None:
    phone = app.sms(PHONE)
    assert send_texts(phone, WORDS, reply)[-1] == "Deleted: what you told us now."
    assert app.count(t.pending) == 0
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []
    assert send_texts(phone, "hi")[0].startswith("In danger? Call police 111.\n1 Report")


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("reply", ["No", "no.", "NO!", "non"])
def test_no_answers_whether_there_is_danger_and_deletes_nothing(app: App, reply: str) -> None:
    """The screen asks "In danger?", so that is what "no" answers; it is not passed to staff as words."""
    phone = app.sms(PHONE)
    assert send_texts(phone, WORDS, reply)[-1].startswith("Sorry, try again.\nNot sent yet. In danger?")
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "incomplete")]


@pytest.mark.rule("S-12")
def test_a_refusal_that_could_not_be_stored_is_not_confirmed(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, WORDS)
    with database_unavailable(app):
        assert send_texts(phone, "delete")[0].startswith("Not working now.")
    assert send_texts(phone, "delete") == ["Deleted: what you told us now."]
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("reply", ["0", "2", "98"])
def test_a_key_that_is_not_offered_deletes_nothing_and_gets_the_sign(app: App, reply: str) -> None:
    phone = app.sms(PHONE)
    assert send_texts(phone, WORDS, reply)[-1].startswith("Sorry, try again.")
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "incomplete")]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("more", ["no one helps me at home", "dont send him back to me", "he will delete my photos"])
def test_more_words_are_no_refusal(app: App, more: str) -> None:
    send_texts(app.sms(PHONE), WORDS, more)
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [more], "incomplete")]


PLEASES = ["Please stop", "end please", "please cancel", "plz quit", "Stop, please!", "help please"]


@pytest.mark.rule("S-09")
@pytest.mark.parametrize("said", PLEASES)
def test_a_plea_is_words_and_no_opt_out(app: App, said: str) -> None:
    """No carrier answers it in our place, so silence would be all that its sender gets."""
    assert "Not sent yet." in send_texts(app.sms(PHONE), WORDS, said)[-1]
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [said], "incomplete")]
    assert app.count(t.optout) == 0
    assert "In danger? Call police 111." in send_texts(app.sms(number(71)), said)[0]


@pytest.mark.rule("S-09")
@pytest.mark.parametrize("said", ["Please stop", "Help please"])
def test_a_plea_at_the_question_for_words_is_stored(app: App, said: str) -> None:
    to_words = TO_SEND_SMS[: TO_SEND_SMS.index("It happens on the way home every day")]
    assert send_texts(app.sms(PHONE), "hi", *to_words, said, "No", "Send")[-1].startswith("Sent to ")
    assert heard(app) == [(said, [], "complete")]


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-08")
@pytest.mark.parametrize("away", ["when they come", "when they are deleted", "both times"])
@pytest.mark.parametrize("reply", ["00", "STOP"])
def test_leaving_takes_words_back_even_out_of_the_spool(app: App, away: str, reply: str) -> None:
    phone = app.sms(PHONE)
    if away == "both times":
        with database_unavailable(app):
            assert send_texts(phone, WORDS, reply)[-1] == ""
    elif away == "when they come":
        with database_unavailable(app):
            send_texts(phone, WORDS)
        assert send_texts(phone, reply) == [""]
    else:
        send_texts(phone, WORDS)
        with database_unavailable(app):
            assert send_texts(phone, reply) == [""]
    drain(app)
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-09")
@pytest.mark.parametrize("reply", ["00", "STOP"])
@pytest.mark.parametrize("between", [(), ("HELP",), ("HELP", "HELP"), ("HELP", "1", "0")], ids=" ".join)
def test_words_then_help_then_out_leave_nothing(app: App, between: tuple[str, ...], reply: str) -> None:
    phone = app.sms(PHONE)
    seen = send_texts(phone, WORDS, *between, reply)
    assert seen[-1] == ""
    assert app.count(t.pending) == 0
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-09")
@pytest.mark.parametrize("between", [(), ("HELP",)], ids=" ".join)
def test_the_providers_own_opt_out_takes_words_back(app: App, between: tuple[str, ...]) -> None:
    """The carrier answers STOP for us and only notifies us."""
    for n, text in enumerate((WORDS, *between)):
        assert at_text(app, text, str(n)) == 200
    assert app.count(t.pending) == 1
    assert post_webhook(app, "optout", phoneNumber=PHONE, senderId="163") == 200
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("help_first", [False, True], ids=["at once", "after HELP"])
@pytest.mark.parametrize("spooled", [False, True], ids=["kept", "from the spool"])
def test_words_that_become_a_whole_report_are_one_report(app: App, help_first: bool, spooled: bool) -> None:
    phone = app.sms(PHONE)
    if spooled:
        with database_unavailable(app):
            send_texts(phone, WORDS)
    else:
        send_texts(phone, WORDS)
    if help_first:
        send_texts(phone, "HELP")
    answers = ("1", "Soon", "Asks photos, money", "Me", "13-15", "Shefa", "1", "No", "Send")
    assert send_texts(phone, *answers)[-1].startswith("Sent to ")
    drain(app)
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "complete")]
    assert app.count(t.pending) == 0


# SMS that wait while Redis is unavailable


def to_contact(app: App) -> SimulatedTexts:
    phone = app.sms(PHONE)
    assert send_texts(phone, *TO_CONTACT)[-1].startswith("May staff contact you")
    return phone


def waiting(app: App) -> int:
    return sum(row.waiting is not None for row in app.rows(t.inbound))


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("overtaken", [False, True], ids=["", "overtaken by an answer"])
@pytest.mark.parametrize("keys", [("1",), ("1", "1"), ("１", "1", "1")], ids=" ".join)
def test_a_text_that_waited_presses_no_key_on_a_screen_not_seen(
    app: App, keys: tuple[str, ...], overtaken: bool
) -> None:
    phone = to_contact(app)
    with redis_unavailable(app):
        assert send_texts(phone, *keys) == [""] * len(keys)
    if overtaken:
        send_texts(phone, "1")
    app.parts.housekeeping.once()
    assert waiting(app) == 0
    assert app.count(t.report) == 0, "nobody has read to whom it goes"
    assert ("Send to Pikinini Helpline" if overtaken else "May staff contact you") in send_texts(phone, "hm")[0]


@pytest.mark.rule("S-12")
def test_words_that_waited_are_heard(app: App) -> None:
    """Words are stored on whatever screen is open by then."""
    phone = to_contact(app)
    with redis_unavailable(app):
        send_texts(phone, MORE)
    app.parts.housekeeping.once()
    assert send_texts(phone, "No", "Send")[-1].startswith("Sent to ")
    assert heard(app) == [(TO_SEND_SMS[-2], [MORE], "complete")]


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-36")
def test_texts_of_a_channel_that_is_closed_wait_until_it_is_open(app: App) -> None:
    for n in range(3):
        with redis_unavailable(app):
            send_texts(app.sms(number(n)), WORDS)
    channels = app.parts.housekeeping._channels
    app.parts.housekeeping._channels = {name: one for name, one in channels.items() if name != "simulator"}
    app.parts.housekeeping.once()
    assert (waiting(app), app.count(t.pending)) == (3, 0)
    app.parts.housekeeping._channels = channels
    app.parts.housekeeping.once()
    assert (waiting(app), app.count(t.pending)) == (0, 3)
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "incomplete")] * 3


# Silence


@pytest.mark.rule("S-36")
@pytest.mark.rule("S-12")
def test_who_is_in_danger_and_texts_words_for_numbers_is_not_met_with_silence(app: App) -> None:
    """Nine texts that are no answer: each gets a reply with the number to call, and all words are stored."""
    texts = [f"they are at the door number {n} please come" for n in range(9)]
    replies = send_texts(app.sms(PHONE), "REPORT", "1", "Now", *texts)[3:]
    assert all("police 111" in reply for reply in replies)
    assert send_texts(app.sms(PHONE), "1", "1", "Hurt, touched, forced")[-1].startswith("Where is help needed?")
    [kept] = app.pending_revisions()
    assert [said["text"] for said in kept.data["unasked"]] == texts
    others = send_texts(app.sms(number(1)), "REPORT", "1", *texts)[2:]
    assert others[:4] != ["", "", "", ""] and others[5:] == ["", "", "", ""]


SHORT = [("hi", "hello", "hey", "who", "u?", "hm"), ("hi", "pls", "help me", "r u there", "hello?")]


@pytest.mark.rule("S-36")
@pytest.mark.rule("S-12")
@pytest.mark.parametrize("short", SHORT, ids=" ".join)
@pytest.mark.parametrize("minutes", [0, 20])
def test_words_after_five_short_texts_are_heard(app: App, short: tuple[str, ...], minutes: int) -> None:
    """The short texts told nobody anything; the reply to the words says what becomes of them."""
    phone = app.sms(PHONE)
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        send_texts(phone, *short)
        clock.shift(minutes * 60)
        assert PROMISED in send_texts(phone, WORDS)[0]
        assert send_texts(phone, MORE) == [""], "still silent: a machine would go on for ever"
        app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [MORE], "incomplete")]


@pytest.mark.rule("S-12")
def test_words_of_a_silent_phone_can_be_deleted(app: App) -> None:
    assert send_texts(app.sms(PHONE), *SHORT[0], WORDS, "delete")[-1].startswith("Deleted")
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


@pytest.mark.rule("S-36")
@pytest.mark.rule("S-12")
def test_words_after_many_words_after_send_are_heard(app: App) -> None:
    phone = app.sms(PHONE)
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        assert send_texts(phone, *TO_CONTACT, "No", "Send")[-1].startswith("Sent to ")
        more = [f"he came back on day {n} as well" for n in range(6)]
        assert send_texts(phone, *more)[-1] == ""
        clock.shift(12 * 60)
        assert PROMISED in send_texts(phone, WORDS)[0]
        app.submit_due_within(HALF_AN_HOUR)
    assert heard(app)[-1] == (WORDS, [], "incomplete")
    assert [said for _, said, _ in heard(app)[:-1]][-1] == more


@pytest.mark.rule("S-36")
def test_a_machine_gets_five_replies_and_is_one_report(app: App) -> None:
    """It answers everything, and then each ten minutes by itself."""
    texts = ["Thank you for your message. We are closed today."] * 6
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        for machine, first in ((number(80), ()), (number(81), ("ok",) * 6)):
            replies = send_texts(app.sms(machine), *first, *texts)
            for _ in range(12):
                clock.shift(10 * 60)
                replies += send_texts(app.sms(machine), texts[0])
            assert len([reply for reply in replies if reply]) <= 11, "five more once an hour has passed"
        app.submit_due_within(HALF_AN_HOUR)
    assert len({body.report_id for body in app.bodies()}) == 2


# Help near me


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("begun", [("TIPS", "5"), ("TIPS", "5", "Shefa"), ("TIPS", "1"), ("LAW",), ("LANGUAGE",)])
def test_words_beside_a_report_are_heard(app: App, begun: tuple[str, ...]) -> None:
    """`Help near me` is the fifth choice of the tips."""
    assert PROMISED in send_texts(app.sms(PHONE), *begun, WORDS)[-1]
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(WORDS, [], "incomplete")]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("words", ["बिल्ली पेड़ पर है", "ድመቷ ዛፍ ላይ ናት", "猫在大树上"], ids=["Hindi", "Amharic", "Chinese"])
def test_a_short_sentence_in_any_script_is_words(app: App, words: str) -> None:
    assert PROMISED in send_texts(app.sms(PHONE), words)[0]
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(words, [], "incomplete")]
