"""A night of 20 reports at one hotline: three people in three browsers, real processes, reporters by webhook.

At the end each report is in exactly one place, its timeline has each act once, and each page that a person has open
agrees with the store. The presses of each task are counted (docs/console-design.md has the table).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select, update

from console.presenters.case_rows import reference
from flows.staff_replies import REPLY_TEMPLATES
from reports.case_state import ACTIVE, Handling
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE
from tests.console.test_browser import ConsoleSite, make_account
from tests.console.test_browser_alarm import TONES, title
from tests.support.installation import Installation
from tests.support.interaction_counter import CountingPage, Task
from tests.support.logged_in import logged_in, put_cookie
from tests.support.staff import PASSWORD
from tests.support.wait import until

pytestmark = pytest.mark.slow

NAMES = ("mere", "sam", "luk")
SIZE = {"width": 1280, "height": 800}
# Makes pages poll ten times as often. Pages under measurement are not changed.
HURRIED = "const { setInterval: slow } = window; window.setInterval = (f, t, ...a) => slow(f, t / 10, ...a);"
ROWS = "() => Object.fromEntries([...document.querySelectorAll('li.report')].map((row) => [row.id.slice(4), \
row.querySelector('.holder').innerText.trim()]))"
ENTRIES = """() => [...document.querySelectorAll(".timeline li:not(.reading)")].map((entry) => [
  [...entry.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data.trim()).join(" ").trim(),
  entry.querySelector("blockquote")?.innerText ?? "",
])"""
# Answers of a phone, from the home screen to Sent
DANGER_NOW = ("1", "1", "1", "3", "4", "1", "1", "1")
ORDINARY = ("1", "3", "3", "1", "4", "4", "1", "1")
EXPECTED_SOON = ("1", "2", "3", "1", "4", "4", "1", "1")
OWN_MESSAGE = "Hello. We have read it. When can you talk?"
NOTE, SHIFT_NOTE, DONE = "Ask the aunt first.", "All three wait for an answer.", "Called the aunt."
LAUGHED, NEARER, WROTE_MORE = "Laughing in the background.", "They are nearer.", "It has become worse. Please answer."
RECEIVED = ("The report was received.", "")
DELIVERED = ("The system of the hotline received the report.", "")
ADDED = ("The system of the hotline received what the reporter added.", "")
# Presses of each task in the review of 28 November 2026, before the console was rebuilt
BEFORE = {
    "log in": "1",
    "take the first P1": "2",
    "ready-made reply, sent": "4",
    "own message, sent": "1–3",
    "note and pass on": "4",
    "close": "3",
    "false report, first person": "3",
    "false report, second person": "3",
    "to another hotline": "4",
    "my reports": "3",
    "end a colleague's account": "1",
    "invite a colleague": "3",
}
GOALS = {"take the first P1": 2, "ready-made reply, sent": 3, "note and pass on": 3, "close": 3}


@dataclass
class SubmittedReport:
    """A report with its code and PIN. `words`: what its reporter wrote."""

    report_id: str
    phone: str
    code: str
    pin: str
    words: str


class NightShift:
    """The hotline, its people in their browsers, and all acts, as the timelines must show them."""

    def __init__(self, site: ConsoleSite, chromium: Any) -> None:
        self.site, self.address = site, site.address
        self.database = Database(f"sqlite:///{site.installation.environment['TOKAUT_DATA']}/tokaut.db")
        self.reports: list[SubmittedReport] = []
        self.done: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self.contexts = {name: self._context(chromium) for name in NAMES}
        for name in ("mere", "sam"):
            self.contexts[name].add_init_script(HURRIED)
        self.contexts["mere"].add_init_script(TONES)
        self.at = {name: CountingPage(context.new_page()) for name, context in self.contexts.items()}
        self.lists = {name: context.new_page() for name, context in self.contexts.items()}

    def _context(self, chromium: Any) -> Any:
        return chromium.chromium.new_context(viewport=SIZE, reduced_motion="reduce")

    def close(self) -> None:
        for context in self.contexts.values():
            context.close()
        self.database.close()

    def log_in(self, name: str) -> None:
        page = self.at[name].page
        page.goto(f"{self.address}/login")
        with self.at[name].task("log in"):
            page.get_by_label("Name", exact=True).fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_label("6-digit code from your authenticator app").fill(self.site.code(name))
            self.at[name].press(page.get_by_role("button", name="Log in"))
            page.get_by_role("heading", name=re.compile("Reports")).wait_for()

    def tasks(self) -> dict[str, Task]:
        return {name: task for one in self.at.values() for name, task in one.tasks.items()}

    # Reporters

    def submit(self, answers: tuple[str, ...] = ORDINARY) -> SubmittedReport:
        """Send a report by USSD, with words typed after Send."""
        number = len(self.reports)
        words = f"Made-up words of report {number}."
        phone = self.site.installation.ussd_phone("simulator", f"+67855502{number:02}")
        phone.dial()
        for answer in answers:
            screen = phone.type(answer).text
        shown = re.search(r"Code (\d{4}) (\d{4})\s+PIN (\d{4})", screen)
        assert shown, screen
        phone.type(words)
        phone.drop_call()
        known = {one.report_id for one in self.reports}
        (report_id,) = set(self._scalars(select(t.report.c.report_id))) - known
        self.reports.append(SubmittedReport(report_id, phone.phone, shown[1] + shown[2], shown[3], words))
        self.done[report_id] += [RECEIVED, DELIVERED, ADDED]
        return self.reports[-1]

    def until_all_is_delivered(self) -> None:
        """Wait until the hotline has all reports with their words: a form of an older revision is refused."""
        until(lambda: not self._scalars(select(t.pending.c.report_id)), "words are still pending")
        waiting = select(t.delivery.c.delivery_id).where(t.delivery.c.hotline == HOTLINE)
        waiting = waiting.where(t.delivery.c.state != "delivered")
        until(lambda: not self._scalars(waiting), "a delivery never came")

    def my_report(self, one: SubmittedReport, *replies: str) -> str:
        """Open My report with code and PIN, type the replies, and return the last screen."""
        phone = self.site.installation.ussd_phone("simulator", one.phone)
        phone.dial()
        for reply in ("3", one.code, one.pin, *replies):
            screen = phone.type(reply).text
        phone.drop_call()
        return screen

    # The store and the pages

    def _scalars(self, query: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def stored(self) -> dict[str, Any]:
        """Return handling, holder, handed_by and outcome of each report at this hotline."""
        d, h = t.delivery.c, t.holding.c
        is_here = (h.report_id == d.report_id) & (h.hotline == d.hotline)
        query = select(d.report_id, d.handling, h.holder, h.handed_by, h.outcome)
        query = query.select_from(t.delivery.outerjoin(t.holding, is_here))
        with self.database.read() as connection:
            rows = connection.execute(query.where(d.hotline == HOTLINE, d.type == "created"))
            return {row.report_id: row for row in rows}

    def says(self, row: Any) -> str:
        """Return the status that the list and the page of a report must show."""
        if row.handed_by and row.handling in ACTIVE:
            return f"Passed to {row.holder}, not accepted yet"
        if row.handling == Handling.CLOSED:
            return {"helped": "Closed: helped"}.get(row.outcome, "Closed: false report (confirmed by 2)")
        if row.handling in ACTIVE:
            verb = "Taken by:" if row.handling == Handling.ACCEPTED else "In progress:"
            return f"{verb} {row.holder}"
        return {Handling.NONE: "Not taken yet"}.get(row.handling, "Sent to another hotline")

    def agree(self, *names: str) -> None:
        """Wait until the lists of these people, and the report that each has open, agree with the store."""
        for name in names or NAMES:
            until(lambda name=name: self._list_agrees(name), f"the list of {name} does not agree with the store")
            until(lambda name=name: self._page_agrees(name), f"the page of {name} does not agree with the store")

    def _list_agrees(self, name: str) -> bool:
        is_open = {Handling.NONE, *ACTIVE}
        expected = {key: self.says(row) for key, row in self.stored().items() if row.handling in is_open}
        return bool(self.lists[name].evaluate(ROWS) == expected)

    def _page_agrees(self, name: str) -> bool:
        """Compare one page with the store; a page that says that it is out of date agrees, too."""
        page = self.at[name].page
        found = re.search(r"/reports/([0-9a-f-]+)", page.url)
        if not found:
            return True
        shown = page.locator("#status strong").first.inner_text()
        is_outdated = page.get_by_text("Load the page again").count() == 1
        return bool((shown == self.says(self.stored()[found[1]])) != is_outdated)

    # Acts of people

    def open(self, name: str, one: SubmittedReport) -> Any:
        page = self.at[name].page
        page.goto(f"{self.address}/reports/{one.report_id}")
        page.wait_for_selector("body[data-ready]")
        return page

    def take(self, name: str, one: SubmittedReport, act: str = "took the report") -> None:
        page = self.open(name, one)
        self.at[name].press(page.get_by_role("button", name="Take this report"))
        page.get_by_text(f"Taken by: {name}").wait_for()
        self.did(one, f"{name} {act}.")

    def did(self, one: SubmittedReport, sentence: str, text: str = "") -> None:
        self.done[one.report_id].append((sentence, text))

    def close_report(self, name: str, outcome: str, words: str) -> None:
        """Fill in and send the form for closing, on the page of a report."""
        at = self.at[name]
        at.page.get_by_label("What was done?").fill(words)
        at.choose(at.page.get_by_label("Outcome", exact=True), value=outcome)
        at.press(at.page.get_by_role("button", name="Close", exact=True))


@pytest.fixture
def shift(chromium: Any) -> Iterator[NightShift]:
    installation = Installation().up()
    site = ConsoleSite(installation)
    one = NightShift(site, chromium)
    yield one
    one.close()
    site.down()
    installation.down()


def test_a_night_of_twenty_reports(
    shift: NightShift, chromium: Any, record_property: Callable[[str, object], None]
) -> None:
    lead = _evening(shift, chromium)
    reports = [shift.submit() for _ in range(9)] + [shift.submit(EXPECTED_SOON)]
    shift.until_all_is_delivered()
    shift.agree("mere", "sam")
    first_p1 = _danger_while_a_page_is_locked(shift)
    _two_press_at_once(shift, reports[0])
    _the_reporter_writes_more(shift, first_p1)
    _messages(shift, first_p1, reports[1])
    _note_and_pass_on(shift, reports[0])
    reports += [shift.submit() for _ in range(8)] + [shift.submit(DANGER_NOW)]
    shift.until_all_is_delivered()
    shift.agree()
    _shift_change(shift, reports[2:5])
    _false_reports(shift, reports[5], reports[6])
    _to_another_hotline(shift, reports[7])
    _close_and_undo(shift, reports[8], reports[9])
    _follow_up(shift, reports[18])
    shift.agree()
    _every_report_is_in_one_place(shift)
    _each_act_is_said_once(shift)
    _end_of_an_account(shift, lead)
    found = "\n".join(_lines({**shift.tasks(), **lead.tasks}))
    record_property("printed", f"\n{found}")
    assert [name for name, most in GOALS.items() if shift.tasks()[name].presses > most] == [], found
    assert shift.tasks()["ready-made reply, sent"].scrolled == 0, found
    assert shift.tasks()["note and pass on"].loads == 1, found


def _evening(shift: NightShift, chromium: Any) -> CountingPage:
    """Let three people join by invitations of a lead, and log in."""
    context = chromium.chromium.new_context(viewport=SIZE, reduced_motion="reduce")
    put_cookie(context, shift.address, logged_in(shift.database, "ana", "lead"))
    lead = CountingPage(context.new_page())
    lead.page.goto(f"{shift.address}/")
    for name in NAMES:
        with lead.task("invite a colleague"):
            lead.press(lead.page.get_by_role("link", name="People", exact=True))
            lead.page.get_by_label("Name to log in with").fill(name)
            lead.press(lead.page.get_by_role("button", name="Create invitation"))
            code = lead.page.locator("code.letters.code").inner_text()
        page = shift.at[name].page
        with shift.at[name].task("join"):
            page.goto(f"{shift.address}/join#{code}")
            make_account(shift.site, page, name)
        shift.log_in(name)
        shift.lists[name].goto(shift.address)
    page = shift.at["mere"].page
    page.goto(f"{shift.address}/me")
    page.get_by_label("Sound").check()
    page.get_by_role("button", name="Save for this browser").click()
    page.get_by_text("Saved for this browser.").wait_for()
    return lead


def _danger_while_a_page_is_locked(shift: NightShift) -> SubmittedReport:
    """Send a report of danger now while luk's screen is hidden; luk unlocks it and takes the report."""
    luk, page = shift.at["luk"], shift.at["luk"].page
    shift.lists["luk"].close()  # another tab would be blanked, too
    page.wait_for_selector("body[data-ready]")
    luk.key("Escape")
    luk.key("Escape")
    page.get_by_role("heading", name="Locked").wait_for()
    page.get_by_text("Urgent reports waiting: 1 ").wait_for()
    with luk.task("a new P1 is seen on the locked page"):
        danger = shift.submit(DANGER_NOW)
        page.get_by_text("Urgent reports waiting: 2 ").wait_for()
        until(lambda: title(page, "(!2) Locked"), "the title says nothing")
    assert danger.words not in page.content()
    shift.until_all_is_delivered()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=re.compile("Reports")).wait_for()
    with luk.task("take the first P1"):
        luk.press(page.locator("li.report a").first)
        luk.press(page.get_by_role("button", name="Take this report"))
        page.get_by_text("Taken by: luk").wait_for()
    shift.did(danger, "luk took the report.")
    address = page.url.partition("#")[0].partition("?")[0]
    assert address.endswith(danger.report_id), "the first row was the most urgent one"
    shift.lists["luk"] = shift.contexts["luk"].new_page()
    shift.lists["luk"].goto(shift.address)
    shift.agree()
    return danger


