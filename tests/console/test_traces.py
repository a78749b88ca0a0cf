"""A person who was left out finds no trace of a report; a list that was not searched completely says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.presenters.case_rows import reference
from console.views import case_list
from reports.store.staff import accounts
from tests.console.running_console import HOTLINE
from tests.support.console import Console
from tests.support.hotline_clients import HotlineClient, store_report
from tests.support.staff import Person, joined
from tokaut.local_stack.settings import StackPlan


@pytest.fixture
def leads(console: Console) -> tuple[Person, Person]:
    both = (
        joined(console.flask, console.parts.database, "ana", "lead"),
        joined(console.flask, console.parts.database, "ben", "lead"),
    )
    for one in both:
        one.log_in()
    return both


@pytest.mark.rule("S-26")
def test_a_lead_who_is_kept_out_does_not_find_it_in_the_access_log(
    console: Console, hotline_client: HotlineClient, report: str, leads: tuple[Person, Person]
) -> None:
    """In a small place, a colleague's work on a hidden report would reveal enough."""
    ana, ben = leads
    joined(console.flask, console.parts.database, "cora", "lead")
    path = f"/reports/{report}"
    who = next(one.staff_id for one in accounts.list_accounts(console.parts.database, HOTLINE) if one.name == "ben")
    assert ana.post(f"{path}/take", at="/me").status == 303
    before = ben.get("/audit").text
    assert reference(report) in before and "ana took the report." in before
    assert ana.post(f"{path}/away", {"who": who}, at="/me").status == 303
    after = ben.get("/audit").text
    assert reference(report) not in after and "took" not in after and "hid the report" not in after
    assert "accepted an invitation" in after, "all else is there"
    assert "No act fits this filter." in ben.get(f"/audit?report={report[-6:]}").text
    assert report not in ben.post("/audit/export", {"report": report}, at="/audit").html
    assert "ana hid the report from ben." in ana.get("/audit").text


def test_a_list_that_was_not_looked_through_whole_says_so(
    console: Console, made: StackPlan, report: str, leads: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the filter would wrongly show that a place has no waiting report."""
    keys: Path = made.folder.inside / "keys"
    store_report(console.parts.database, keys, [(HOTLINE, "primary")])
    ana, _ = leads
    assert "looked through" not in ana.get("/?category=luring").text
    monkeypatch.setattr(case_list, "MAX_HEADS_SEARCHED", 1)
    for page in (ana.get("/?category=luring"), ana.get("/rows?place=nowhere")):
        assert "were looked through" in page.text and "No report is open" not in page.text
    assert "looked through" not in ana.get("/").text
    assert report
