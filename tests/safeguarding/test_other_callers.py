"""Another person on the same phone, another country's code, another try at a PIN: all see only their own."""

from __future__ import annotations

import json
from unittest.mock import patch

import pytest
from sqlalchemy import update

from gateway.conversation.dispatcher import dialled as dialled_in
from reports.countries.country import Countries
from reports.store import deliveries
from reports.store.mailboxes.pin_throttle import BUCKETS
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import CHANNELS, COUNTRIES, PHONE, TO_SENT, dial_path, dialled, police
from tests.safeguarding.outages import NUMBERS, code_and_pin, database_unavailable, empty, later, redis_unavailable
from tests.support.app import App
from tests.support.handsets_kannel import kannel_asks, kannel_says

pytestmark = pytest.mark.slow

BROTHER = ("Report", "Soon", "Missing child", "My child", "6-9", "Tafea", "No", "Send")
NO_NUMBER = "Not working now. In danger? Call the police. Please dial again in 10 minutes."


# Reused session ids


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-07")
@pytest.mark.parametrize("channel", ["ussd", "simulator"])
@pytest.mark.parametrize("phone", [PHONE, "anonymous"])
def test_a_session_id_used_again_is_another_report(app: App, redis_url: str, channel: str, phone: str) -> None:
    """Operators reuse session ids. After 15 minutes the session has expired; nobody may meet or see its report."""
    first = app.ussd(phone, channel)
    said = dial_path(first, *(reply for reply in TO_SENT if phone == PHONE or reply != "No"))[-1]
    first.type("0")
    with later(minutes=16):
        empty(redis_url)
        second = app.ussd(phone, channel)
        second.session = first.session
        home = second.type("").text
        assert home == dial_path(app.ussd("+6785550109", channel))[0]
        for reply in BROTHER:
            if phone == PHONE or reply != "No":
                other = second.type(reply).text
    assert code_and_pin(said)[0] != code_and_pin(other)[0]
    assert app.count(t.report) == app.count(t.mailbox) == 2
    ages = {kept.data["child"]["age_band"] for kept in app.bodies()}
    assert ages == {"13-15", "6-9"}
    for screen in (said, other):
        opened = dial_path(app.ussd("+6785550109"), "My report", *code_and_pin(screen))[-1]
        assert opened.startswith("We have it and are still sending it.")


# Numbers of the dialled country


@pytest.mark.product(parts=3)
@pytest.mark.rule("S-32")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("iso", COUNTRIES)
def test_while_parts_are_away_the_numbers_are_the_dialled_countrys(app: App, iso: str, channel: str) -> None:
    """If the database, Redis or our code fails, the screen has no other country's number."""
    phone = app.ussd(PHONE, channel, dialled(COUNTRIES[iso], "ussd"))
    with database_unavailable(app):
        notices = [dial_path(phone, "My report", "12345678", "0000")[-1]]
    phone.dial()
    with patch.object(app.parts.dispatcher._conversation, "take", side_effect=ZeroDivisionError):
        notices.append(phone.type("1").text)
    with redis_unavailable(app):
        notices.append(dial_path(phone, "My report", "12345678", "0000", "1")[-1])
    assert all(notice.startswith("Not working now. In danger?") for notice in notices)
    assert all(only_of(iso, notice) for notice in notices)


def only_of(iso: str, notice: str) -> bool:
    named = [one for one, country in COUNTRIES.items() if police(country) in notice]
    return named == [iso]


def unreadable(app: App, channel: str, code: str) -> str:
    """Return the answer to a request that cannot be read; `code` is in the provider's form."""
    if channel == "africastalking":
        form = {"serviceCode": code, "text": "1", "phoneNumber": PHONE}
        return app.http.post(f"/hooks/africastalking/{app.plan.secrets.africastalking}/ussd", form).text[len("END ") :]
    if channel == "kannel":
        asked = kannel_says("", code, "1", meta="?smpp?ussd_service_op=%12&its_session_info=%12%00&")
        said = kannel_asks(app.http, f"/hooks/kannel/{app.plan.secrets.kannel}/ussd", asked)
        assert said.headers["X-Kannel-Meta-Data"] == "?smpp?ussd_service_op=17&its_session_info=4609"
        return said.text
    address = "/hooks/simulator" if channel == "simulator" else f"/hooks/ussd/{app.plan.secrets.ussd}"
    answer = app.http.post(address, json.dumps({"event": "bogus", "service_code": code, "phone": PHONE, "text": "1"}))
    return str(answer.json()["text"])