def _two_press_at_once(shift: NightShift, one: SubmittedReport) -> None:
    """Release both requests at the same time: one person gets the report, the other is told who has it."""
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    for name in ("mere", "sam"):
        page = shift.open(name, one)
        page.route("**/take*", hold)
        page.get_by_role("button", name="Take this report").click(no_wait_after=True)
    until(lambda: page.wait_for_timeout(10) is None and len(held) == 2, "two did not press")
    for route in held:
        route.continue_()
    for name in ("mere", "sam"):
        page = shift.at[name].page
        page.get_by_text("Taken by:").wait_for()
        page.unroute("**/take*")
    first = shift.stored()[one.report_id].holder
    second = "sam" if first == "mere" else "mere"
    shift.did(one, f"{first} took the report.")
    shift.at[second].page.get_by_text(re.compile(f"{first} took this report .* ago. Take it over?")).wait_for()
    assert shift.at[first].page.get_by_text("You have taken this report.").is_visible()
    shift.agree()


def _the_reporter_writes_more(shift: NightShift, one: SubmittedReport) -> None:
    luk, page = shift.at["luk"], shift.at["luk"].page
    with luk.task("the reporter's answer is seen on the open page"):
        assert "Sorry" not in shift.my_report(one, "2", WROTE_MORE)
        page.get_by_text("The reporter wrote more. Look.").wait_for()
    assert WROTE_MORE not in page.content()
    luk.press(page.get_by_text("The reporter wrote more. Look."))
    page.locator(".timeline .theirs", has_text=WROTE_MORE).get_by_text("new").wait_for()
    shift.did(one, "The reporter wrote:", WROTE_MORE)
    shift.did(one, *ADDED)
    shift.contexts["luk"].add_init_script(HURRIED)  # both waits have been measured
    shift.lists["luk"].reload()


