"""The recipient is shown before Send; only one thing is delivered without Send; the number only with consent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import redis

from reports.countries.country import load_countries
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import (
    CHANNELS,
    COUNTRIES,
    IN_DANGER,
    PHONE,
    TO_SEND,
    TO_SEND_SMS,
    dial_path,
    dialled,
    number,
    send_texts,
)
from tests.support.app import App

pytestmark = pytest.mark.slow

CATEGORIES = ("Hurt, touched, forced", "Asks photos, money", "Photos online", "Missing child", "Sold, forced",
              "Bullying, threats", "Want to die, self-harm", "No care or food", "Something else")  # fmt: skip
DUTY = "They may have to tell "


def to_send(phone: Any, danger: str, category: str) -> list[str]:
    """Press 1 on each screen from the category to Send; return all screens.

    The last one begins at its Send line, without the helpline's number that is above it after self-harm.
    """
    seen = dial_path(phone, "Report", danger)
    if danger == "Now":
        seen.append(phone.type("1").text)
    seen.append(phone.type(category).text)
    for _ in range(10):
        if found := re.search(r"^Send (to |it).*", seen[-1], re.MULTILINE | re.DOTALL):
            return [*seen[:-1], found[0]]
        seen.append(phone.type("1").text)
    raise AssertionError(seen)


@pytest.mark.product(parts=2)
@pytest.mark.rule("S-11")
@pytest.mark.rule("S-37")
@pytest.mark.rule("S-15")
@pytest.mark.product(parts=2)
@pytest.mark.parametrize("iso", COUNTRIES)
@pytest.mark.parametrize("danger", ["Now", "No"])
def test_everybody_who_can_get_it_stands_on_the_screen_before_send(app: App, iso: str, danger: str) -> None:
    """For each category, Send names the hotlines of the deliveries, and Who else names those of the whole route."""
    country = COUNTRIES[iso]
    for n, category in enumerate(CATEGORIES):
        phone = app.ussd(number(n), "simulator", dialled(country, "ussd"))
        before = {row.delivery_id for row in app.rows(t.delivery)}
        seen = to_send(phone, danger, category)
        assert len(seen) <= 9 and DUTY in seen[-1]
        who_else = phone.type("Leave one out").text
        phone.type("0")
        assert app.count(t.report) == n, "something was committed before Send"
        assert re.search(r"^Sent( to |\.)", phone.type("Send").text, re.MULTILINE)
        [report_id] = {row.report_id for row in app.rows(t.delivery) if row.delivery_id not in before}
        at_once = {row.hotline for row in app.rows(t.delivery) if row.report_id == report_id}
        routed = {row.hotline for row in app.rows(t.route) if row.report_id == report_id}
        named = {one.id for one in country.hotlines.values() if one.screen_name in seen[-1]}
        offered = {one.id for one in country.hotlines.values() if f" {one.screen_name}\n" in who_else}
        assert (named, offered) == (at_once, routed), category


OUT = {
    "dropped": lambda phone: None,
    "left": lambda phone: phone.type("00"),
    "line gone": lambda phone: phone.drop_call(),
    "back and otherwise": lambda phone: [phone.type(reply) for reply in ("0",) * 8],
}
DRAFTS = [
    (danger, answers, out) for danger in ("Now", "Soon", "No", "Not sure") for answers in (0, 1, 2, 4) for out in OUT
]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("channel", CHANNELS)
def test_only_danger_now_with_a_category_goes_without_send(app: App, channel: str) -> None:
    """64 drafts: each danger, 0 to 4 answers after it, four ends of the call; before two minutes and after them."""
    expected = set()
    for n, (danger, answers, out) in enumerate(DRAFTS):
        phone = app.ussd(number(n), channel)
        way = IN_DANGER if danger == "Now" else TO_SEND
        first = 3 if danger == "Now" else 2
        dial_path(phone, *("Report", danger, *way[2 : first + answers]))
        OUT[out](phone)
        at_once = out == "line gone"  # the network has reported the end of the call
        withdrawn = out == "back and otherwise"
        for seconds in (100, 121):
            app.submit_due_within(seconds)
            if danger == "Now" and answers and not withdrawn and (seconds > 120 or at_once):
                expected.add(n)
            assert app.count(t.report) == len(expected), (danger, answers, out, seconds)
        with app.database.write() as connection:
            connection.execute(t.pending.delete())  # it must not become due during the next drafts
    for kept in app.bodies():
        assert kept.hotline == "vu-pikinini"
        assert kept.data["completeness"] == "incomplete"
        assert "+678" not in json.dumps(kept.data) and "678555" not in json.dumps(kept.data)


@pytest.mark.rule("S-12")
def test_dialling_again_within_two_minutes_withdraws_or_completes_it(app: App) -> None:
    phone = app.ussd(PHONE)
    dial_path(phone, *IN_DANGER[:4])
    dial_path(phone, *IN_DANGER, "Send")
    app.submit_due_within(121)
    assert [row.completeness for row in app.rows(t.report)] == ["complete"]
    other = app.ussd(number(9))
    dial_path(other, *IN_DANGER[:4])
    dial_path(other, *IN_DANGER)
    other.type("9")
    app.submit_due_within(121)
    assert app.count(t.report) == 1, "what was deleted went all the same"


@pytest.mark.rule("S-12")
def test_the_danger_screen_says_so_before_it_can_happen(app: App) -> None:
    phone = app.ussd(PHONE)
    screen = dial_path(phone, "Report", "Now")[-1]
    assert "Then say what happened. The helpline gets it even if you are cut off." in screen
    assert app.count(t.pending) == 0
    assert send_texts(app.sms(number(1)), "REPORT", "1", "Now")[-1].startswith(screen)


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("channel", ["simulator", "africastalking"])
def test_of_any_other_draft_nothing_is_left_after_its_time(app: App, redis_url: str, channel: str) -> None:
    """Database and spool have no row; keys in Redis expire by themselves, within 15 minutes (24 hours by SMS)."""
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *TO_SEND)
    if channel == "simulator":
        send_texts(app.sms(number(1)), "REPORT", "1", *TO_SEND_SMS[1:])
    assert {table.name: app.count(table) for table in (t.report, t.report_body, t.pending, t.mailbox)} == {
        "report": 0, "report_body": 0, "pending": 0, "mailbox": 0,
    }  # fmt: skip
    assert app.parts.spool.names() == []
    with redis.Redis.from_url(redis_url) as client:
        # The day's counts and the mark of the mode contain nothing of a person.
        kept = [key for key in client.scan_iter() if not key.startswith((b"l:day:", b"rq:mode"))]
        lives = [client.pttl(key) / 1000 for key in kept]
    longest = 25 * 3600 if channel == "simulator" else 900
    assert lives and all(0 < seconds <= longest for seconds in lives)


CONTACT = {"No": None, "SMS 7am-9pm": "sms", "SMS 8am-4pm": "sms", "Call 7am-9pm": "call", "Call 8am-4pm": "call"}


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("channel", CHANNELS)
def test_the_number_is_in_the_report_only_with_a_yes(app: App, channel: str) -> None:
    for n, (answer, how) in enumerate(CONTACT.items()):
        phone = app.ussd(number(n), channel)
        screen = dial_path(phone, *TO_SEND[:-1])[-1]
        assert re.findall(r"^\d (.+)$", screen, re.MULTILINE)[0] == "No", "the first choice is No"
        send = phone.type(answer).text
        assert ("with your number" in send) is (how is not None)
        phone.type("Send")
        for kept in app.bodies():
            if kept.report_id == app.bodies()[-1].report_id:
                told = json.dumps(kept.data)
                assert (number(n) in told) is (how is not None)
                assert kept.data["contact"]["allowed"] is (how is not None)


@pytest.mark.rule("S-13")
@pytest.mark.rule("S-14")
@pytest.mark.parametrize("phone", ["", "anonymous", "MTN", "+999", "12345", "55512345678901234567"])
def test_who_gives_no_number_is_served_and_not_asked_for_one(app: App, phone: str) -> None:
    seen = dial_path(app.ussd(phone), *TO_SEND[:-1], "Send")
    assert seen[-1].startswith("Sent to ")
    assert not any("contact you on this phone" in screen for screen in seen)


@pytest.mark.rule("S-03")
def test_safe_hours_are_those_of_the_place_and_without_one_of_every_place(redis_url: str) -> None:
    app = App(redis_url, {"COUNTRIES": "au"})
    try:
        phone = app.ussd("+61491570156", "africastalking", "*384*261#")
        seen = dial_path(phone, "Report", "Soon", "Asks photos, money", "Me", "13-15")
        while "W. Australia" not in seen[-1]:
            seen.append(phone.type("98").text)
        seen += [phone.type(reply).text for reply in ("W. Australia", "SMS 7am-9pm", "Send")]
        hours = [body.data["contact"]["safe_hours"] for body in app.bodies()]
        perth = {"from": "07:00", "to": "21:00", "tz": "Australia/Perth"}
        assert hours and all(one == perth for one in hours)
        report_ids = {body.report_id for body in app.bodies()}
        send_texts(app.sms("+61491570157", dialled(load_countries(("au",), "demo").all[0], "sms")), "call me", "2")
        [asked] = [body for body in app.bodies() if body.report_id not in report_ids]
        assert asked.data["contact"]["safe_hours"] == {"from": "10:00", "to": "21:00", "tz": "Australia/Sydney"}
    finally:
        app.close()
