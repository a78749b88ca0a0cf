"""The message box in a Chromium: the counter, the end of the screen, and a ready-made reply in three presses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from flows.staff_replies import REPLY_TEMPLATES
from tests.console.running_console import RunningConsole, told
from tests.support.interaction_counter import CountingPage

pytestmark = pytest.mark.slow

TOP = b'{"category":"luring","place":{"name":"Shefa"}}'


def opened(running: RunningConsole, chromium: Any, **how: Any) -> Any:
    address = f"{running.address}/reports/{running.report(told(), TOP)}"
    page = running.context(chromium, "luk", **how).new_page()
    page.goto(address)
    return page


@pytest.mark.parametrize(
    ("fits", "over", "count"),
    [
        ("Good evening.", "", "13 of 120 characters"),
        ("a" * 119, "€", "121 of 120 characters: 1 too many."),
        ("\u014d" * 40, "\u014d" * 2, "42 of 40 characters: 2 too many."),
    ],
)
def test_the_counter_and_the_end_of_the_screen_follow_what_is_typed(
    running: RunningConsole, chromium: Any, fits: str, over: str, count: str
) -> None:
    page = opened(running, chromium)
    page.locator("#words").fill(fits + over)
    assert page.locator("#counter").inner_text().startswith(count)
    assert page.locator("#preview").evaluate("one => one.firstChild.data") == fits
    assert page.locator("#preview mark").all_inner_texts() == ([over] if over else [])
    assert (page.locator("#counter-said").inner_text() != "") == bool(over), "spoken when the end is crossed"
    page.context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without a script"])
def test_a_ready_made_reply_is_sent_in_three_presses_without_scrolling(
    running: RunningConsole, chromium: Any, script: bool
) -> None:
    """On a laptop, for an acknowledged report of danger now, while another urgent report waits."""
    running.report(told(), TOP, "P1")
    address = f"{running.address}/reports/{running.report(told(danger='now'), TOP, 'P1')}"
    page = running.context(
        chromium, "luk", java_script_enabled=script, viewport={"width": 1280, "height": 800}
    ).new_page()
    page.goto(address)
    page.get_by_role("button", name="Take this report").click()
    page.get_by_text("Taken by: luk").wait_for()
    page.goto(address)
    if script:
        page.get_by_text("Urgent reports that nobody has opened").wait_for()
        page.locator(".case.measured").wait_for()
    at = CountingPage(page)
    with at.task("reply"):
        at.press(page.get_by_text("Ready-made replies"))
        at.press(page.get_by_role("button", name=REPLY_TEMPLATES[1], exact=True))
        assert page.locator("#words").input_value() == "Yu mekem gud we yu talem long mifala."
        at.press(page.get_by_role("button", name="Send message"))
        page.get_by_text("Sent. The reporter sees it when they next open My report.").wait_for()
    assert at.tasks["reply"].presses == 3
    assert at.tasks["reply"].scrolled == 0 or not script, "without a script the form is a page of its own"
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "light"), (1280, "dark")])
def test_it_looks_right_and_axe_finds_nothing(
    running: RunningConsole, chromium: Any, width: int, scheme: str, tmp_path: Path
) -> None:
    page = opened(running, chromium, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.locator("#words").fill("Are you safe? " * 10)
    page.get_by_role("button", name=re.compile("^Check")).click()
    page.get_by_text("Cannot be sent yet").first.wait_for()
    page.get_by_text("Ready-made replies").click()
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    page.locator("#writing").screenshot(path=folder / f"message-{width}-{scheme}.png")
    page.context.close()