def _messages(shift: NightShift, danger: SubmittedReport, other: SubmittedReport) -> None:
    """Send a ready-made reply and an own message; both reporters read theirs with code and PIN."""
    luk, page = shift.at["luk"], shift.open("luk", danger)
    with luk.task("ready-made reply, sent"):
        luk.press(page.get_by_text("Ready-made replies"))
        luk.press(page.get_by_role("button", name=REPLY_TEMPLATES[1], exact=True))
        luk.press(page.get_by_role("button", name="Send message"))
        page.get_by_text("Sent. The reporter sees it when they next open My report.").wait_for()
    shift.did(danger, "luk wrote to the reporter:", REPLY_TEMPLATES[1])
    shift.take("mere", other)
    mere, page = shift.at["mere"], shift.at["mere"].page
    with mere.task("own message, sent"):
        page.get_by_label("Message to the reporter").fill(OWN_MESSAGE)
        mere.press(page.get_by_role("button", name="Send message"))
        page.get_by_text("Sent. The reporter sees it when they next open My report.").wait_for()
    shift.did(other, "mere wrote to the reporter:", OWN_MESSAGE)
    for one, words in ((danger, REPLY_TEMPLATES[1]), (other, OWN_MESSAGE)):
        assert words.split()[-1] in shift.my_report(one, "1")
    shift.agree()