@pytest.mark.rule("S-32")
@pytest.mark.parametrize("channel", CHANNELS)
def test_what_nobody_can_read_is_answered_by_the_code_in_it_or_without_a_number(app: App, channel: str) -> None:
    for iso, country in COUNTRIES.items():
        notice = unreadable(app, channel, dialled(country, "ussd"))
        assert notice.startswith("Not working now. In danger?") and only_of(iso, notice)
    for nowhere in ("", "*999#", "133"):
        assert unreadable(app, channel, nowhere) == NO_NUMBER


@pytest.mark.rule("S-32")
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"serviceCode=*133%23&text=1", "*133#"),
        (b"serviceCode=%2A384%2A133%23&text=1", ""),  # another code that ends as Fiji's
        (b"serviceCode=*133%23&text=*111*163%23", ""),  # of two countries
        (b'{"service_code": "*384*123#"}', "*384*123#"),
    ],
)
def test_the_code_in_a_request_is_a_whole_one_and_the_only_one(raw: bytes, code: str) -> None:
    """A request for *384*133# showed the numbers of Fiji."""
    assert dialled_in(Countries(tuple(COUNTRIES.values())), "ussd", raw) == code


@pytest.mark.rule("S-32")
@pytest.mark.parametrize(
    ("caller", "iso"),
    [("6797000111", "FJ"), ("00254711000111", "KE"), ("7000111", "VU"), ("5550101", "VU"), ("anonymous", "VU")],
)
def test_by_an_unknown_code_a_number_without_plus_says_the_country_too(app: App, caller: str, iso: str) -> None:
    assert app.parts.dispatcher.country("ussd", "*999#", caller).iso == iso
    assert app.parts.dispatcher.country("ussd", "*133#", caller).iso == "FJ"


@pytest.mark.rule("S-32")
def test_where_one_country_is_served_it_needs_no_code_to_be_known(redis_url: str) -> None:
    app = App(redis_url, {"COUNTRIES": "fj"})
    assert only_of("FJ", unreadable(app, "ussd", ""))
    app.close()


@pytest.mark.rule("S-35")
@pytest.mark.rule("S-32")
@pytest.mark.parametrize("arrived", [False, True], ids=["on its way", "arrived"])
def test_my_report_by_another_countrys_code_has_a_state_and_that_countrys_number(app: App, arrived: bool) -> None:
    """The hotline is named though it belongs to another country, and the line is never empty."""
    code, pin = code_and_pin(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    if arrived:
        with app.database.write() as connection:
            connection.execute(update(t.delivery).values(state="delivered", delivered_at=1))
            deliveries.update_report_state(connection, app.rows(t.report)[0].report_id, app.database.now())
    state = "Pikinini Helpline has it. Not read yet." if arrived else "We have it and are still sending it."
    for country in COUNTRIES.values():
        phone = app.ussd("+6799123456", "simulator", dialled(country, "ussd"))
        line, _, choices = dial_path(phone, "My report", code, pin)[-1].partition("\n")
        assert line == f"{state} In danger? Call {police(country)}."
        assert choices.startswith("1 Messages (0)")


# A PIN


def tries(app: App) -> list[int]:
    return [row.tries for row in app.rows(t.code_try) if row.bucket < BUCKETS]


@pytest.mark.rule("S-35")
def test_without_redis_a_path_through_code_and_pin_counts_one_try(app: App) -> None:
    """Each request brings the whole path: a replay must not count one wrong PIN again at every later key."""
    code, pin = code_and_pin(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    wrong = f"{(int(pin) + 1) % 10_000:04}"
    phone = app.ussd(PHONE, "africastalking")
    phone.dial()
    with redis_unavailable(app):
        seen = [phone.type(reply) for reply in ("My report", code, wrong, "1", code, wrong, "1", code, pin)]
    for screen in seen[3:]:
        assert (screen.text, screen.expects_reply) == (NUMBERS, False)
    assert tries(app) == [1]
    assert dial_path(app.ussd(PHONE), "My report", code, pin)[-1].startswith("We have it")


@pytest.mark.rule("S-35")
def test_redis_emptied_behind_a_pin_counts_nothing_and_opens_nothing(app: App, redis_url: str) -> None:
    code, pin = code_and_pin(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, "My report", code, pin)
    empty(redis_url)
    assert phone.type("0").text == NUMBERS
    wrong = app.ussd(PHONE, "africastalking")
    dial_path(wrong, "My report", code, f"{(int(pin) + 1) % 10_000:04}")
    for reply in ("1", code, pin):
        empty(redis_url)
        assert wrong.type(reply).text == NUMBERS
    assert tries(app) == [1]
