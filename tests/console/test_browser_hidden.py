"""A hidden screen stays hidden in a Chromium, also without a connection, and nobody is locked while they work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Error
from sqlalchemy import delete, update

from reports.store.schema import tables as t
from tests.console.running_console import RunningConsole, held_by, told
from tests.support.wait import until

pytestmark = pytest.mark.slow

TOP = b'{"category":"luring","place":{"name":"Shefa"}}'
WORDS = "We have read it"
LATER = "() => { const real = Date.now; Date.now = () => real() + %d * 1000; }"  # the clock of one page


@pytest.fixture
def context(running: RunningConsole, chromium: Any) -> Iterator[Any]:
    running.change(update(t.staff_session).values(seen_at=running.database.now()))
    running.change(delete(t.draft))
    one = running.context(chromium, "mere")
    yield one
    one.close()


def opened(context: Any, address: str) -> Any:
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    return page


def is_blank(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.hidden"))


@pytest.mark.parametrize("how", ["Esc twice", "button"])
def test_a_screen_hidden_without_a_connection_is_locked_when_it_is_back(
    running: RunningConsole, context: Any, how: str
) -> None:
    """An error page in its place would load again, without a password."""
    report = f"{running.address}/reports/{running.report(told(), TOP)}"
    page, other = opened(context, report), opened(context, running.address)
    page.locator("#words").fill(WORDS)
    context.set_offline(True)
    if how == "button":
        page.get_by_role("button", name="Hide screen").click()
    else:
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    until(lambda: is_blank(page) and is_blank(other), "something is still shown")
    page.wait_for_timeout(1000)
    assert page.url == report and page.title() == "…"
    context.set_offline(False)
    for one in (page, other):
        one.get_by_role("heading", name="Locked").wait_for()
    running.change(
        update(t.staff_session).values(seen_at=running.database.now())
    )  # as the password does in a third tab
    page.wait_for_url(report)
    assert page.locator("#words").input_value() == WORDS
    other.wait_for_url(f"{running.address}/")


def test_keys_do_nothing_on_a_blank_page(running: RunningConsole, context: Any) -> None:
    page = opened(context, f"{running.address}/reports/{running.report(told(), TOP)}")
    other = opened(context, running.address)
    context.route("**/lock", lambda route: route.abort())
    other.keyboard.press("Escape")
    other.keyboard.press("Escape")
    until(lambda: is_blank(page), "something is still shown")
    with pytest.raises(Error, match="Timeout"), page.expect_request("**/take", timeout=1500):
        page.keyboard.press("a")


def test_after_a_sleep_the_first_press_shows_nothing_though_there_is_no_connection(
    running: RunningConsole, context: Any
) -> None:
    page = opened(context, f"{running.address}/reports/{running.report(told(), TOP)}")
    context.set_offline(True)
    page.evaluate(LATER % (2 * 3600))
    page.keyboard.press("Shift")
    assert is_blank(page)


def test_who_works_in_one_tab_is_not_idle_in_another(running: RunningConsole, context: Any) -> None:
    """Otherwise the list, left open for its alarm, locks a person in the middle of a sentence."""
    page = opened(
        context,
        f"{running.address}/reports/{held_by(running, running.report(told(), TOP), 'mere')}",
    )
    other = opened(context, running.address)
    other.evaluate(LATER % (14 * 60 + 55))
    for _ in range(15):
        page.locator("#words").press_sequentially("so ")
        page.wait_for_timeout(800)
    assert not is_blank(page) and not is_blank(other)
    other.evaluate(LATER % (15 * 60))
    other.get_by_role("heading", name="Locked").wait_for()


def test_the_other_tabs_are_locked_though_the_one_that_was_hidden_is_closed(
    running: RunningConsole, context: Any
) -> None:
    page, other = opened(context, f"{running.address}/help"), opened(context, running.address)
    context.set_offline(True)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    until(lambda: is_blank(page) and is_blank(other), "something is still shown")
    page.close()
    context.set_offline(False)
    other.get_by_role("heading", name="Locked").wait_for()


def test_a_new_password_that_is_refused_leaves_the_other_tabs_as_they_are(
    running: RunningConsole, context: Any
) -> None:
    running.change(update(t.staff_session).values(checked_at=running.database.now()))
    page, other = opened(context, f"{running.address}/me"), opened(context, running.address)
    for field in ("#password", "#again"):
        page.locator(field).fill("too easy")
    page.get_by_role("button", name="Change my password").click()
    page.get_by_text("Take at least 12 characters").wait_for()
    page.wait_for_timeout(500)
    assert not is_blank(other)


def test_a_report_that_nobody_looks_at_is_not_opened_by_the_password_in_another_tab(
    running: RunningConsole, context: Any
) -> None:
    """It would count as read, and its alarm would end."""
    report_id = running.report(told(), TOP, "P1")
    page, other = (
        opened(context, f"{running.address}/reports/{report_id}"),
        opened(context, running.address),
    )
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    for one in (page, other):
        one.get_by_role("heading", name="Locked").wait_for()
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    running.change(update(t.holding).where(t.holding.c.report_id == report_id).values(read_at=None))
    running.change(update(t.staff_session).values(seen_at=running.database.now()))
    other.wait_for_url(f"{running.address}/")
    until(lambda: page.title().startswith("(!"), "its alarm is not heard any more", seconds=30)
    assert page.url.startswith(f"{running.address}/locked")
    page.evaluate("delete document.hidden; dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_url(f"{running.address}/reports/{report_id}")


def test_a_page_of_an_earlier_login_locks_the_present_one(running: RunningConsole, context: Any) -> None:
    """Its token is refused, also after the console got a new key: the page was blank for ever, and nothing locked."""
    page = opened(context, f"{running.address}/help")
    running.log_in(context, "sia")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Locked").wait_for()
    assert page.url == f"{running.address}/locked", "the page of another person is not opened by this password"


def test_after_a_clock_is_set_back_who_is_there_is_still_told(running: RunningConsole, context: Any) -> None:
    """Otherwise a person who only reads is locked until the clock has caught up."""
    page = opened(context, f"{running.address}/reports/{running.report(told(), TOP)}")
    page.keyboard.press("Shift")
    page.evaluate(LATER % (-3 * 3600))
    with page.expect_request("**/alive"):
        page.keyboard.press("Shift")