def _note_and_pass_on(shift: NightShift, one: SubmittedReport) -> None:
    """Pass the report to the colleague who was slower, with a note; the colleague accepts it."""
    giver = shift.stored()[one.report_id].holder
    taker = "sam" if giver == "mere" else "mere"
    at, page = shift.at[giver], shift.open(giver, one)
    with at.task("note and pass on"):
        at.press(page.get_by_text("Pass on…"))
        page.get_by_label("Note for the person who takes it").fill(NOTE)
        at.press(page.get_by_role("radio", name=taker))
        at.press(page.get_by_role("button", name="Pass on", exact=True))
        page.get_by_text(f"Passed to {taker}, not accepted yet").first.wait_for()
    shift.did(one, f"{giver} passed the report to a colleague.")
    shift.did(one, f"{giver} wrote a note for colleagues:", NOTE)
    shift.agree()
    page = shift.open(taker, one)
    assert page.get_by_role("link", name="For you (1)").is_visible()
    page.locator(".timeline .note", has_text=NOTE).wait_for()
    shift.take(taker, one, "took the report over")


def _shift_change(shift: NightShift, three: list[SubmittedReport]) -> None:
    """mere goes home: she passes her reports to sam in one act, and sam accepts each of them."""
    for one in three:
        shift.take("mere", one)
    keeps = [one for one in shift.reports if shift.stored()[one.report_id].holder == "mere" and one not in three]
    mere, page = shift.at["mere"], shift.at["mere"].page
    with mere.task("give three reports to a colleague"):
        mere.press(page.get_by_role("link", name="Hand-over"))
        for one in keeps:
            page.get_by_label(f"Give {reference(one.report_id)}").uncheck()
        page.get_by_label("Note for your colleague").fill(SHIFT_NOTE)
        mere.choose(page.get_by_label("Give to"), label="sam")
        mere.press(page.get_by_role("button", name="Give the ticked reports"))
        page.locator("#said").wait_for()
    shift.agree()
    sam, page = shift.at["sam"], shift.at["sam"].page
    page.goto(shift.address)
    with sam.task("accept three reports"):
        sam.press(page.get_by_role("link", name="For you (3)"))
        for one in three:
            sam.press(page.get_by_role("button", name=f"Accept {reference(one.report_id)}"))
            page.get_by_label(f"Give {reference(one.report_id)}").wait_for()
    for one in three:
        shift.did(one, "mere passed the report to a colleague.")
        shift.did(one, "mere wrote a note for colleagues:", SHIFT_NOTE)
        shift.did(one, "sam took the report over.")
    assert page.get_by_role("link", name="For you").count() == 0
    shift.agree()


