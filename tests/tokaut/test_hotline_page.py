"""The page of the demo's hotline: which deliveries it shows, to whom, and that no text in them becomes markup."""

from __future__ import annotations

from typing import Any

import pytest

from reports import staff_labels
from reports.facts import CATEGORIES
from reports.statistics.tables import CELL_LABELS
from tokaut.local_stack import hotline_page

MARKUP = "<script>alert(1)</script><img src=x>"


def line(type_: str = "report.created", **data: Any) -> dict[str, Any]:
    body = {"type": type_, "data": {"report_id": "r1", "revision": 1, **data}}
    return {"hotline": "vu-one", "at": 1_795_000_000.0, "body": body}


def test_a_report_is_shown_in_the_words_of_staff() -> None:
    labels = (staff_labels.CONCERNS["luring"], staff_labels.DANGER["soon"])
    shown = hotline_page.reports(
        [
            line(
                category="luring",
                danger="soon",
                about="me",
                child={"age_band": "13-15"},
                place={"name": "Shefa"},
                contact={"allowed": False, "how": "none"},
                triage={"priority": "P2", "reasons": ["DANGER_SOON"], "flags": ["NO_CONTACT"]},
                routing={"to": [{"hotline": "vu-one", "name": "A helpline"}]},
            )
        ]
    )
    for words in ("P2", *labels, "The reporter, 13-15 years", "Shefa", "A helpline"):
        assert words in shown
    assert "The reporter fears danger soon." in shown and hotline_page.NO_CONTACT in shown


def test_a_number_stands_with_its_safe_hours_and_without_them_not_at_all() -> None:
    hours = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
    contact = {"allowed": True, "how": "call", "msisdn": "+6785550101", "safe_hours": hours}
    assert "call to +6785550101, only from 08:00 to 16:00 (Pacific/Efate)" in hotline_page.reports(
        [line(contact=contact)]
    )
    assert "+6785550101" not in hotline_page._article(
        hotline_page._ReceivedReport(0.0, {"contact": {**contact, "safe_hours": None}})
    )


def test_an_age_that_is_not_known_is_not_shown() -> None:
    assert "unknown" not in hotline_page._article(hotline_page._ReceivedReport(0.0, {"child": {"age_band": "unknown"}}))


def test_the_newest_revision_wins_whatever_the_order_of_arrival() -> None:
    shown = hotline_page.reports([line(revision=2, narrative="newer"), line(revision=1, narrative="older")])
    assert "newer" in shown and "older" not in shown and "delivered 2 times" in shown


def test_messages_stand_below_their_report_and_the_newest_report_first() -> None:
    lines = [
        line(narrative="words 1"),
        line(report_id="r2", narrative="words 2"),
        line("report.message", kind="words", text="three"),
        line("report.message", kind="delete_asked"),
    ]
    shown = hotline_page.reports(lines)
    assert shown.index("words 2") < shown.index("words 1") < shown.index("The reporter writes") < shown.index("three")
    assert hotline_page.MESSAGE_LABELS["delete_asked"] in shown


@pytest.mark.rule("A-17")
@pytest.mark.parametrize("name", ["category", "danger", "about", "narrative", "language"])
def test_nothing_that_came_is_markup(name: str) -> None:
    shown = hotline_page.reports([line(**{name: MARKUP}), line(report_id="r2", triage={"priority": MARKUP})])
    assert MARKUP not in shown and "<script" not in shown and "<img" not in shown


def test_a_priority_of_several_words_is_one_attribute() -> None:
    shown = hotline_page.reports([line(triage={"priority": "p1 onclick=x"})])
    assert 'class="p1 onclick=x"' in shown


@pytest.mark.parametrize(
    "body", [None, [], {"type": "report.unread", "data": {}}, {"data": {"report_id": 1, "child": [], "triage": "x"}}]
)
def test_strange_deliveries_do_not_stop_the_page(body: Any) -> None:
    assert hotline_page.page([{"hotline": "x", "at": 1, "body": body}, line(narrative="fine")], None).count("fine") == 2


def test_every_category_has_a_label() -> None:
    assert [category for category in CATEGORIES if category not in CELL_LABELS] == []


def test_the_practice_hotline_of_a_training_installation_is_no_demo() -> None:
    console = "http://127.0.0.1:8100"
    in_training = hotline_page.page([], console, in_demo=False)
    assert "What the practice hotline has received" in in_training and "tokaut staff invite" in in_training
    assert "demo" not in in_training
    assert "tokaut demo --login" in hotline_page.page([], console)
