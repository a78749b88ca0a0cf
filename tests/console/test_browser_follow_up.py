"""A follow-up that becomes due, in a real Chromium: on the list, in another tab's title, and by sound."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from console.presenters.case_rows import reference
from reports.store.schema import tables as t
from tests.console.running_console import RunningConsole, told
from tests.console.test_browser_alarm import LISTENING, TOP, title
from tests.support.wait import until

pytestmark = pytest.mark.slow


def test_a_follow_up_rings_until_somebody_has_looked_again(running: RunningConsole, chromium: Any) -> None:
    report_id = running.report(told(), TOP, "P3")
    context = running.context(chromium, "mere")
    context.add_init_script(LISTENING)
    page = context.new_page()
    page.goto(f"{running.address}/me")
    page.get_by_label("Sound").check()
    page.get_by_role("button", name="Save for this browser").click()
    page.goto(f"{running.address}/reports/{report_id}")
    page.get_by_role("button", name="Take this report").click()
    page.get_by_text("the usual time for this priority").wait_for()
    list_page = context.new_page()
    list_page.goto(running.address)
    list_page.get_by_text("Look again in 2 d 23 h").wait_for()
    heard = context.new_page()
    heard.goto(f"{running.address}/me")
    heard.wait_for_selector("body[data-ready]")
    with heard.expect_response("**/waiting"):  # the page knows that nothing is due
        pass
    running.change(
        update(t.holding).where(t.holding.c.report_id == report_id).values(follow_up_at=1_700_000_000_000_000)
    )
    until(lambda: title(heard, "(⏰1) "), "the title says nothing", seconds=60)
    assert heard.locator("#follow-ups-said").inner_text() == "Follow-ups due: 1"
    until(lambda: sum(one.evaluate("window.tones") for one in context.pages) >= 3, "it does not ring", seconds=30)
    list_page.locator(f"#due-{report_id}").wait_for(timeout=60_000)
    list_page.locator(f"#due-{report_id}").click()
    list_page.get_by_role("button", name="Done: I have looked again").click()
    list_page.get_by_text("The follow-up is done.").wait_for()
    until(lambda: not title(heard, "(⏰"), "it goes on after somebody has looked again", seconds=60)
    context.close()


def test_a_report_is_closed_and_that_undone_by_few_presses(running: RunningConsole, chromium: Any) -> None:
    """Two choices and a press close it; one press undoes that. The words are not lost if something is missing."""
    report_id = running.report(told(), TOP, "P3")
    context = running.context(chromium, "mere")
    page = context.new_page()
    page.goto(f"{running.address}/reports/{report_id}")
    page.get_by_role("button", name="Take this report").click()
    page.get_by_label("What was done?").fill("Called the aunt.")
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_text("Choose an outcome. The report is not closed.").wait_for()
    assert page.get_by_label("What was done?").input_value() == "Called the aunt."
    page.get_by_label("Outcome", exact=True).select_option("helped")
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_text(f"Closed: {reference(report_id)}").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("The closing is undone.").wait_for()
    assert page.get_by_text("Taken by: mere").is_visible()
    context.close()
