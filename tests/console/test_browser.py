"""The console in a real Chromium: a whole report by keyboard, in three sizes, and without scripts."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests

from console.auth.invitations import InvitedAccount, invite
from reports.store.engine.database import Database
from tests.house.files import ROOT
from tests.support.fork_server import start_python
from tests.support.installation import Installation
from tests.support.ports import free_port
from tests.support.staff import PASSWORD
from tests.support.wait import until

pytestmark = pytest.mark.slow

SIZES = [(360, 740), (768, 1024), (1280, 900)]
PLANTED = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
MESSAGE = "Hello. We have read it. When can you talk?"
SENTENCE = "Somebody I do not know writes to me."
REPLIES = ("1", "2", "3", "1", "4", "1", "1", "1")


class ConsoleSite:
    """An installation, its console as a process of its own, and people with their authenticators."""

    def __init__(self, installation: Installation, host: str = "127.0.0.1") -> None:
        self.installation = installation
        self.port = free_port()
        self.address = f"http://{host}:{self.port}"
        environment = {**installation.environment, "CONSOLE_URL": self.address}
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "console" / "gunicorn.conf.py")]
        command += ["--workers", "1", "--bind", f"127.0.0.1:{self.port}", "console.app:create_app()"]
        with (installation.folder / "desk.log").open("ab") as log:
            self.process = start_python(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
        until(self.answers, f"the console does not start: {installation.folder / 'desk.log'}", seconds=60)
        self.secrets: dict[str, str] = {}
        self.steps: dict[str, int] = {}

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def down(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def link(self, name: str, role: str = "staff", hotline: str = "vu-pikinini") -> str:
        database = Database(f"sqlite:///{self.installation.environment['TOKAUT_DATA']}/tokaut.db")
        made = invite(database, self.address, InvitedAccount(name, hotline, role), "staff:vu-pikinini/ana")
        database.close()
        return made

    def code(self, name: str) -> str:
        """Return an unused code; like a person, wait for it if necessary."""
        until(lambda: int(time.time()) // 30 + 1 > self.steps.get(name, 0), "no new code", seconds=70)
        self.steps[name] = max(self.steps.get(name, 0) + 1, int(time.time()) // 30)
        return pyotp.TOTP(self.secrets[name]).at(self.steps[name] * 30)

    def file(self, phone: str) -> list[str]:
        """Send a report with words; return every screen."""
        handset = self.installation.ussd_phone("simulator", phone)
        screens = [handset.dial().text]
        screens += [handset.type(reply).text for reply in (*REPLIES, "1", SENTENCE)]
        handset.drop_call()
        return screens


@pytest.fixture(scope="module")
def site() -> Iterator[ConsoleSite]:
    installation = Installation().up()
    site = ConsoleSite(installation)
    yield site
    site.down()
    installation.down()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    found: list[Any] = []

    def open_it(address: str, **how: Any) -> Any:
        one = chromium.open(address, hurried=False, **how)
        found.append(one)
        return one

    yield open_it
    for one in found:
        assert one.refusals == [], "nothing was stopped by the policy, for nothing tried"
        one.close()


def join(site: ConsoleSite, page: Any, name: str, role: str = "staff", hotline: str = "vu-pikinini") -> None:
    page.goto(site.link(name, role, hotline))  # a script reads the code from the fragment
    make_account(site, page, name)


def make_account(site: ConsoleSite, page: Any, name: str) -> None:
    page.get_by_role("heading", name="Your account").wait_for()
    site.secrets[name] = page.locator("code.letters").inner_text().replace(" ", "")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_label("The code that it shows now").fill(site.code(name))
    page.get_by_role("button", name="Make my account").click()
    page.get_by_role("heading", name="Done").wait_for()


def log_in(site: ConsoleSite, page: Any, name: str) -> None:
    page.goto(f"{site.address}/login")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("6-digit code from your authenticator app").fill(site.code(name))
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name=re.compile("Reports")).wait_for()


def load(page: Any) -> str:
    page.reload()
    return str(page.locator("main").inner_text())


def looked_at(page: Any, name: str, width: int, folder: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_from_the_invitation_to_the_answer_on_the_phone(
    site: ConsoleSite, opened: Callable[..., Any], width: int, height: int, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    name, phone = f"mere{width}", f"+67855501{width % 100:02}"
    page = opened(f"{site.address}/login", width=width, height=height).page
    looked_at(page, "login", width, folder)
    page.goto(site.link(f"x{width}"))
    page.get_by_role("heading", name="Your account").wait_for()
    looked_at(page, "join", width, folder)
    join(site, page, name)
    log_in(site, page, name)
    screens = site.file(phone)
    code = re.search(r"Code (\d{4}) (\d{4})\s+PIN (\d{4})", "\n".join(screens))
    assert code, screens[-2:]
    line = page.locator("li.report", has_text="Nobody").or_(page.locator("li.report", has_text="Take within")).last
    line.wait_for(timeout=30_000)  # the page refreshes by itself
    looked_at(page, "queue", width, folder)
    page.locator("li.report a").last.click()
    page.wait_for_url("**/reports/*")
    until(lambda: SENTENCE in load(page), "the words never came", seconds=40)
    page.get_by_role("button", name="Take this report").click()
    page.get_by_text(f"Taken by: {name}").wait_for()
    page.get_by_label("Message to the reporter").fill(MESSAGE)
    page.locator("#preview", has_text=MESSAGE).wait_for()
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("Not sent yet.").wait_for()
    page.get_by_text("42 of 120 characters").wait_for()
    looked_at(page, "report", width, folder)
    page.get_by_role("button", name="Send message").click()
    page.locator(".timeline .ours", has_text=MESSAGE).wait_for()
    handset = site.installation.ussd_phone("simulator", phone)
    handset.dial()
    for reply in ("3", code[1] + code[2], code[3], "1"):
        screen = handset.type(reply).text
    assert "When can you talk?" in screen
    page.get_by_label("What was done?").fill("Called the aunt.")
    page.get_by_label("Outcome", exact=True).select_option("helped")
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("heading", name=re.compile("Reports")).wait_for()
    for path, what in (("/me", "me"), ("/help", "help"), ("/nowhere", "fault")):
        page.goto(site.address + path)
        looked_at(page, what, width, folder)


def test_esc_twice_blanks_the_page_and_the_password_brings_it_back(
    site: ConsoleSite, opened: Callable[..., Any]
) -> None:
    page = opened(f"{site.address}/login").page
    join(site, page, "luk")
    log_in(site, page, "luk")
    page.wait_for_selector("body[data-ready]")  # its script handles keys from then on
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Locked").wait_for()
    assert "Urgent reports waiting" in page.locator("main").inner_text()
    page.go_back()  # to the login page, without the earlier content
    page.get_by_label("Name").wait_for()
    page.goto(site.address)
    page.get_by_role("heading", name="Locked").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=re.compile("Reports")).wait_for()


def test_by_the_keyboard_alone_and_without_a_script(site: ConsoleSite, chromium: Any) -> None:
    site.file("+6785550177")
    context = chromium.chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.link("eti"))
    page.get_by_label("Code of your invitation").fill(page.url.partition("#")[2])
    page.get_by_role("button", name="Continue").click()
    make_account(site, page, "eti")
    page.goto(f"{site.address}/login")
    page.locator("#name").focus()
    for text in ("eti", PASSWORD, site.code("eti")):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=re.compile("Reports")).wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if "/reports/" in (page.locator(":focus").get_attribute("href") or ""):
            break
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Take this report").wait_for()
    until(lambda: SENTENCE in load(page), "the words never came", seconds=40)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == "Take this report":
            break
    page.keyboard.press("Enter")
    page.get_by_text("Taken by: eti").wait_for()
    context.close()


@pytest.mark.rule("A-17")
@pytest.mark.rule("X-16")
def test_a_planted_script_does_not_run(site: ConsoleSite, chromium: Any) -> None:
    """The policy holds even without escaping: a script in the page itself is blocked."""

    def planted(route: Any) -> None:
        answer = route.fetch()
        body = answer.text().replace("</main>", f"{PLANTED}</main>")
        route.fulfill(response=answer, body=body)

    one = chromium.open(f"{site.address}/login", hurried=False, served=planted)
    assert one.page.title() != "ran"
    assert one.refusals
    one.close()


def test_what_one_tab_ends_is_gone_from_the_others(site: ConsoleSite, opened: Callable[..., Any]) -> None:
    one = opened(f"{site.address}/login").page
    join(site, one, "tom")
    log_in(site, one, "tom")
    other = one.context.new_page()
    for end in ("Hide screen", "Log out"):
        other.goto(f"{site.address}/help")
        other.get_by_role("heading", name="Help").wait_for()
        one.get_by_role("button", name=end, exact=True).click()
        other.get_by_label("Password").wait_for()
        assert other.get_by_role("heading", name="Help").count() == 0
        if end == "Hide screen":
            assert other.url.endswith("/locked?then=%2Fhelp"), "and the password brings it back"
            other.wait_for_selector("body[data-ready]")  # by then it has notified the other tabs
            one.get_by_label("Password").fill(PASSWORD)
            one.keyboard.press("Enter")
            one.get_by_role("heading", name=re.compile("Reports")).wait_for()
    other.close()