def _false_reports(shift: NightShift, withdrawn: SubmittedReport, agreed: SubmittedReport) -> None:
    """sam marks two reports as false and withdraws one mark; luk confirms the other."""
    sam, luk = shift.at["sam"], shift.at["luk"]
    for one in (withdrawn, agreed):
        shift.take("sam", one)
        with sam.task("false report, first person"):
            shift.close_report("sam", "hoax", LAUGHED)
            sam.page.get_by_text("It stays open until a second person agrees.").wait_for()
        shift.did(one, "sam marked the report as a false report. A second person must agree.")
        shift.did(one, "sam wrote why this may be a false report:", LAUGHED)
        page = shift.open("luk", one)
        page.get_by_text("sam marked this as a false report").wait_for()
    page = shift.open("sam", withdrawn)
    with sam.task("false report, withdrawn"):
        sam.press(page.get_by_role("button", name="I was wrong: withdraw this mark"))
        page.locator("#false-report").wait_for(state="detached")
    shift.did(withdrawn, "sam withdrew the mark of a false report.")
    with luk.task("false report, second person"):
        shift.close_report("luk", "hoax", LAUGHED)
        luk.page.get_by_text(f"Closed: {reference(agreed.report_id)}").wait_for()
    shift.did(agreed, "luk closed the report. Outcome: false report, confirmed by two people.")
    shift.did(agreed, "luk wrote what was done:", LAUGHED)
    shift.agree()


