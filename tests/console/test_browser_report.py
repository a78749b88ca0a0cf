"""A report's page in a Chromium: its length, what stays visible, what the bar covers, and the presses of each task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select

from reports.store.schema import tables as t
from tests.console.running_console import RunningConsole, told
from tests.console.test_every_page import FREE

pytestmark = pytest.mark.slow

TOP = b'{"category":"luring","place":{"name":"Shefa"}}'
HIDDEN_BY_BAR = """() => {
  const bar = document.querySelector(".bar").getBoundingClientRect();
  const here = document.activeElement, box = here.getBoundingClientRect();
  const bottom = here.matches("textarea") ? box.top + 24 : box.bottom; // of what is typed, one line at least
  return here !== document.body && !here.closest(".bar") && bottom > bar.top + 1 ? here.outerHTML.slice(0, 100) : "";
}"""


@pytest.fixture
def page(running: RunningConsole, chromium: Any) -> Iterator[Any]:
    context = running.context(chromium, "mere", viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(("danger", "priority"), [("soon", "P2"), ("now", "P1")])
def test_a_usual_report_is_two_screens_and_its_status_stays_in_sight(
    running: RunningConsole, page: Any, danger: str, priority: str
) -> None:
    page.goto(f"{running.address}/reports/{running.report(told(danger=danger), TOP, priority)}")
    page.locator(".case.measured").wait_for()
    assert page.evaluate("document.documentElement.scrollHeight") <= 1800
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    box = page.get_by_role("button", name="Take this report").bounding_box()
    assert 0 <= box["y"] <= 800 - box["height"], "taken without going back to the top"
    acts = page.locator(".acts").bounding_box()
    assert acts["y"] >= page.locator("#status").bounding_box()["y"] + page.locator("#status").bounding_box()["height"]


def test_what_was_done_is_said_once(running: RunningConsole, page: Any) -> None:
    page.goto(f"{running.address}/reports/{running.report(told(), TOP)}")
    page.get_by_role("button", name="Take this report").click()
    page.get_by_text("You have taken this report.").wait_for()
    page.wait_for_selector("body[data-ready]")
    page.reload()
    page.get_by_text("Taken by: mere").wait_for()
    assert page.get_by_text("You have taken this report.").count() == 0


def test_a_report_that_is_hidden_while_it_is_open_says_so(running: RunningConsole, page: Any) -> None:
    report_id = running.report(told(), TOP)
    page.goto(f"{running.address}/reports/{report_id}")
    page.wait_for_selector("body[data-ready]")
    page.locator("#note").fill("Ask the aunt first")
    mere = select(t.staff.c.staff_id).where(t.staff.c.name == "mere").scalar_subquery()
    running.change(insert(t.kept_away).values(report_id=report_id, staff_id=mere))
    page.get_by_text("The report that was open here is not here for you any more").wait_for(timeout=60_000)
    acts = select(t.audit.c.act).where(t.audit.c.object_id == report_id)
    with running.database.read() as connection:
        assert "not_given" not in connection.execute(acts).scalars().all()


def test_the_bar_of_a_phone_covers_nothing(running: RunningConsole, page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"{running.address}/reports/{running.report(told(), TOP)}")
    page.wait_for_selector("body[data-ready]")
    covered = []
    for _ in range(page.locator(FREE).count()):
        page.keyboard.press("Tab")
        covered.append(page.evaluate(HIDDEN_BY_BAR))
    assert [one for one in covered if one] == []
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last, bar = page.get_by_role("button", name="Log out").bounding_box(), page.locator(".bar").bounding_box()
    assert last["y"] + last["height"] <= bar["y"]
    page.locator(".bar").get_by_text("Write").click()
    assert 0 <= page.locator("#conversation").bounding_box()["y"] < 640
    page.locator(".bar").get_by_role("button", name="Take").click()
    page.get_by_text("Taken by: mere").wait_for()


# Return the header's elements in Tab's order, in visual order, and which elements from the bar on are in the bar.
ORDERS = """(free) => {
  const all = [...document.querySelectorAll(free)].filter((one) => one.getClientRects().length);
  const name = (one) => one.textContent.trim(), box = (one) => one.getBoundingClientRect();
  const header = all.filter((one) => one.closest("header"));
  const above = (one, other) => box(one).bottom <= box(other).top;
  const seen = [...header].sort((one, other) =>
    above(one, other) ? -1 : above(other, one) ? 1 : box(one).left - box(other).left);
  const bar = all.findIndex((one) => one.closest(".bar"));
  return [header.map(name), seen.map(name), bar < 0 ? [] : all.slice(bar).map((one) => Boolean(one.closest(".bar")))];
}"""


@pytest.mark.parametrize("width", [360, 1280])
def test_tab_reaches_hide_screen_and_the_bar_where_they_are_seen(
    running: RunningConsole, page: Any, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(f"{running.address}/reports/{running.report(told(), TOP)}")
    tabbed, seen, bar = page.evaluate(ORDERS, FREE)
    assert tabbed == seen and tabbed[:2] == ["Tokaut", "Hide screen"]
    assert bar == ([True] * 4 if width == 360 else []), "the bar at the bottom edge comes last"


def test_a_note_and_passing_on_take_three_presses_and_one_load(running: RunningConsole, page: Any) -> None:
    page.goto(f"{running.address}/reports/{running.report(told(), TOP)}")
    loads: list[str] = []
    page.on("request", lambda request: request.resource_type == "document" and loads.append(request.method))
    page.get_by_text("Pass on…").click()
    page.get_by_label("Note for the person who takes it").fill("Ask the aunt first")
    page.get_by_role("radio", name="luk").check()
    page.get_by_role("button", name="Pass on", exact=True).click()
    page.get_by_text("Passed to luk, not accepted yet").wait_for()
    assert page.locator(".timeline .note", has_text="Ask the aunt first").count() == 1
    assert loads == ["POST", "GET"], "one form, and the page after it"


def test_a_table_is_read_whole_on_a_phone(running: RunningConsole, page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"{running.address}/reports/{running.report(told(), TOP)}")
    page.get_by_text("Every question and its answer").click()
    widths = page.evaluate(
        "[...document.querySelectorAll('.stacked td')].map((one) => one.getBoundingClientRect().right)"
    )
    assert widths and max(widths) <= 360
