"""Every page of the console in a real Chromium: axe, a narrow and a magnified screen, the keyboard, and no script.

One console with its database, reports for these tests, and people who are already logged in.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests
from sqlalchemy import insert, select, update

from console.auth.invitations import InvitedAccount, invite
from console.presenters.case_rows import reference
from reports.countries import country
from reports.json_bodies import json_bytes
from reports.statistics.examples import example_figures
from reports.store.schema import tables as t
from tests.console.hostile import PLAIN, STRINGS, body, head
from tests.console.running_console import HOTLINE, RunningConsole, held_by, told
from tests.support.staff import PASSWORD

pytestmark = pytest.mark.slow

LONG = "Sheislocked" * 30  # one word, wider than any screen
MESSAGE = "Hello. We have read it. When can you talk?"
FREE = "select, textarea, summary, a[href], button:not([aria-hidden]), input:not([type=hidden]), [tabindex='0']"


@pytest.fixture(scope="module")
def reports(running: RunningConsole) -> dict[str, str]:
    return reports_for(running)


def store_figures(running: RunningConsole) -> None:
    """Store published figures, so that the page of statistics has tables."""
    names = ("quarter", "country", "sheet", "cell", "number")
    rows = [
        {name: getattr(it, name) for name in names}
        for it in example_figures(country.load_countries(["vu"], "demo").all)
    ]
    running.change(insert(t.figure).values(rows))


def reports_for(running: RunningConsole) -> dict[str, str]:
    top = b'{"category":"luring","place":{"name":"Shefa"}}'
    long = told(narrative=LONG, extras={"where_online": LONG, "platform": LONG})
    no = told(contact={"allowed": False, "how": "none", "safe_hours": None}, narrative=None, additions=[])
    none = {"contact": {"how": "none", "safe_hours": None}}
    made = {
        "new": running.report(told(), top, "P1"),
        "long": running.report(long, json_bytes({"category": LONG, "place": {"name": LONG}, **none})),
        "unopened": running.report(told(), top, "P4"),
        "closed": running.report(told(), json_bytes({**json.loads(top), **none})),
        "taken meanwhile": running.report(told(danger="now"), top, "P1"),
        "passed": held_by(running, running.report(told(), top), "mere", handed_by="luk"),
    }
    linked = json_bytes({**json.loads(top), **none, "earlier": [made["long"], made["closed"]]})
    return made | {"no contact": running.report(no | {"repeat_of": 3}, linked, "P3")}


@dataclass(frozen=True)
class PageState:
    """A page, and the acts on it before it is checked."""

    name: str
    who: str
    path: str
    act: Callable[[Any], None] = lambda page: None


def _refused(page: Any) -> None:
    page.get_by_label("Message to the reporter").fill("Call 7712345 or see http://example.org")
    page.get_by_role("button", name="Send message").click()
    page.get_by_text("Cannot be sent yet").first.wait_for()


def _worked_on(page: Any) -> None:
    page.get_by_role("button", name="Take this report").click()
    page.get_by_label("Message to the reporter").fill(MESSAGE)
    page.get_by_role("button", name="Send message").click()
    page.locator(".timeline .ours", has_text=MESSAGE).wait_for()
    page.get_by_label("Note for colleagues (your hotline only)").fill("Called twice.")
    page.get_by_role("button", name="Save note").click()
    page.get_by_text("Note saved.").wait_for()
    page.get_by_text("Pass on…").click()
    page.get_by_text("Transfer to another hotline (permanent)").click()
    page.get_by_label("Transfer to").select_option(index=1)
    page.locator("#why").fill("They are nearer.")
    page.locator("form[action*=hand-over]").get_by_role("checkbox").check()
    page.get_by_role("button", name="Transfer", exact=True).click()
    page.get_by_text("mere asked at").wait_for()


def _printed(page: Any) -> None:
    page.locator("summary", has_text="Print").click()
    page.get_by_role("button", name="Print…").click()
    page.get_by_text("This is what is printed.").wait_for()


def _closed(page: Any) -> None:
    address = page.url
    page.get_by_role("button", name="Take this report").click()
    page.get_by_label("Outcome", exact=True).select_option("hoax")
    page.get_by_label("What was done?").fill("Laughing in the background.")
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_text("It stays open until a second person agrees.").wait_for()
    page.get_by_label("Outcome", exact=True).select_option("helped")
    page.get_by_label("What was done?").fill("Called the aunt.")
    page.get_by_role("button", name="Close", exact=True).click()
    page.wait_for_url("**said=closed**")
    page.goto(address)


def _taken_meanwhile(running: RunningConsole, report_id: str, page: Any) -> None:
    """Press Take when luk has taken the report before, marked it as false, and missed the follow-up."""
    luk = select(t.staff.c.staff_id).where(t.staff.c.name == "luk").scalar_subquery()
    now = running.database.now()
    held_by(running, report_id, "luk", hoax_by=luk, hoax_at=now, follow_up_at=now - 24 * 3600 * 10**6, read_at=now)
    page.get_by_role("button", name="Take this report").click()
    page.get_by_text("Take it over?").wait_for()
    page.get_by_text("luk marked this as a false report").wait_for()
    page.get_by_role("button", name="Done: I have looked again").wait_for()


def _drill_planned(page: Any) -> None:
    page.get_by_label("Danger now", exact=True).check()
    page.get_by_role("button", name="Plan this drill").click()
    page.get_by_text("Planned:").wait_for()


def _incomplete(page: Any) -> None:
    page.get_by_role("button", name="Save report and show the code").click()
    page.get_by_text("The report is not saved yet.").wait_for()


def _entered(page: Any) -> None:
    """Enter a report as for a caller, with one press for each answer."""
    for name, value in (("danger", "soon"), ("how", "call"), ("category", "luring"), ("about", "child_i_know")):
        page.locator(f'input[name="{name}"][value="{value}"]').check()
    page.get_by_label("What the reporter says").fill("A made-up sentence.")
    page.get_by_label("Is a meeting planned?").select_option("later")
    for name, value in (("given_by", "reporter"), ("storing", "yes"), ("referral", "yes"), ("taker", "me")):
        page.locator(f'input[name="{name}"][value="{value}"]').check()
    page.get_by_role("button", name="Save report and show the code").click()
    page.get_by_role("heading", name="Report saved").wait_for()


def _wrong_password(page: Any) -> None:
    for label in ("Name", "Password", "6-digit code from your authenticator app"):
        page.get_by_label(label, exact=True).fill("nobody")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()


def _invited(page: Any) -> None:
    page.get_by_label("Name to log in with").fill("new-one")
    page.get_by_role("button", name="Create invitation").click()
    page.get_by_text("Print this slip").wait_for()


def _opened(page: Any) -> None:
    page.get_by_role("heading", name="Your account").wait_for()


def _wrong_code(page: Any) -> None:
    page.get_by_label("Code of your invitation").fill("2222-2222")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("alert").wait_for()


def _joined(page: Any) -> None:
    _opened(page)
    secret = page.locator("code.letters").inner_text().replace(" ", "")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_label("The code that it shows now").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Make my account").click()
    page.get_by_role("heading", name="Done").wait_for()


def page_states(running: RunningConsole, reports: dict[str, str]) -> Iterator[PageState]:
    """Yield the sights in this order, because each act affects the next ones."""
    of = {name: f"/reports/{id_}" for name, id_ in reports.items()}
    ways = [
        invite(running.database, "", InvitedAccount(name, HOTLINE, "staff"), f"staff:{HOTLINE}/ana")
        for name in ("eti", "tom")
    ]
    yield PageState("login", "", "/login")
    yield PageState("login, refused", "", "/login", _wrong_password)
    yield PageState("invitation", "", "/join")
    yield PageState("invitation, wrong", "", "/join", _wrong_code)
    yield PageState("join", "", ways[0], _opened)
    yield PageState("joined", "", ways[1], _joined)
    meanwhile = reports["taken meanwhile"]
    yield PageState(
        "report, taken meanwhile", "mere", of["taken meanwhile"], partial(_taken_meanwhile, running, meanwhile)
    )
    yield PageState("list, a follow-up is due", "mere", "/", lambda page: page.locator(f"#due-{meanwhile}").wait_for())
    yield PageState("list, filtered", "mere", "/?category=luring&place=she&page=1")
    yield PageState("list, nothing", "mere", "/?tab=mine&priority=P4")
    yield PageState("report", "mere", of["new"])
    yield PageState("report, long words", "mere", of["long"])
    yield PageState("report, no contact", "mere", of["no contact"])
    yield PageState("report, refused", "mere", of["new"], _refused)
    yield PageState("report, handing over", "mere", of["new"], _worked_on)
    yield PageState("report, closed", "mere", of["closed"], _closed)
    yield PageState("report, printed", "mere", of["new"], _printed)
    yield PageState("hand-over", "mere", "/shift", lambda page: page.get_by_role("button", name="Accept").wait_for())
    yield PageState("entry", "mere", "/enter")
    yield PageState("entry, something missing", "mere", "/enter", _incomplete)
    yield PageState("entry, saved", "mere", "/enter", _entered)
    yield PageState("referral", "mere", f"{of['new']}/referral")
    yield PageState("me", "mere", "/me")
    yield PageState("check", "mere", "/check?then=/me")
    yield PageState("help", "mere", "/help")
    yield PageState("fault", "mere", "/nowhere")
    yield PageState("locked", "sia", "/locked")
    yield PageState("list of a lead", "ana", "/")
    yield PageState("report, a lead's", "ana", of["new"])
    yield PageState("people", "ana", "/people", _invited)
    yield PageState("drills", "ana", "/drills", _drill_planned)
    yield PageState("audit", "ana", "/audit")
    yield PageState("board", "ana", "/board")
    yield PageState("statistics", "ana", "/statistics")
    yield PageState("readiness", "ana", "/readiness")
    yield PageState("operator", "oto", "/operator")


# Return what lies beyond the edge, except in a table or chart that scrolls by itself; and what is cut.
CUT = """() => {
  const wide = document.documentElement.clientWidth;
  const found = [];
  for (const one of document.body.querySelectorAll("*")) {
    if (one.closest(".wide, .chart, .unseen, .skip, svg, option") || !one.getClientRects().length) continue;
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    const cut = ["hidden", "clip"].includes(style.overflowX) && one.scrollWidth > one.clientWidth + 1;
    if (box.right > wide + 1 || box.left < -1 || cut) found.push(one.outerHTML.slice(0, 120));
  }
  const whole = document.documentElement.scrollWidth;
  if (whole > wide) found.push(`the page itself, ${whole}`);
  return found;
}"""

# Return which element has the focus, how many can have it, whether this one is visible, and whether its focus is.
AT = """(free) => {
  // Of a group of radio buttons Tab reaches the chosen one, or the first.
  const group = (one) => [...document.getElementsByName(one.name)];
  const stop = (one) => one.type !== "radio" || one === (group(one).find((other) => other.checked) ?? group(one)[0]);
  const may = (one) => one.getClientRects().length && !one.disabled && stop(one);
  const all = [...document.querySelectorAll(free)].filter(may);
  const here = document.activeElement, style = getComputedStyle(here), box = here.getBoundingClientRect();
  const shows = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const seen = box.width > 1 && box.bottom > 0 && box.top < innerHeight;
  return [all.indexOf(here), shows && seen, all.length, here.outerHTML.slice(0, 100)];
}"""

SMALL = """(free) => [...document.querySelectorAll(free)]
  .filter((one) => one.matches("button, select, summary, input, textarea") && one.getClientRects().length)
  .filter((one) => !one.matches("[type=checkbox]") && one.getBoundingClientRect().height < 24)
  .map((one) => one.outerHTML.slice(0, 100))"""


LOOKS, LOOK_MS = 40, 50  # for the focus to be shown
WALKS = 3  # through a page that renews its list or shows its alarm meanwhile


def looked_at(page: Any, name: str, axe: str) -> list[str]:
    """Return the faults of the page at each size."""
    found = []
    page.evaluate(axe)
    for width, height, scheme in ((360, 740, "light"), (1280, 900, "dark")):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        wrong = page.evaluate("axe.run({resultTypes: ['violations']}).then((found) => found.violations)")
        found += [f"{name}, {width}, {scheme}: {one['id']}: {at['html']}" for one in wrong for at in one["nodes"]]
    page.emulate_media(color_scheme="light")
    for width, size in ((320, "100%"), (640, "200%")):  # 1280 pixels magnified four times; text alone, doubled
        page.set_viewport_size({"width": width, "height": 600})
        page.evaluate("(size) => { document.documentElement.style.fontSize = size; }", size)
        found += [f"{name}, {width}, text of {size}: {one}" for one in page.evaluate(CUT)]
        found += [f"{name}, {width}, hard to touch: {one}" for one in page.evaluate(SMALL, FREE)]
    page.evaluate("document.documentElement.style.fontSize = ''")
    page.set_viewport_size({"width": 1280, "height": 900})
    return found


def tabbed_through(page: Any, name: str) -> list[str]:
    """Return the elements that Tab reaches in the wrong order, that are invisible, or without visible focus.

    A page may show or hide an element just as Tab passes it. A fault of the page is found again.
    """
    for _ in range(WALKS):
        if not (found := walked_through(page, name)):
            break
    return found


def walked_through(page: Any, name: str) -> list[str]:
    """Press Tab from the top, up to the last element or the first fault; return the faults."""
    found, number = [], -1
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    while True:
        page.keyboard.press("Tab")
        at, shows, many, what = page.evaluate(AT, FREE)
        for _ in range(LOOKS):  # a busy browser shows the focus a moment later
            if shows:
                break
            page.wait_for_timeout(LOOK_MS)
            at, shows, many, what = page.evaluate(AT, FREE)
        if at == number and re.search('type="(date|time)"', what):
            continue  # Chromium stops at each part of a date and at the calendar
        number += 1
        if at != number or not shows:
            found.append(f"{name}: Tab {number} came to {at} of {many}, {'seen' if shows else 'not seen'}: {what}")
        if number == many - 1 or at < 0 or found:
            return found


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("check", ["looked at", "by the keyboard"])
def test_every_page_can_be_read_by_everybody(check: str, tmp_path: Path, chromium: Any) -> None:
    """Each case has a console of its own: it acts on each page before it checks it."""
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    with ExitStack() as stack:
        running = RunningConsole(tmp_path)
        stack.callback(running.down)
        store_figures(running)
        reports = reports_for(running)
        running.change(update(t.staff).where(t.staff.c.name == "ana").values(wrong=3))
        old = {"seen_at": running.database.now() - 16 * 60 * 10**6}
        sia = t.staff.select().with_only_columns(t.staff.c.staff_id).where(t.staff.c.name == "sia").scalar_subquery()
        running.change(update(t.staff_session).where(t.staff_session.c.staff_id == sia).values(old))
        contexts: dict[str, Any] = {}
        found: list[str] = []
        for state in page_states(running, reports):
            if state.who not in contexts:
                context = running.context(chromium, state.who, viewport={"width": 1280, "height": 900})
                contexts[state.who] = stack.enter_context(closing(context))
            page = contexts[state.who].new_page()
            page.goto(running.address + state.path)
            state.act(page)
            page.wait_for_load_state()  # its script may move the focus
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            found += looked_at(page, state.name, axe) if check == "looked at" else tabbed_through(page, state.name)
            page.close()
    assert found == [], "\n".join(found)


def test_what_is_wrong_would_be_seen(running: RunningConsole, chromium: Any) -> None:
    """Control: an image without text, a box beyond the edge, a small button, one out of reach, one without a ring."""
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    planted = "<img src=/static/icon.svg><div class=planted>x</div><button id=small>x</button>"
    style = ".planted { width: 50rem } #small { padding: 0; border: 0; line-height: 1; height: 9px; outline: 0 }"
    with closing(running.context(chromium, "mere", bypass_csp=True)) as context:
        page = context.new_page()
        page.goto(f"{running.address}/help")
        page.evaluate("(html) => { document.querySelector('main').innerHTML += html; }", planted)
        page.add_style_tag(content=style)
        found = looked_at(page, "help", axe) + tabbed_through(page, "help")
        page.evaluate("document.getElementById('small').tabIndex = -1")
        found += tabbed_through(page, "help")
        page.close()
    for wrong in (
        "image-alt",
        "the page itself",
        'class="planted"',
        "hard to touch",
        "not seen: <button id",
    ):
        assert any(wrong in one for one in found), wrong
    assert sum(": Tab " in one for one in found) == 2


def test_the_skip_link_leads_past_the_head(running: RunningConsole, chromium: Any) -> None:
    with closing(running.context(chromium, "mere")) as context:
        page = context.new_page()
        page.goto(f"{running.address}/help")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('header') === null")


def test_what_is_printed(running: RunningConsole, reports: dict[str, str], chromium: Any) -> None:
    """By its button: confidential, folded sections open, no controls. Otherwise one sentence is printed."""
    with closing(running.context(chromium, "ana")) as context:
        page = context.new_page()
        page.goto(f"{running.address}/reports/{reports['no contact']}")
        page.emulate_media(media="print")
        assert page.get_by_text("Use the Print button").is_visible() and page.locator("h1:visible").count() == 0
        page.emulate_media(media="screen")
        page.locator("summary", has_text="Print").click()
        page.get_by_role("button", name="Print…").click()
        page.get_by_text("This is what is printed.").wait_for()
        page.wait_for_load_state()  # including its style sheet
        page.emulate_media(media="print")
        assert "CONFIDENTIAL · Reference:" in page.locator("thead").inner_text()
        assert "Printed by ana, 20" in page.locator("tfoot").inner_text()
        assert page.locator("form:visible, button:visible, select:visible, nav:visible").count() == 0
        assert page.get_by_text("Are you or a child in danger?").is_visible()
        assert page.get_by_text("ana opened the report").first.is_visible()


def test_without_a_script_a_report_is_read_taken_answered_and_closed(
    running: RunningConsole, reports: dict[str, str], chromium: Any
) -> None:
    passed = held_by(running, running.report(told(), b"{}", "P4"), "luk", handed_by="mere")
    with closing(running.context(chromium, "luk", java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(running.address)
        page.get_by_role("link", name="For you (1)").click()
        page.get_by_role("button", name=f"Accept {reference(passed)}").click()
        page.get_by_text("Nothing was passed to you.").wait_for()
        page.goto(f"{running.address}/reports/{passed}")
        page.get_by_label("Outcome", exact=True).select_option("hoax")
        page.get_by_label("What was done?").fill("Laughing in the background.")
        page.get_by_role("button", name="Close", exact=True).click()
        page.get_by_role("button", name="I was wrong: withdraw this mark").click()
        page.locator("#false-report").wait_for(state="detached")
        page.get_by_text("Pass on…").click()
        page.get_by_role("radio", name="sia").check()
        page.get_by_role("button", name="Pass on", exact=True).click()
        page.get_by_text("Passed to sia, not accepted yet").first.wait_for()
        page.goto(running.address)
        page.locator(f"a[href='/reports/{reports['unopened']}']").click()
        page.get_by_text("I want it to stop").first.wait_for()
        page.get_by_role("button", name="Take this report").click()
        page.get_by_text("Taken by: luk").wait_for()
        page.get_by_label("Message to the reporter").fill(MESSAGE)
        page.get_by_role("button", name="Check", exact=True).click()
        page.locator("#preview", has_text=MESSAGE).wait_for()
        page.get_by_role("button", name="Send message").click()
        page.locator(".timeline .ours", has_text=MESSAGE).wait_for()
        page.get_by_role("button", name=re.compile(r"^(Today|Tomorrow) 09:00")).click()  # at night it is today
        page.get_by_text("The follow-up date is set.").wait_for()
        page.get_by_label("What was done?").fill("Called the aunt.")
        page.get_by_label("Outcome", exact=True).select_option("helped")
        page.get_by_role("button", name="Close", exact=True).click()
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("The closing is undone.").wait_for()
        page.get_by_label("What was done?").fill("Called the aunt.")
        page.get_by_label("Outcome", exact=True).select_option("helped")
        page.get_by_role("button", name="Close", exact=True).click()
        page.get_by_role("heading", name="Reports").wait_for()
        assert page.locator(f".reports a[href='/reports/{reports['unopened']}']").count() == 0


@pytest.mark.rule("B-32")
@pytest.mark.rule("X-16")
def test_words_that_try_something_do_nothing_in_a_browser(running: RunningConsole, chromium: Any) -> None:
    """No dialog, no error, no violation of the policy, and requests only to the console."""
    words = " ".join(STRINGS.values())
    path = f"/reports/{running.report(body(words), head(words))}"
    one = chromium.open(f"{running.address}/login", hurried=False)
    running.log_in(one.context, "ana")
    dialogs: list[str] = []
    one.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    asked = ("tab", "priority", "category", "place")
    query = "&".join(f"{name}={requests.utils.quote(STRINGS['out of an attribute'])}" for name in asked)
    for at in (path, "/", f"/?{query}", "/audit", "/people"):
        one.page.goto(running.address + at)
        one.page.wait_for_selector("body[data-ready]")
        assert one.refusals == []
    one.page.goto(running.address + path)
    one.page.locator("#note").fill(words)
    one.page.get_by_role("button", name="Save note").click()
    one.page.get_by_text("Note saved.").wait_for()
    one.page.locator("#words").fill(words[:600])
    one.page.get_by_role("button", name="Check", exact=True).click()
    one.page.get_by_text("Cannot be sent yet").first.wait_for()
    assert PLAIN not in one.page.title() and one.page.title().endswith("· Tokaut")
    assert (one.refusals, dialogs, one.said) == ([], [], [])
    assert {address.split("/", 3)[2] for address in one.asked} == {running.address.partition("//")[2]}
    one.close()


@pytest.mark.skipif(
    "DRAW_CONSOLE" not in os.environ, reason="draws the pictures of docs/console.md, when it is asked to"
)
def test_pictures_of_a_list_and_a_report(tmp_path: Path, chromium: Any) -> None:
    """Take screenshots with made-up reports; some of them are late."""
    running, folder, minutes = RunningConsole(tmp_path), Path(os.environ["DRAW_CONSOLE"]), 60 * 10**6
    no, made = {"allowed": False, "how": "none", "safe_hours": None}, dict[str, str]()
    for category, place, priority, ago, contact in (
        ("harm", "Sanma", "P1", 23, no),
        ("neglect", "Torba", "P1", 4, no),
        ("luring", "Shefa", "P2", 12, told()["contact"]),
        ("bullying", "Tafea", "P3", 95, no),
        ("other", "Malampa", "P4", 600, no),
    ):
        allowed = {name: contact[name] for name in no}
        top = json_bytes({"category": category, "place": {"name": place}, "contact": allowed})
        id_ = running.report(told(contact=contact), top, priority)
        when = running.database.now() - ago * minutes
        there = {"created_at": when, "delivered_at": when, "state": "delivered"}
        running.change(update(t.delivery).where(t.delivery.c.report_id == id_).values(there))
        running.change(update(t.report).where(t.report.c.report_id == id_).values(state="delivered"))
        made[category] = id_
    with closing(running.context(chromium, "mere", viewport={"width": 768, "height": 400})) as context:
        page = context.new_page()
        page.goto(running.address)
        page.screenshot(path=folder / "console-list.png", full_page=True)
        page.set_viewport_size({"width": 360, "height": 400})
        page.goto(f"{running.address}/reports/{made['luring']}")
        page.get_by_label("Message to the reporter").fill(MESSAGE)
        page.get_by_role("button", name="Check", exact=True).click()
        page.locator("#preview", has_text=MESSAGE).wait_for()
        page.screenshot(path=folder / "console-report.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(f"{running.address}/reports/{made['harm']}")
        page.screenshot(path=folder / "console-wide.png")
    for name, width, height in (("console-dark", 1280, 800), ("console-dark-phone", 360, 740)):
        how = {"viewport": {"width": width, "height": height}, "color_scheme": "dark"}
        with closing(running.context(chromium, "mere", **how)) as context:
            page = context.new_page()
            page.goto(running.address)
            page.screenshot(path=folder / f"{name}.png")
    running.down()