def _to_another_hotline(shift: NightShift, one: SubmittedReport) -> None:
    shift.take("luk", one)
    luk, page = shift.at["luk"], shift.at["luk"].page
    with luk.task("to another hotline"):
        luk.press(page.get_by_text("Pass on…"))
        luk.press(page.get_by_text("Transfer to another hotline (permanent)"))
        luk.choose(page.get_by_label("Transfer to"), index=1)
        page.locator("#why").fill(NEARER)
        luk.press(page.locator("form[action*=hand-over]").get_by_role("checkbox"))
        luk.press(page.get_by_role("button", name="Transfer", exact=True))
        page.locator("#hand-over p[role=status]").wait_for()  # requested, or already done
    shift.did(one, "luk asked to transfer the report to another hotline.")
    shift.did(one, "luk said why it was passed on:", NEARER)
    shift.did(one, "The report was transferred to another hotline.")
    until(lambda: shift.stored()[one.report_id].handling == Handling.REJECTED, "the transfer did not come about")
    shift.agree()


def _close_and_undo(shift: NightShift, undone: SubmittedReport, closed: SubmittedReport) -> None:
    mere = shift.at["mere"]
    for one in (undone, closed):
        shift.take("mere", one)
        with mere.task("close"):
            shift.close_report("mere", "helped", DONE)
            mere.page.get_by_text(f"Closed: {reference(one.report_id)}").wait_for()
        shift.did(one, "mere closed the report. Outcome: helped.")
        shift.did(one, "mere wrote what was done:", DONE)
        shift.agree()
        if one is undone:
            with mere.task("undo the closing"):
                mere.press(mere.page.get_by_role("button", name="Undo"))
                mere.page.get_by_text("The closing is undone.").wait_for()
            shift.did(one, "mere undid the closing of the report.")
            shift.agree()


