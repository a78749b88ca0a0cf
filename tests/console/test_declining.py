"""Declining a report: only if somebody else has it or gets it, and the page says who."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE, OTHER, THIRD
from tests.support.console import Console
from tests.support.hotline_clients import HotlineClient, first_delivery, store_report
from tests.support.staff import Page, Person
from tokaut.local_stack.settings import StackPlan

NEXT = "The next hotline that the reporter was shown gets the report."
OTHERS = "The other hotlines that have the report keep it."
GIVEN = {"reason": "Not for us", "sure": "1"}


class Scene:
    def __init__(self, console: Console, made: StackPlan, mere: Person, *route: tuple[str, str]) -> None:
        self.database, self.mere = console.parts.database, mere
        self.report = store_report(self.database, made.folder.inside / "keys", route)
        self.path = f"/reports/{self.report}"

    def decline(self) -> Page:
        page = self.mere.post(f"{self.path}/decline", GIVEN | self.mere.get(self.path).marks)
        return self.mere.get(page.leads_to.partition("#")[0]) if page.leads_to else page

    def has(self, hotline: str, **values: str) -> None:
        own = (t.delivery.c.report_id == self.report, t.delivery.c.hotline == hotline)
        with self.database.write() as connection:
            connection.execute(update(t.delivery).where(*own).values(values))

    @property
    def handling(self) -> str:
        return str(first_delivery(self.database, self.report, HOTLINE).handling)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ([(HOTLINE, "primary"), (OTHER, "fallback")], NEXT),
        ([(HOTLINE, "primary"), (OTHER, "also"), (THIRD, "fallback")], NEXT),
        ([(OTHER, "primary"), (HOTLINE, "also"), (THIRD, "fallback")], OTHERS),
        ([(HOTLINE, "primary"), (OTHER, "also")], OTHERS),
    ],
)
def test_the_page_says_who_has_it_then(
    console: Console, made: StackPlan, mere: Person, route: list[tuple[str, str]], said: str
) -> None:
    scene = Scene(console, made, mere, *route)
    page = mere.get(scene.path)
    assert [one in page.text for one in (NEXT, OTHERS)] == [said == NEXT, said == OTHERS]
    done = "The next hotline on the reporter's list gets the report." if said == NEXT else OTHERS
    assert f"Declined. {done}" in scene.decline().text and scene.handling == "rejected"


def test_the_last_hotline_keeps_it(console: Console, made: StackPlan, mere: Person) -> None:
    """Nobody could take it back, and no other key opens it."""
    scene = Scene(console, made, mere, (HOTLINE, "primary"))
    page = mere.get(scene.path)
    assert "Decline" not in page.text and "No other hotline can get this report" in page.text
    refused = scene.decline()
    assert refused.status == 400 and re.search(r'id="said"[^>]*>No other hotline can get this report', refused.html)
    assert scene.handling == "none"


@pytest.mark.parametrize("values", [{"handling": "rejected"}, {"state": "cancelled"}, {"state": "parked"}])
def test_a_hotline_that_gave_it_up_does_not_count(
    console: Console, made: StackPlan, mere: Person, values: dict[str, str]
) -> None:
    scene = Scene(console, made, mere, (HOTLINE, "primary"), (OTHER, "also"))
    scene.has(OTHER, **values)
    assert scene.decline().status == 400 and scene.handling == "none"


def test_the_hotlines_own_system_may_give_up_any_report(
    console: Console, made: StackPlan, mere: Person, hotline_client: HotlineClient
) -> None:
    scene = Scene(console, made, mere, (HOTLINE, "primary"))
    assert hotline_client.call(scene.report, "rejected", reason="Not for us").status_code == 200
    assert scene.handling == "rejected"
