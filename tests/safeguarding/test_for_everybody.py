"""No words needed, no age refused, nobody refused, an office can be left out (S-15, S-20, S-21, S-22, S-26, S-36)."""

from __future__ import annotations

import itertools
import re
from unittest.mock import patch

import pytest

from reports.store.schema import tables as t
from reports.store.spool import SpoolWriteError
from runtime.settings import SHARED_SETTINGS
from tests.reports.schema_check import CLOSED_SCHEMA, refs_resolve
from tests.safeguarding.call_paths import CHANNELS, PHONE, TO_SEND, TO_SENT, dial_path, number, send_texts
from tests.safeguarding.outages import database_unavailable
from tests.support.app import App
from tests.support.settings import settings_of

pytestmark = pytest.mark.slow

AGES = ("0-5", "6-9", "10-12", "13-15", "16-17", "18 or more", "Rather not say")


@pytest.mark.rule("S-15")
@pytest.mark.rule("S-22")
@pytest.mark.parametrize("channel", CHANNELS)
def test_digits_alone_bring_a_report_from_dial_to_sent(app: App, channel: str) -> None:
    """With every skip: eight screens at most, no name, and a valid report arrives."""
    seen = dial_path(app.ussd(PHONE, channel), "1", "4", "7", "5", "7", "7", "1", "1")
    assert seen[-1].startswith("Sent to ")
    assert len(seen[1:-1]) <= 8
    kept = app.bodies()[0].data
    CLOSED_SCHEMA.validate(kept)
    assert refs_resolve(kept)
    assert (kept["narrative"], kept["place"], kept["contact"]["allowed"]) == (None, None, False)


@pytest.mark.rule("S-15")
@pytest.mark.rule("S-22")
def test_digits_alone_do_by_sms_too(app: App) -> None:
    seen = send_texts(app.sms(PHONE), "1", "1", "4", "7", "5", "7", "7", "1", "1", "1")
    assert seen[-1].startswith("Sent to ")
    CLOSED_SCHEMA.validate(app.bodies()[0].data)


@pytest.mark.rule("S-22")
def test_who_cannot_write_gets_the_menu_with_both_numbers(app: App) -> None:
    for n, text in enumerate(("", " ", "?", "...", "\u200b")):
        [reply] = send_texts(app.sms(number(n)), text)
        assert reply.startswith("In danger? Call police 111.") and "1 Report" in reply, text
    assert app.count(t.pending) == 0


@pytest.mark.rule("S-20")
@pytest.mark.rule("S-21")
@pytest.mark.parametrize("channel", CHANNELS)
def test_every_age_sees_the_same_screens_and_is_heard(app: App, channel: str) -> None:
    """No reporter is asked twice, referred to a parent, or asked to prove an age."""
    shown = set()
    for n, age in enumerate(AGES):
        phone = app.ussd(number(n), channel)
        seen = dial_path(phone, *(age if reply == "13-15" else reply for reply in TO_SEND))
        assert phone.type("Send").text.startswith("Sent to ")
        shown.add(tuple(seen))
        said = "\n".join(seen).casefold()
        assert not any(word in said for word in ("parent", "mother", "father", "guardian", "permission"))
    assert len(shown) == 1
    assert app.count(t.report) == len(AGES)


@pytest.mark.rule("S-21")
def test_a_younger_age_is_never_less_urgent(app: App) -> None:
    categories = ("Asks photos, money", "Missing child", "No care or food")
    for n, (category, age) in enumerate(itertools.product(categories, (*AGES[:-1], "Not sure"))):
        dial_path(app.ussd(number(n)), "Report", "No", category, "My child", age, "Shefa", "No", "Send")
    rows = app.rows(t.report)
    assert len(rows) == len(categories) * len(AGES)
    by_id = {row.report_id: row.priority for row in rows}
    urgent: dict[str, dict[str, str]] = {}
    for kept in app.bodies():
        urgent.setdefault(kept.data["category"], {})[kept.data["child"]["age_band"]] = by_id[kept.report_id]
    for ages in urgent.values():
        in_order = [ages[age] for age in ("0-5", "6-9", "10-12", "13-15", "16-17")]
        assert in_order == sorted(in_order), ages


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("channel", CHANNELS)
def test_an_office_that_is_left_out_gets_nothing(app: App, channel: str) -> None:
    """Later screens do not name it, and the next of the route replaces it; the screen without any offers the first."""
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *TO_SEND)
    gone: list[str] = []
    while True:
        others = re.findall(r"^[1-3] (.+)$", phone.type("Leave one out").text, re.MULTILINE)
        assert set(gone).isdisjoint(others)
        gone.append(others[0])
        screen = phone.type(others[0]).text
        if "No other office" in screen:
            break
        assert not any(name in screen for name in gone), screen
    assert "police 111" in screen and "1 Send it to Pikinini Helpline after all" in screen
    assert app.count(t.report) == 0
    assert phone.type("1").text.startswith("Sent")
    assert {row.hotline for row in app.rows(t.route)} == {"vu-pikinini"}
    assert {row.hotline for row in app.rows(t.delivery)} == {"vu-pikinini"}


@pytest.mark.rule("S-36")
@pytest.mark.rule("X-08")
def test_200_reports_from_one_number_are_200_reports(app: App) -> None:
    """No report is refused, delayed or answered differently; only staff learn how many came before."""
    screens = set()
    for _ in range(200):
        seen = dial_path(app.ussd(PHONE), *TO_SENT)
        assert seen[-1].startswith("Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
        screens.add(tuple(seen[:-1]))
    assert len(screens) == 1
    assert app.count(t.report) == 200
    assert all(row.next_at <= app.database.now() for row in app.rows(t.delivery))
    told = [kept.data["repeat_of"] for kept in app.bodies() if kept.hotline == "vu-pikinini"]
    assert told == [n or None for n in range(200)] or told == list(range(200))
    seen = dial_path(app.ussd(PHONE), "Report", "Now")
    assert seen[-1].startswith("Call police 111 now.")
    assert dial_path(app.ussd(PHONE), "My report", "12345678", "0000")[-1].count("111") == 1


def test_a_report_that_was_not_sent_is_none_before_the_next(app: App) -> None:
    """Staff looked for an earlier report of this phone that nobody ever had."""
    with database_unavailable(app), patch.object(app.parts.spool, "put", side_effect=SpoolWriteError("full")):
        assert "NOT SENT" in dial_path(app.ussd(PHONE), *TO_SENT)[-1]
    other = ("Report", "Soon", "Hurt, touched, forced", "Me", "13-15", "Shefa", "No", "Send")
    assert dial_path(app.ussd(PHONE), *other)[-1].startswith("Sent to ")
    assert {kept.data["repeat_of"] for kept in app.bodies()} == {0}


@pytest.mark.rule("S-36")
def test_no_setting_can_block_a_number() -> None:
    words = " ".join(f"{one.name} {one.meaning}" for one in settings_of(SHARED_SETTINGS)).casefold()
    assert not any(word in words for word in ("block", "deny", "ban", "blacklist", "refuse a number"))
