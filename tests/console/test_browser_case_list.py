"""The list in a real Chromium: ten rows on one screen, keys, counts that refresh, and who has a report open."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from console.presenters.case_rows import reference
from reports.json_bodies import json_bytes
from tests.console.running_console import RunningConsole, held_by, told
from tests.console.test_browser import looked_at
from tests.support.wait import until

pytestmark = pytest.mark.slow

HOURS = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
CONTACTS = [
    {"how": "call", "safe_hours": HOURS},
    {"how": "sms", "safe_hours": HOURS},
    {"how": "none", "safe_hours": None},
]
BOTTOMS = "[...document.querySelectorAll('li.report')].map((row) => row.getBoundingClientRect().bottom)"
FOCUS = "document.activeElement.closest('li')?.id ?? document.activeElement.id"


@pytest.fixture(scope="module")
def reports(running: RunningConsole) -> list[str]:
    """Store twelve varied reports, and return their ids in the order of the list."""
    made = []
    for n in range(12):
        head = {
            "category": ("luring", "harm", "missing", "images")[n % 4],
            "danger": ("now", "soon", "no", "unsure")[n % 4],
            "about": ("me", "my_child", "child_i_know", "other")[n % 4],
            "age_band": ("10-12", "13-15", "unknown", "6-9")[n % 4],
            "place": {"name": ("Shefa", "Tafea", "Malampa", "Sanma")[n % 4]},
            "contact": CONTACTS[n % 3],
        }
        made.append(running.report(told(), json_bytes(head), "P1" if n < 2 else "P3"))
    return made


def test_ten_rows_fit_and_the_keys_go_through_them(
    running: RunningConsole, reports: list[str], chromium: Any, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    with closing(running.context(chromium, "mere", viewport={"width": 1280, "height": 800})) as context:
        page = context.new_page()
        page.goto(running.address)
        page.wait_for_selector("body[data-ready]")
        page.get_by_text("Urgent reports that nobody has opened").first.wait_for()
        bottoms = page.evaluate(BOTTOMS)
        assert len(bottoms) == 12 and bottoms[9] <= 800, bottoms
        for keys, at in (("j", 0), ("jj", 2), ("k", 1)):
            page.keyboard.type(keys)
            assert page.evaluate(FOCUS) == f"row-{reports[at]}", keys
        page.keyboard.press("?")
        page.get_by_role("heading", name="Keys").wait_for()
        page.keyboard.press("j")
        looked_at(page, "queue-keys", 1280, folder)
        page.keyboard.press("Escape")
        page.get_by_role("heading", name="Keys").wait_for(state="hidden")
        page.wait_for_timeout(700)  # longer than the limit between two presses of Esc
        assert page.evaluate(FOCUS) == f"row-{reports[1]}", "j did nothing below the dialog, and one Esc hides nothing"
        page.keyboard.press("/")
        page.keyboard.type("jk?")
        assert page.locator("#reference").input_value() == "jk?" and page.locator("#keys[open]").count() == 0
        page.locator("#reference").fill(reference(reports[11]))
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/reports/{reports[11]}")
        assert page.title().endswith(f"{reference(reports[11])} · Tokaut")
        page.go_back()
        page.wait_for_selector("body[data-ready]")
        page.keyboard.type("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/reports/{reports[0]}")
        page.wait_for_selector("body[data-ready]")
        page.keyboard.press("n")
        assert page.evaluate(FOCUS) == "note"
        page.keyboard.type("an")
        assert page.locator("#note").input_value() == "an"
        page.locator("main").focus()
        page.keyboard.press("a")
        page.get_by_text("Taken by: mere").wait_for()
        page.goto(running.address)
        for width in (768, 360):
            page.set_viewport_size({"width": width, "height": 740})
            looked_at(page, "queue-rows", width, folder)


def test_no_key_takes_a_colleague_s_report_nor_letters_that_are_typed(running: RunningConsole, chromium: Any) -> None:
    held = held_by(running, running.report(told(), b"{}"), "luk")
    free = running.report(told(), b"{}")
    with closing(running.context(chromium, "mere")) as context:
        page = context.new_page()
        page.goto(f"{running.address}/reports/{held}")
        page.wait_for_selector("body[data-ready]")
        page.keyboard.press("a")
        page.wait_for_timeout(500)
        assert page.get_by_text("Taken by: luk").is_visible() and page.get_by_text("Take it over?").count() == 0
        page.get_by_role("button", name="Take over from luk").click()
        page.get_by_text("Take it over?").wait_for()
        page.wait_for_selector("body[data-ready]")
        page.locator("main").focus()
        page.keyboard.press("a")
        page.wait_for_timeout(500)
        assert page.get_by_text("Taken by: luk").is_visible()
        page.get_by_role("button", name="Yes, take over from luk").click()
        page.get_by_text("Taken by: mere").wait_for()
        for field, button in (("note", "Save note"), ("words", "Send message")):
            page.goto(f"{running.address}/reports/{free}")
            page.wait_for_selector("body[data-ready]")
            page.locator(f"#{field}").fill("We have read it.")
            page.get_by_role("button", name=button).click()
            page.wait_for_url(f"**#{field}")
            page.wait_for_selector("body[data-ready]")
            page.keyboard.type("call aunt")
            assert page.locator(f"#{field}").input_value() == "call aunt", "who types on types where they were"
            if field == "note":
                assert page.get_by_text("Not taken yet").first.is_visible()


def test_keys_that_are_switched_off_do_nothing(running: RunningConsole, reports: list[str], chromium: Any) -> None:
    with closing(running.context(chromium, "luk")) as context:
        page = context.new_page()
        page.goto(running.address)
        page.wait_for_selector("body[data-ready]")
        page.keyboard.press("?")
        page.get_by_role("button", name="Switch the keys off").click()
        page.wait_for_selector("body[data-keys-off][data-ready]")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement === document.body")
        page.keyboard.press("?")
        page.get_by_role("button", name="Switch the keys on").click()
        page.wait_for_selector("body[data-ready]:not([data-keys-off])")


def test_counts_and_title_renew_themselves_and_a_colleague_is_seen(
    running: RunningConsole, reports: list[str], chromium: Any
) -> None:
    with (
        closing(running.context(chromium, "sia")) as here,
        closing(running.context(chromium, "ana")) as there,
    ):
        page, other = here.new_page(), there.new_page()
        page.goto(running.address)
        page.wait_for_selector("body[data-ready]")
        before = int(page.locator("#tab-unassigned .count").inner_text())
        page.locator("#tab-others").focus()
        other.goto(f"{running.address}/reports/{reports[5]}")
        page.locator(f"#row-{reports[5]}", has_text="ana is looking at this").wait_for(timeout=60_000)
        other.get_by_role("button", name="Take this report").click()
        other.get_by_text("Taken by: ana").wait_for()
        page.locator("#tab-unassigned", has_text=str(before - 1)).wait_for(timeout=60_000)
        until(lambda: f"({before - 1}) Reports" in page.title(), "the title still has the old count")
        assert page.evaluate("document.activeElement.id") == "tab-others", "focus stays where it was"
        page.goto(f"{running.address}/reports/{reports[5]}")
        page.get_by_text("ana is looking at this").wait_for()
        other.get_by_text("sia is looking at this").wait_for(timeout=60_000)
