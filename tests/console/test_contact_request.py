"""A request to be called, as staff see it: named in the list, and with the rule not to say who calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import flows
from console.presenters.case_rows import list_item
from console.presenters.report import ChoiceLabels, present_report
from flows.loader import load
from reports.facts import CONTACT_REQUEST, GivenAnswer
from reports.report import build_report, report_head, to_json
from reports.routing import Route
from reports.store.cases.case_list import CaseRow
from runtime.time_units import HOUR, SECOND
from tests.reports.sample import MSISDN, NOW, REPORT_ID, setting

LABELS = ChoiceLabels(load(Path(flows.__file__).parent))


def asked(chosen: str, msisdn: str | None = MSISDN) -> Any:
    answer = GivenAnswer("contact_request.ask_sms", "contact", chosen, typed=False, at=NOW, counts=True)
    return build_report([answer], setting(flow=CONTACT_REQUEST, msisdn=msisdn, channel="sms", route=Route(())))


@pytest.mark.rule("S-13")
def test_the_page_says_what_is_asked_and_what_not_to_say() -> None:
    data = json.loads(to_json(asked("call_07_21"), "vu-pikinini"))
    page = present_report(data, LABELS)
    assert (page.title, page.priority, page.restrictions) == ("Asks to be called", "P2", ())
    assert page.why == ("Somebody asks to be called, and said no more.",)
    assert page.flags == ("Do not say who calls, or why, until you know who answers: phones are shared.",)
    [question] = page.asked
    assert (question.question, question.answer) == ("May we call?", "Call 7am-9pm")
    assert json.loads(to_json(asked("call_07_21", None), "vu-pikinini"))["contact"]["allowed"] is False


def test_the_list_names_it_and_says_when_to_call() -> None:
    head = json.loads(report_head(asked("call_08_16")))
    states: Any = ("P2", 0, "none", "created", "primary", "INCOMPLETE_ONLY", "complete", 1, "demo", "delivered")
    row = CaseRow(REPORT_ID, *states, None, None, None, None, False, 0)
    item = list_item(row, head, LABELS, NOW * SECOND + HOUR)
    assert item.title == "Asks to be called"
    assert item.reach is not None and item.reach.how == "call" and not item.reach.number
