"""The alarm in a real Chromium: it reaches a locked page, a hidden tab, and keyboard users."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from reports.store.schema import tables as t
from tests.console.running_console import RunningConsole, told
from tests.console.test_browser import looked_at
from tests.support.staff import PASSWORD
from tests.support.wait import until

pytestmark = pytest.mark.slow

TOP = b'{"category":"luring","place":{"name":"Shefa"}}'
# Counts the page's sounds and notifications, which still happen; and hides a tab.
TONES = """
window.tones = 0;
window.AudioContext = class extends AudioContext {
  createOscillator() {
    const tone = super.createOscillator();
    tone.addEventListener("ended", () => { window.tones += 1; });
    return tone;
  }
};
"""
DESKTOP = True  # a notification is shown
LISTENING = f"""{TONES}
window.notices = []; window.shown = 0;
window.Notification = class extends Notification {{
  constructor(...said) {{
    super(...said);
    window.notices.push(said);
    this.addEventListener("show", () => {{ window.shown += 1; }});
  }}
}};
Object.defineProperty(document, "hidden", {{ get: () => true }});
Object.defineProperty(document, "visibilityState", {{ get: () => "hidden" }});
"""


def title(page: Any, start: str) -> bool:
    return str(page.title()).startswith(start)


def test_a_new_urgent_report_reaches_a_locked_page_in_a_hidden_tab(
    running: RunningConsole, chromium: Any, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    context = running.context(chromium, "luk")
    context.add_init_script(LISTENING)
    context.grant_permissions(["notifications"])
    page = context.new_page()
    page.goto(f"{running.address}/me")
    page.get_by_label("Sound").check()
    page.get_by_label("Notification").check()
    page.get_by_role("button", name="Save for this browser").click()
    page.get_by_text("Saved for this browser.").wait_for()
    page.wait_for_selector("body[data-ready]")
    passed = {"report_id": running.report(told(), TOP, "P4"), "hotline": "vu-pikinini", "holder": "luk"}
    running.change(insert(t.holding).values({**passed, "handed_by": "ana"}))
    badge = page.get_by_role("link", name="For you (1)")
    badge.wait_for(timeout=60_000)
    running.change(update(t.holding).values(handed_by=None))
    badge.wait_for(state="hidden", timeout=60_000)
    with page.expect_response("**/locked/waiting*", timeout=60_000) as first:  # without it no report would be new
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    first.value.finished()
    page.get_by_role("heading", name="Locked").wait_for()
    page.get_by_text("Urgent reports waiting: 0").wait_for()
    page.locator("#password").fill("half typed")
    report_id = running.report(told(), TOP, "P1")
    page.get_by_text("Urgent reports waiting: 1").wait_for(timeout=60_000)
    until(lambda: title(page, "(!1) Locked"), "the title says nothing")
    assert page.locator("#icon").get_attribute("href") == "/static/icon-alert.svg"
    assert "New urgent report" in page.locator("#alarm-said").inner_text()
    assert page.locator("#for-you-said").inner_text() == ""
    assert page.evaluate("window.notices") == [["Tokaut: please look", {"tag": "tokaut", "renotify": True}]]
    until(lambda: page.evaluate("[window.tones, window.shown]") == [3, 1], "nobody hears it, or nobody sees it")
    assert page.locator("#password").input_value() == "half typed", "whoever types their password loses nothing"
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    until(lambda: len(page.evaluate("window.notices")) > 1, "it does not come again", seconds=90)
    looked_at(page, "locked-alarm", 1280, folder)
    other = running.context(chromium, "ana")
    opened = other.new_page()
    opened.goto(f"{running.address}/reports/{report_id}")
    until(lambda: title(page, "Locked"), "it goes on after somebody opened the report", seconds=60)
    assert page.locator("#icon").get_attribute("href") == "/static/icon.svg"
    other.close()
    context.close()


def test_the_list_goes_on_under_the_keyboard_and_says_when_the_line_is_gone(
    running: RunningConsole, chromium: Any
) -> None:
    context = running.context(chromium, "mere")
    for _ in range(3):
        running.report(told(), TOP, "P2")
    page = context.new_page()
    page.goto(running.address)
    page.wait_for_selector("body[data-ready]")
    row = page.locator("li.report a").nth(2)
    row.focus()
    was = row.get_attribute("id")
    newest = running.report(told(), TOP, "P1")
    page.locator(f"#open-{newest}").wait_for(timeout=60_000)
    assert page.evaluate("document.activeElement.id") == was, "focus stays on its row"
    assert page.locator("li.report").count() >= 4
    page.keyboard.press("Tab")
    after = page.evaluate("document.activeElement.id")
    assert after != was and after.startswith("open-"), "and Tab goes on from there"
    context.set_offline(True)
    page.get_by_text("Connection lost. This list may be out of date.").wait_for(timeout=60_000)
    context.set_offline(False)
    page.get_by_text("Connection lost. This list may be out of date.").wait_for(state="hidden", timeout=60_000)
    context.close()


def test_clocks_run_and_the_number_goes_when_the_hours_end(running: RunningConsole, chromium: Any) -> None:
    hours = {"from": "00:00", "to": "23:59", "tz": "Pacific/Efate"}
    contact = {"allowed": True, "how": "call", "safe_hours": hours, "msisdn": "+6785550101"}
    report_id = running.report(told(contact=contact), TOP, "P1")
    context = running.context(chromium, "sia")
    page = context.new_page()
    page.goto(f"{running.address}/reports/{report_id}")
    page.wait_for_selector("body[data-ready]")
    clock = page.locator("[data-due]", has_text="Take within")
    first = clock.inner_text()
    assert first.startswith("Take within 1")
    until(lambda: clock.inner_text() != first, "the clock stands still")
    if page.locator("#reach.now").count():  # true except for one minute of the day
        assert page.locator(".number", has_text="+6785550101").count() == 1
        page.evaluate("document.getElementById('reach').dataset.changes = '0'")
        page.get_by_text("The safe hours ended at 23:59: do NOT call or text now.").wait_for()
        assert page.locator(".number").count() == 0
    context.close()


HELD_ANSWERS = """
const read = Response.prototype.json;
let held = Promise.resolve();
Response.prototype.json = async function () {
  const found = await read.call(this);
  await held;
  return found;
};
window.hold = () => { held = new Promise((resolve) => { window.release = resolve; }); };
"""


def test_a_clock_that_is_set_back_makes_no_safe_hour_longer(running: RunningConsole, chromium: Any) -> None:
    """An old laptop may begin with a wrong clock, which the network sets right while a report is open."""
    begin, end = (f"{datetime.now(UTC) + timedelta(hours=hours):%H:%M}" for hours in (-1, 1))
    hours = {"from": begin, "to": end, "tz": "UTC"}
    contact = {"allowed": True, "how": "call", "safe_hours": hours, "msisdn": "+6785550101"}
    context = running.context(chromium, "sia")
    context.add_init_script(HELD_ANSWERS)
    page = context.new_page()
    page.goto(f"{running.address}/reports/{running.report(told(contact=contact), TOP, 'P1')}")
    page.wait_for_selector("body[data-ready]")
    page.evaluate("hold()")  # an answer of the server sets the times right at once
    page.evaluate("() => { const real = Date.now; Date.now = () => real() - 3 * 3600 * 1000; }")
    reach = page.locator("#reach")

    def is_wrong() -> bool:
        return f"It is {datetime.now(UTC) - timedelta(hours=3):%H:}" in reach.inner_text()

    until(is_wrong, "the clock was not set back")
    page.evaluate("release()")
    until(lambda: not is_wrong(), "it stays wrong", seconds=30)
    late = page.locator("[data-due]", has_text="Take within")
    assert re.fullmatch(r"Take within 1?\d min \d\d s", late.inner_text())
    context.close()


def test_the_former_holder_s_page_says_who_took_it_over(running: RunningConsole, chromium: Any) -> None:
    report_id = running.report(told(), TOP, "P2")
    path = f"{running.address}/reports/{report_id}"
    contexts = [running.context(chromium, name) for name in ("mere", "sia")]
    meres, sias = (one.new_page() for one in contexts)
    for page in (meres, sias):
        page.goto(path)
    meres.get_by_role("button", name="Take this report").click()
    meres.get_by_text("Taken by: mere").wait_for()
    sias.get_by_role("button", name="Take this report").click()
    sias.get_by_text("Take it over?").wait_for()
    sias.get_by_role("button", name="Yes, take over from mere").click()
    sias.get_by_text("Taken by: sia").wait_for()
    meres.get_by_text("sia took this report over from you").wait_for(timeout=60_000)
    assert PASSWORD not in meres.content()
    for one in contexts:
        one.close()