def _follow_up(shift: NightShift, one: SubmittedReport) -> None:
    """Let a follow-up become due: mere's list rings until she has looked."""
    shift.take("mere", one)
    mere, page = shift.at["mere"], shift.lists["mere"]
    until(lambda: not title(page, "(!"), "the alarm for urgent reports goes on")
    before = page.evaluate("window.tones")
    with shift.database.write() as connection:
        due = update(t.holding).where(t.holding.c.report_id == one.report_id).values(follow_up_at=1_700_000_000_000_000)
        connection.execute(due)
    until(lambda: title(page, "(⏰1) "), "the title says nothing")
    page.locator(f"#due-{one.report_id}").wait_for()
    rung = "window.tones"
    until(lambda: sum(each.evaluate(rung) for each in page.context.pages) >= before + 3, "it does not ring")
    mere.page.goto(shift.address)
    with mere.task("follow-up done"):
        mere.press(mere.page.locator(f"#due-{one.report_id}"))
        mere.press(mere.page.get_by_role("button", name="Done: I have looked again"))
        mere.page.get_by_text("The follow-up is done.").wait_for()
    shift.did(one, "mere marked the follow-up as done.")
    until(lambda: not title(page, "(⏰"), "it rings on although somebody has looked")


def _every_report_is_in_one_place(shift: NightShift) -> None:
    """Check that for each person every report is under one tab, as the store says, and none is missing."""
    stored = shift.stored()
    assert stored.keys() == {one.report_id for one in shift.reports} and len(stored) == 20
    for name in NAMES:
        at = shift.at[name]
        found = Counter[str]()
        for tab in ("unassigned", "mine", "others", "closed"):
            if tab == "mine":
                with at.task("my reports"):
                    at.press(at.page.locator("#tab-mine"))
                    at.page.locator("#tab-mine[aria-current]").wait_for()
            else:
                at.page.goto(f"{shift.address}/?tab={tab}")
            rows = at.page.evaluate(ROWS)
            found.update(rows.keys())
            assert rows == {key: shift.says(stored[key]) for key in rows}
            for key in rows:
                assert tab == _tab(stored[key], name), (tab, name, stored[key])
        assert found == Counter(stored.keys()), name


def _tab(row: Any, name: str) -> str:
    if row.handling in (Handling.CLOSED, Handling.REJECTED):
        return "closed"
    if row.handling == Handling.NONE or row.handed_by:
        return "unassigned"
    return "mine" if row.holder == name else "others"


def _each_act_is_said_once(shift: NightShift) -> None:
    """Check that each timeline has exactly the acts of this night, and that no words are lost."""
    wrong = []
    for number, one in enumerate(shift.reports):
        page = shift.open("luk", one)
        found, expected = Counter(map(tuple, page.evaluate(ENTRIES))), Counter(shift.done[one.report_id])
        wrong += [f"{number}: more: {entry}" for entry in (found - expected).elements()]
        wrong += [f"{number}: missing: {entry}" for entry in (expected - found).elements()]
        if page.locator(".words blockquote", has_text=one.words).count() != 1:
            wrong.append(f"{number}: the reporter's words are not there once")
    assert wrong == [], "\n".join(wrong)


def _end_of_an_account(shift: NightShift, lead: CountingPage) -> None:
    now = shift.database.now()  # a slow machine takes longer than the five minutes for which an identity check is valid
    with shift.database.write() as connection:
        connection.execute(update(t.staff_session).values(checked_at=now, seen_at=now))
    with lead.task("end a colleague's account"):
        lead.press(lead.page.get_by_role("link", name="People", exact=True))
        sam = lead.page.locator("ul.people li", has=lead.page.get_by_role("heading", name=re.compile("^sam ")))
        lead.press(sam.get_by_role("link", name="End account…"))
        lead.press(lead.page.get_by_role("button", name="End the account"))
        lead.page.get_by_text("account ended").wait_for()
    shift.lists["sam"].get_by_role("heading", name="Log in").wait_for()  # without a reload
    lead.page.context.close()


def _lines(tasks: dict[str, Task]) -> Iterator[str]:
    for name, one in tasks.items():
        before = f" (before: {BEFORE[name]})" if name in BEFORE else ""
        yield f"{name}: {one.presses} presses{before}, {one.loads} loads, {one.scrolled:.0f} px, {one.seconds:.1f} s"
