"""Drafts survive each button of the report's page in a Chromium, with scripts and without."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from reports.store.schema import tables as t
from tests.console.running_console import RunningConsole, held_by, told
from tests.console.test_entry import web_makes_mailboxes
from tests.console.test_every_page import _entered
from tests.support.hotline_clients import rows
from tests.support.wait import until

pytestmark = pytest.mark.slow

TOP = b'{"category":"luring","place":{"name":"Shefa"}}'
WORDS, NOTE = "We have read it. Can you", "Ask the aunt first"


def not_now() -> dict[str, Any]:
    """Return a contact whose safe hours begin in six hours."""
    begin, end = (f"{datetime.now(UTC) + timedelta(hours=hours):%H:%M}" for hours in (6, 7))
    hours = {"from": begin, "to": end, "tz": "UTC"}
    return {"allowed": True, "how": "call", "safe_hours": hours, "msisdn": "+6785550101"}


def press(page: Any, name: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).first.click()


def areas(page: Any) -> tuple[str, str]:
    return page.locator("#words").input_value(), page.locator("#note").input_value()


@pytest.mark.parametrize("script", [False, True], ids=["without a script", "with a script"])
def test_each_button_keeps_what_is_being_written(running: RunningConsole, chromium: Any, script: bool) -> None:
    address = f"{running.address}/reports/{running.report(told(contact=not_now()), TOP)}"
    context = running.context(chromium, "luk", java_script_enabled=script)
    page = context.new_page()
    page.goto(address)
    kept: dict[str, tuple[str, str]] = {}
    for name in (
        "Take this report",
        "Mark as in progress",
        "Show the number all the same (this is logged)",
        "Pass on",
        "Take this report",
        "Français",
        "English",
        "Save note",
        "Hide screen",
        "Close",
    ):
        running.change(delete(t.draft))
        page.goto(address)
        page.locator("#words").fill(WORDS)
        page.locator("#note").fill(NOTE)
        if name == "Pass on":
            page.get_by_text("Pass on…").click()
        if name == "Close":
            page.get_by_label("What was done?").fill("1234")
            page.get_by_label("Outcome", exact=True).select_option("helped")
        press(page, name)
        running.change(
            update(t.staff_session).values(seen_at=running.database.now())
        )  # as the password does after Hide
        page.goto(address)
        kept[name] = areas(page)
    context.close()
    assert kept == dict.fromkeys(kept, (WORDS, NOTE)) | {"Save note": (WORDS, "")}


@pytest.mark.parametrize("script", [False, True], ids=["without a script", "with a script"])
def test_enter_in_a_choice_locks_nothing(running: RunningConsole, chromium: Any, script: bool) -> None:
    context = running.context(chromium, "mere", java_script_enabled=script)
    page = context.new_page()
    report = f"/reports/{running.report(told(), TOP)}"
    for path, choice in ((report, 'name="to"'), ("/enter", 'name="danger"'), (f"{report}/referral", 'name="basis"')):
        page.goto(running.address + path)
        if path == report:
            page.get_by_text("Pass on…").click()
        page.locator(f"input[{choice}]").last.check()
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
        assert page.url == running.address + path
    context.close()


def test_closing_without_an_outcome_says_so(running: RunningConsole, chromium: Any) -> None:
    address = f"{running.address}/reports/{running.report(told(), TOP)}"
    context = running.context(chromium, "luk", java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    press(page, "Take this report")
    page.locator("#words").fill(WORDS)
    press(page, "Close")
    assert page.locator("#said").inner_text() == "Choose an outcome. The report is not closed."
    assert areas(page)[0] == WORDS
    context.close()


@pytest.mark.parametrize("script", [False, True], ids=["without a script", "with a script"])
def test_what_is_being_entered_is_kept_until_it_is_saved(running: RunningConsole, chromium: Any, script: bool) -> None:
    running.change(delete(t.draft))
    context = running.context(chromium, "mere", java_script_enabled=script)
    page = context.new_page()
    address, words = f"{running.address}/enter", page.locator("#told")
    page.goto(address)
    page.locator('input[name="danger"][value="soon"]').check()
    words.fill(WORDS)
    if script:  # no button is needed
        until(lambda: bool(rows(running.database, t.draft)), "no draft was saved")
    else:
        press(page, "Français")
    page.goto(f"{running.address}/me")
    page.goto(address)
    press(page, "English")
    assert words.input_value() == WORDS and page.locator('input[name="danger"][value="soon"]').is_checked()
    page.locator('details[data-for="luring"] summary').click()
    _entered(page)
    page.goto(address)
    assert words.input_value() == "", "what was saved is no draft any more"
    context.close()


def test_a_report_begins_when_somebody_begins_to_write_it(running: RunningConsole, chromium: Any) -> None:
    """The page may have been open in a tab for hours. A draft keeps its time."""
    running.change(delete(t.draft))
    page = running.context(chromium, "luk").new_page()
    begun, words = page.locator("[name=begun]"), page.locator("#told")
    with page.expect_response("**/waiting"):  # from then on the page knows the server's clock
        page.goto(f"{running.address}/enter")
    opened = int(begun.input_value())
    begun.evaluate("(field, at) => { field.value = at; }", str(opened - 7200))
    with page.expect_response("**/enter/draft"):
        words.fill(WORDS)
    written = int(begun.input_value())
    assert 0 <= written - opened < 600
    page.reload()
    begun.evaluate("(field, at) => { field.value = at; }", str(written - 60))
    words.fill(NOTE)
    assert int(begun.input_value()) == written - 60
    page.context.close()


def test_code_and_pin_are_printed_only_when_somebody_asks(running: RunningConsole, chromium: Any) -> None:
    """Otherwise a shared printer could show them to the whole office."""
    web_makes_mailboxes(running.database)
    context = running.context(chromium, "mere")
    page = context.new_page()
    page.add_init_script("window.printed = 0; window.print = () => { window.printed += 1; };")
    page.goto(f"{running.address}/enter")
    page.locator('details[data-for="luring"] summary').click()
    _entered(page)
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate("window.printed") == 0
    page.get_by_role("button", name="Print the slip").click()
    assert page.evaluate("window.printed") == 1
    context.close()


def test_a_draft_that_cannot_be_kept_is_said_beside_its_field(running: RunningConsole, chromium: Any) -> None:
    address = f"{running.address}/reports/{running.report(told(), TOP)}"
    context = running.context(chromium, "sia")
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    unsaved = {name: page.locator(f'[role=alert][data-unsaved="{name}"]') for name in ("words", "note")}
    for answer in (lambda route: route.abort(), lambda route: route.fulfill(status=413, body="")):
        page.route("**/draft", answer)
        page.locator("#note").fill(NOTE + str(answer))
        page.get_by_text("Not kept as a draft").wait_for()
        assert unsaved["note"].inner_text().startswith("Not kept") and unsaved["words"].inner_text() == ""
        page.get_by_role("link", name="All reports").click()
        page.wait_for_timeout(500)
        assert page.url == address, "what was typed does not leave with the page unasked"
        page.unroute("**/draft", answer)
        page.locator("#note").fill(NOTE)
        until(lambda: unsaved["note"].inner_text() == "", "a draft that is kept is still called lost")
    page.goto(address)
    assert areas(page)[1] == NOTE
    context.close()


def test_back_shows_no_text_that_was_sent_or_that_another_person_typed(running: RunningConsole, chromium: Any) -> None:
    """What is not sent is a draft on the server: the browser must not fill in a text of its own."""
    web_makes_mailboxes(running.database)
    context = running.context(chromium, "mere")
    page = context.new_page()
    page.goto(f"{running.address}/help")
    page.goto(f"{running.address}/reports/{running.report(told(), TOP)}")
    page.locator("#words").fill(WORDS)
    press(page, "Send message")
    page.go_back()
    assert areas(page)[0] == ""
    page.goto(f"{running.address}/enter")
    page.locator('details[data-for="luring"] summary').click()
    _entered(page)
    page.go_back()
    assert page.locator("#told").input_value() == ""
    with page.expect_response("**/enter/draft"):  # a page that is left at once is saved while the next one loads
        page.locator("#told").fill(WORDS)
    page.goto(f"{running.address}/help")
    page.go_back()
    assert page.locator("#told").input_value() == WORDS, "a draft"
    page.goto(f"{running.address}/help")
    running.log_in(context, "sia")
    page.go_back()
    assert page.locator("#told").input_value() == ""
    context.close()


@pytest.mark.parametrize("path", ["report", "enter"])
def test_a_form_is_sent_when_its_text_is_kept(running: RunningConsole, chromium: Any, path: str) -> None:
    """Without a connection its page would be lost, and its text with it."""
    running.change(delete(t.draft))
    address = (
        f"{running.address}/enter" if path == "enter" else f"{running.address}/reports/{running.report(told(), TOP)}"
    )
    area, button = ("#told", "Discard the form") if path == "enter" else ("#note", "Save note")
    context = running.context(chromium, "luk")
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    context.set_offline(True)
    page.locator(area).fill(NOTE)
    page.get_by_role("button", name=button).click()
    page.get_by_text("Not kept as a draft").first.wait_for()
    assert page.url == address and page.locator(area).input_value() == NOTE
    context.set_offline(False)
    press(page, button)
    page.goto(address)
    assert page.locator(area).input_value() == ""
    context.close()


def test_a_note_for_the_next_shift_is_there_after_the_screen_was_hidden(running: RunningConsole, chromium: Any) -> None:
    for name in ("sia", "mere"):
        held_by(running, running.report(told(), TOP), name)
    context = running.context(chromium, "sia")
    page = context.new_page()
    page.goto(f"{running.address}/shift")
    page.wait_for_selector("body[data-ready]")
    with page.expect_response("**/shift/draft") as kept:
        page.get_by_label("Give to").select_option("mere")
        page.get_by_label("Note for your colleague").fill(NOTE)
    assert kept.value.status == 204
    press(page, "Hide screen")
    running.change(update(t.staff_session).values(seen_at=running.database.now()))  # as the password does after Hide
    page.goto(f"{running.address}/shift")
    assert page.get_by_label("Note for your colleague").input_value() == NOTE
    assert page.get_by_label("Give to").input_value() == "mere"
    press(page, "Give the ticked reports")
    assert len(rows(running.database, t.draft)) == 0
    context.close()


def test_a_second_press_before_the_page_says_that_nothing_is_kept_loses_no_text(
    running: RunningConsole, chromium: Any
) -> None:
    """On a network that loses packets nothing happens for many seconds, so everybody presses again."""
    running.change(delete(t.draft))
    address = f"{running.address}/reports/{running.report(told(), TOP)}"
    context = running.context(chromium, "luk")
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        waiting.append(route)

    context.route("**/draft", hold)
    context.route("**/note*", lambda route: route.abort())
    page.locator("#note").fill(NOTE)
    button = page.get_by_role("button", name="Save note")
    for _ in range(2):
        button.click(no_wait_after=True)
        assert button.get_attribute("aria-busy") == "true", "the page does not show that it waits"
    until(lambda: bool(page.wait_for_timeout(100) or waiting), "nothing is kept")
    for one in waiting:
        one.abort()
    page.get_by_text("Not kept as a draft").first.wait_for()
    page.wait_for_timeout(500)
    assert page.url == address and page.locator("#note").input_value() == NOTE
    assert button.get_attribute("aria-busy") is None
    context.close()


@pytest.mark.parametrize("over", ["locked", "ended"])
def test_what_was_pressed_after_the_end_of_the_session_is_said_to_be_not_sent(
    running: RunningConsole, chromium: Any, over: str
) -> None:
    """Otherwise the login is followed by the list, and a counsellor believes that the child was answered."""
    report_id = running.report(told(), TOP)
    context = running.context(chromium, "sia")
    page = context.new_page()
    page.goto(f"{running.address}/reports/{report_id}")
    page.wait_for_selector("body[data-ready]")
    now = running.database.now()
    [before] = [one for one in rows(running.database, t.staff_session) if one.staff_id == account_id(running, "sia")]
    it = t.staff_session.c.session_hash == before.session_hash
    ends = {"seen_at": now - 16 * 60 * 10**6} if over == "locked" else {"until": now}
    page.locator("#words").fill(WORDS)
    running.change(update(t.staff_session).where(it).values(ends))
    page.get_by_role("button", name="Send message").click()
    page.wait_for_url(re.compile("/(locked|login)[?]then="))
    assert page.url.partition("?then=")[2].startswith(f"/reports/{report_id}%3Fsaid%3Dnot_sent")
    running.change(update(t.staff_session).where(it).values(seen_at=now, until=before.until))
    running.log_in(context, "sia")
    page.goto(f"{running.address}/reports/{report_id}")
    assert areas(page)[0] == WORDS
    context.close()


def account_id(running: RunningConsole, name: str) -> str:
    return next(one.staff_id for one in rows(running.database, t.staff) if one.name == name)
