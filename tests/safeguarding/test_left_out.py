"""Hotlines that the reporter left out get nothing of the report: nothing is sealed for them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.sessions.report_ref import ReportRef
from gateway.submission.builder import ReportBuilder, ReportInput
from reports.crypto.key_files import create_key_pair
from reports.facts import GivenAnswer
from reports.store.escalation import fallbacks
from reports.store.mailboxes import correspondence
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import COUNTRIES, IN_DANGER, PHONE, TO_SEND, dial_path
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-26")]

VU = COUNTRIES["VU"]
CODE = re.compile(r"Code (\d{4}) (\d{4})\s+PIN (\d{4})")
LEFT_OUT = pytest.mark.parametrize("left_out", list(VU.hotlines))


def sent(app: App, left_out: str, *, in_danger: bool) -> tuple[Any, re.Match[str]]:
    """Send a report without this hotline, and return the phone with code and PIN."""
    phone = app.ussd(PHONE)
    dial_path(phone, *(IN_DANGER if in_danger else TO_SEND), "Leave one out")
    screen = phone.type(VU.hotlines[left_out].screen_name).text
    assert VU.hotlines[left_out].screen_name not in screen
    found = CODE.search(phone.type("Send").text)
    assert found
    return phone, found


@LEFT_OUT
@pytest.mark.parametrize("in_danger", [False, True])
def test_on_every_road_after_send(app: App, left_out: str, in_danger: bool) -> None:
    """Primary, also and fallback; incomplete report; added words; a message by My report; escalation; transfer."""
    phone, found = sent(app, left_out, in_danger=in_danger)
    for reply in ("the boat is blue", "Done"):
        phone.type(reply)
    app.submit_due_within(3600)
    dial_path(app.ussd(PHONE), "My report", found[1] + found[2], found[3], "2", "and green")
    for message_id, report_id in correspondence.list_undelivered_messages(app.database):
        correspondence.deliver_message(app.database, message_id, report_id)
    [report] = app.rows(t.report)
    given = {row.hotline for row in app.rows(t.delivery)}
    for hotline in VU.hotlines:  # whichever hotline the report is transferred to
        if hotline not in given:
            made = fallbacks.add_fallback(app.database, report.report_id, hotline, "NO_ACK")
            assert (made is None) is (hotline == left_out)
    app.submit_due_within(3600)
    assert holding(app) == set(VU.hotlines) - {left_out}
    assert app.count(t.pending) == 0
    assert all(left_out in kept.data["routing"]["avoid"] for kept in app.bodies())


@pytest.fixture
def builder(tmp_path: Path) -> ReportBuilder:
    return ReportBuilder({name: create_key_pair(tmp_path, name) for name in VU.hotlines}, "demo")


def holding(app: App) -> set[str]:
    """Return all hotlines that a row other than the report names."""
    rows = [app.rows(table) for table in (t.route, t.delivery, t.report_body, t.message, t.pending)]
    return {getattr(row, "hotline", None) or row.recipient for table in rows for row in table}


@pytest.mark.parametrize("left_out", [*pairwise(VU.hotlines), *((one,) for one in VU.hotlines)])
def test_held_for_a_person_because_nobody_could_take_it(builder: ReportBuilder, left_out: tuple[str, ...]) -> None:
    submission = builder.seal(report_input(left_out), BEGUN, 1, (), "complete")
    assert {part.hotline for part in submission.parts} == set(VU.hotlines) - set(left_out)
    assert {part.role for part in submission.parts} == {"held"}


def test_where_everybody_was_left_out_it_is_held_for_all_rather_than_lost(builder: ReportBuilder) -> None:
    submission = builder.seal(report_input(tuple(VU.hotlines)), BEGUN, 1, (), "complete")
    assert {part.hotline for part in submission.parts} == set(VU.hotlines)


BEGUN = ReportRef("01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e", b"o" * 32, 1_795_593_730)


def report_input(left_out: tuple[str, ...]) -> ReportInput:
    answers = [("report.danger", "danger", "no"), ("report.category", "category", "harm")]
    answers += [("report.who_else", "avoid", one) for one in left_out]
    given = tuple(
        GivenAnswer(screen, question, value, False, 1_795_593_730, True) for screen, question, value in answers
    )
    return ReportInput(given, (), None, VU, "ussd", "ussd", "en", 1, None, None, 1_795_593_740)
