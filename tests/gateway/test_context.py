"""The facts about a report that a screen may show after its code and PIN were entered."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

import pytest

from flows.dependencies import screens_reading
from flows.model import Answer, Condition, FlowState, ScreenContext
from flows.renderer import fill, fill_all
from gateway.conversation.context import ROUTED, CountryContext, RenderContext
from gateway.conversation.mailbox import ReporterMailbox
from gateway.messaging.model import Reply
from gateway.sessions.record import LastTurn, Record
from reports.countries.country import Countries
from reports.crypto import RecordCipher
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import MailboxView
from tests.flows.phone import book
from tests.reports.sample import COUNTRIES as FILES
from tests.safeguarding.call_paths import COUNTRIES

REPORT = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
STATE = "Read by {desk}. In danger? Call {emergency}."
PAIR = (Answer("my.code", "code", "4821 9303", True, 1), Answer("my.pin", "pin", "7350", True, 1))
WALKED = FlowState("my.state", (("home.home", -1), ("my.code", 0), ("my.pin", 1)), PAIR)
AROUND = RenderContext({"en": CountryContext.of(COUNTRIES["VU"])}, "ussd", False, frozenset())


def test_a_country_context_without_english_fields_has_none() -> None:
    nothing: Any = {}
    assert CountryContext(COUNTRIES["VU"], nothing, nothing, nothing, nothing).english == {}


class SynchronousSubmitter:
    """A submitter that runs database calls at once."""

    def write(self, ask: Any) -> Any:
        return ask()


@pytest.mark.parametrize(("desk", "named"), [("one", "Hotline One"), ("gone", "A hotline"), (None, "A hotline")])
def test_a_hotline_that_is_listed_no_more_takes_no_number_away(
    desk: str | None, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = MailboxView(REPORT, "accepted", desk, b"", ())
    monkeypatch.setattr(correspondence, "load_mailbox", lambda *_: found)
    nothing: Any = type("Nothing", (), {"mode": "demo"})
    at_once: Any = SynchronousSubmitter()
    room = ReporterMailbox(
        at_once, nothing, RecordCipher([b"k" * 32]), nothing, Countries(()), {"one": "Hotline One"}, nothing
    )
    record = Record(WALKED, LastTurn("t"), Reply("", expects_reply=True), 1, opened_report=REPORT)
    render_context = room.render_context(AROUND, record)
    assert render_context.session_facts["report_state"] == "accepted"
    world = ScreenContext({}, {"emergency": "police 111", **render_context.session_fields}, {}, str)
    assert fill(STATE, world) == f"Read by {named}. In danger? Call police 111."
    assert (
        "desk"
        not in room.render_context(
            AROUND, Record(WALKED, LastTurn("t"), Reply("", expects_reply=True), 1)
        ).session_fields
    )


FRIDAY_EVENING = 1_795_759_200_000_000  # 2026-11-27 17:00 in Vanuatu
OFFICE = "mon-fri 08:00-16:30"
ALL = ("vu-pikinini", "vu-womens-centre", "vu-police")


@pytest.mark.rule("S-39")
@pytest.mark.parametrize(
    ("priority", "state", "shut", "said"),
    [
        ("P1 with two clocks", "delivered", ALL, "Pikinini Helpline has it. Not read yet."),  # by which would it open?
        ("P1", "delivered", ALL, "Not read yet. Pikinini Helpline opens 30/11 08:00."),
        ("P1", "overdue", ALL, "Not read yet. Pikinini Helpline opens 30/11 08:00."),
        ("P1", "delivered", ALL[:2], "Pikinini Helpline has it. Not read yet."),  # the third hotline is open and has it
        ("P3", "delivered", ALL[:1], "Not read yet. Pikinini Helpline opens 30/11 08:00."),
        ("P3", "delivered", ALL[1:], "Pikinini Helpline has it. Not read yet."),
        ("P1", "accepted", ALL, "Read by Pikinini Helpline."),
        ("P1", "queued", ALL, "We have it and are still sending it."),
    ],
)
def test_while_all_desks_are_closed_it_says_when_one_opens(
    priority: str, state: str, shut: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanuatu = FILES.get("VU")
    assert vanuatu is not None
    hotlines = {
        name: changed(one, card=changed(one.card, hours=OFFICE if name in shut else "24h"))
        for name, one in vanuatu.hotlines.items()
    }
    priority, _, clocks = priority.partition(" with ")
    places = (*vanuatu.places, changed(vanuatu.places[0], time_zone="Pacific/Fiji")) if clocks else vanuatu.places
    land = changed(vanuatu, hotlines=hotlines, places=places)
    monkeypatch.setattr(
        correspondence, "load_mailbox", lambda *_: MailboxView(REPORT, state, ALL[0], b"", (), "VU", priority)
    )
    monkeypatch.setattr(correspondence, "current_recipients", lambda *_: ("VU", ALL))
    nothing: Any = type("Nothing", (), {"mode": "demo", "now": lambda *_: FRIDAY_EVENING})()
    at_once: Any = SynchronousSubmitter()
    names = {name: one.screen_name for name, one in hotlines.items()}
    room = ReporterMailbox(at_once, nothing, RecordCipher([b"k" * 32]), nothing, Countries((land,)), names, nothing)
    render_context = room.render_context(
        AROUND, Record(WALKED, LastTurn("t"), Reply("", expects_reply=True), 1, opened_report=REPORT)
    )
    facts = {"report_state": render_context.session_facts["report_state"], "has_helpline": "yes"}
    fields = {"emergency": "police 111", "helpline_number": "163", **render_context.session_fields}
    said_all = fill_all(book().screens["my.state"].words, {}, ScreenContext(facts, fields, {}, str))
    assert said_all[0].startswith(said)


def test_who_gets_it_is_worked_out_only_for_a_screen_that_looks_at_it() -> None:
    routed = screens_reading(book(), ROUTED)
    assert {"report.send", "report.who_else"} <= routed
    assert "report.about" not in routed
    render_context = AROUND.with_values(reachable_hotlines=COUNTRIES["VU"].hotlines, route_screens=routed)
    harm = FlowState(
        "report.about", (("report.category", 0),), (Answer("report.category", "category", "harm", False, 1),)
    )
    assert render_context(harm.at("report.send")).facts["send_to"] == "one"
    assert render_context(harm.at("report.about")).facts["send_to"] == "one"  # cached by the call before
    fresh = render_context.with_values(session_fields={})
    assert fresh(harm.at("report.send")).facts == render_context(harm.at("report.send")).facts
    with pytest.raises(LookupError, match="not computed"):
        Condition(((("send_to", frozenset({"one"})),),)).holds(
            {}, render_context.with_values()(harm.at("report.about")).facts
        )
