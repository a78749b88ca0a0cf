"""The phone's page in a real Chromium, used as a person does; skipped without Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.pagination import alphabet, size
from tests.gateway.phone.page_user import LEFT, RIGHT, PageUser
from tests.house.files import ROOT
from tests.support.installation import Installation

pytestmark = pytest.mark.slow

Visit = Callable[..., PageUser]
HOME = "In danger? Call police 111."
SHOWN = ("report", "drop", "hand", "back", "tips", "speak", "text")
SIZES = [(360, 740), (768, 1024), (1280, 800)]
TO_SEND = [  # the key to press, and a word of the next screen
    ("1", "Are you or a child in danger?"),
    ("2", "What happened?"),
    ("3", "Who is this about?"),
    ("1", "How old are you?"),
    ("4", "Where are you?"),
    ("1", "May staff contact you"),
    ("1", "Send to Pikinini Helpline"),
    ("1", "Sent to Pikinini Helpline."),
]


def test_a_newcomer_is_shown_everything(visit: Visit, installation: Installation) -> None:
    user = visit()
    before = len(installation.received())
    said = {}
    for step in SHOWN:
        user.show(step)
        said[step] = user.seen(step)
        assert user.part("note").inner_text() == said[step]  # where a person looks after pressing a phone's keys
    assert said["report"].startswith("Sent means: it is on the disk.")
    assert said["drop"].startswith("The same first screen, letter for letter.")
    assert said["hand"] == "Letter for letter the screen of the phone beside it, which never reported."
    installation.until_received(lambda lines: len(lines) > before, "the shown report never came to its hotline")
    if os.environ.get("DRAW_PHONE"):
        _draw(visit(width=1280, height=810))


def _draw(user: PageUser) -> None:
    """Take the picture of the docs: one phone has just sent, the other shows home, and the hotline has the report."""
    user.show("hand")
    user.seen("hand")
    before = user.inbox.locator("article").count()
    user.show("report")
    user.reads("Sent to Pikinini Helpline.")
    user.inbox.locator("article").nth(before).wait_for()
    user.page.mouse.move(5, 5)
    user.page.evaluate("scrollTo(0, 0)")
    user.page.screenshot(path=ROOT / "docs" / "phone.png")


def test_the_hotline_beside_the_phone_has_the_report_that_was_sent(visit: Visit) -> None:
    user = visit()
    before = user.inbox.locator("article").count()
    user.show("report")
    user.seen("report")
    user.inbox.locator("article").nth(before).wait_for()
    newest = user.inbox.locator("article").first.inner_text()
    assert "Asked for photos or money (grooming, blackmail)" in newest and "The reporter, 13-15 years" in newest
    assert user.page.locator("#to-hotline").is_visible()
    assert "signature checked" in newest


def test_showing_can_be_stopped_where_one_looks(visit: Visit) -> None:
    user = visit(width=360, height=740, hurried=False)
    user.show("report")
    user.reads(HOME)
    stop = user.page.get_by_role("button", name="Stop showing")
    box = stop.bounding_box()
    assert 0 <= box["y"] <= 740 - box["height"]
    stop.click()
    assert not stop.is_visible()
    assert user.page.locator("[data-show=report]").inner_text().startswith("Show me")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 800)])
def test_a_phone_and_its_keys_are_on_the_first_screen(visit: Visit, width: int, height: int) -> None:
    user = visit(width=width, height=height)
    assert user.page.evaluate("scrollY") == 0
    for name in ("glass", "keys"):
        box = user.part(name).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
        assert box["x"] >= 0 and box["x"] + box["width"] <= width


def test_a_small_phone_shows_seven_lines_and_asks_after_reply(visit: Visit) -> None:
    user = visit()
    first = user.dial()
    screen = user.part("screen")
    lines = screen.evaluate("one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)")
    assert 5 <= lines < 8
    assert user.part("mark").is_visible() and not user.part("line").is_visible()
    user.do("down")
    assert screen.evaluate("one => one.scrollTop") > 0
    user.soft("Options")
    assert user.screen() == "1 Reply\n2 Hang up"
    user.soft("Back")
    assert user.screen() == first
    user.soft("Options")
    user.do("down")
    user.soft("Select")
    user.reads("Green key")
    user.dial()
    user.soft("Reply")
    assert user.part("line").is_visible() and not screen.is_visible()
    user.soft("Back")
    assert user.screen() == first
    user.choose("size", "Larger phone")
    assert user.screen() == first and user.part("line").is_visible()
    assert not user.part("mark").is_visible()


def test_a_whole_report_by_the_keyboard_alone(visit: Visit, installation: Installation) -> None:
    user = visit()
    keyboard, before = user.page.keyboard, len(installation.received())
    for key in ("Tab", "Enter", "Tab", "Enter"):  # past the page's header, to the first phone's screen
        keyboard.press(key)
    user.reads(HOME)
    for key, then in TO_SEND:
        keyboard.type(key)
        keyboard.press("Enter")
        user.reads(then)
    keyboard.type("Somebody I do not know writes to me.")
    keyboard.press("Enter")
    user.reads("Added. You can write more.")
    keyboard.press("Escape")
    user.reads("Green key")
    installation.until_received(lambda lines: len(lines) >= before + 2, "the report or its words never came")
    created, updated = (line["body"]["data"] for line in installation.received()[before:][:2])
    assert (created["channel"], created["category"], created["contact"]["allowed"]) == ("simulator", "luring", False)
    assert updated["narrative"] == "Somebody I do not know writes to me."


@pytest.mark.rule("S-04")
def test_a_redial_after_a_drop_and_another_person_see_what_everybody_sees(visit: Visit) -> None:
    user = visit()
    first = user.dial()
    for key, then in TO_SEND[:5]:
        user.answer(key, then)
    user.do("drop")
    user.reads("The call was dropped.")
    assert user.dial() == first
    assert user.seen("drop").startswith("The same first screen")
    for key, then in TO_SEND:
        user.answer(key, then)
    user.do("end")
    user.do("hand")
    assert user.part("holder").inner_text() == "Her brother has this phone"
    assert user.dial() == user.dial(RIGHT) == first
    assert user.seen("hand").endswith("which never reported.")


def test_what_is_said_of_two_screens_was_compared(visit: Visit) -> None:
    """The test changes a word on the second phone's first screen."""
    user = visit()
    user.dial()
    user.do("end")
    user.page.route("**/hooks/simulator", _changed)
    user.dial(RIGHT)
    user.page.unroute("**/hooks/simulator")
    user.do("hand")
    user.dial()
    user.page.locator("[data-step=hand][data-state=wrong]").wait_for()
    assert "They never should" in user.part("note").inner_text()


def _changed(route: Any) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("Report", "Go on"))


def test_whoever_picks_it_up_in_mid_call_sees_the_screen_that_is_open(visit: Visit) -> None:
    user = visit()
    user.dial()
    open_screen = user.answer("1", "Are you or a child in danger?")
    user.do("hand")
    assert user.screen() == open_screen
    assert "00 or the red key" in user.part("note").inner_text()
    user.press("00")
    user.soft("Send")
    user.reads("Thank you. Goodbye.")


@pytest.mark.rule("S-05")
def test_texts_stay_until_they_are_deleted(visit: Visit) -> None:
    user = visit(hurried=False)
    user.soft("Messages")
    user.soft("Messages", RIGHT)
    untouched = user.reads("No messages.", RIGHT)
    user.press("777733777")  # s, e, r: each by several presses of one key
    assert user.line() == "ser"
    for _ in range(3):
        user.soft("Clear")
    assert user.line() == ""
    user.part("line").fill("REPORT")
    user.soft("Send")
    thread = user.reads("Texts stay on this phone. Delete them after.")
    assert thread.startswith("Sent:\nREPORT\nReceived:\nIn danger? Call police 111.")
    user.do("hand")
    assert user.screen() == thread  # the text says so before the first question
    user.soft("Options")
    user.press("2")  # Delete
    assert user.reads("No messages.") == untouched


def test_a_text_that_is_answered_while_something_else_is_open_waits_in_the_inbox(visit: Visit) -> None:
    user = visit()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    user.page.route("**/hooks/simulator", hold)
    user.soft("Messages")
    user.soft("Reply")
    user.part("line").fill("REPORT")
    user.soft("Send")
    user.do("end")
    while not held:
        user.page.wait_for_timeout(20)
    held[0].continue_()
    assert user.reads("1 new message").startswith("1 new message")
    user.soft("Messages")
    user.reads("Texts stay on this phone.")
    user.page.unroute_all()


def test_a_text_that_had_to_wait_gets_its_answer_later(visit: Visit, installation: Installation) -> None:
    """While Redis is unavailable the text is stored; it is answered when Redis is back."""
    user = visit(hurried=False)
    installation.kill("valkey")
    try:
        user.soft("Messages")
        user.soft("Reply")
        user.part("line").fill("REPORT")
        with user.page.expect_response("**/hooks/simulator") as answered:
            user.soft("Send")
        assert answered.value.json()["text"] == ""
    finally:
        installation.start("valkey")
    user.reads("Texts stay on this phone.")


def test_letters_digits_and_a_held_key(visit: Visit) -> None:
    user = visit(hurried=False)
    user.dial()
    for key, then in TO_SEND:
        user.answer(key, then)
    user.press("1")  # begins an answer on an empty line
    assert (user.line(), user.part("mode").inner_text()) == ("1", "123")
    user.soft("Clear")
    user.press("#")
    assert user.part("note").inner_text() == "The keys type small letters now."
    user.press("44335557")
    assert (user.line(), user.part("mode").inner_text()) == ("help", "abc")
    user.press("0")
    user.page.locator(f'.{LEFT} [data-key="9"]').click(delay=900)
    assert user.line() == "help 9"
    user.press("#2")
    assert user.line() == "help 9A"


def test_country_and_language(visit: Visit) -> None:
    user = visit()
    assert user.page.locator("#country option").all_inner_texts() == ["Vanuatu", "Fiji", "Kenya"]
    assert user.page.locator("#language option").all_inner_texts() == ["English", "Bislama", "Francais"]
    first = user.dial()
    user.choose("language", "Bislama")
    user.do("call")
    assert user.reads("Long denja? Kolem") != first
    user.choose("country", "Kenya")
    assert "*384*123#" in user.screen() and "22384" in user.screen()
    assert user.part("number").inner_text().startswith("+254")
    user.choose("language", "Kiswahili")
    user.do("call")
    assert "999" in user.reads("Uko hatarini? Pigia")


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("mode", ["demo", "training"])
def test_training_says_so(visit: Visit, mode: str) -> None:
    user = visit()
    user.page.route("**/world.json", lambda route: _told(route, mode))
    user.page.reload()
    user.page.wait_for_selector("body[data-ready]")
    assert user.page.get_by_text("Training. No report from here is real").is_visible() is (mode == "training")
    assert user.page.get_by_text("nothing is sent to anybody").is_visible() is (mode == "demo")


def _told(route: Any, mode: str) -> None:
    route.fulfill(json={**route.fetch().json(), "mode": mode})


def test_the_screen_is_counted_as_networks_count_it(visit: Visit) -> None:
    user = visit()
    for text in ("Hello", HOME, "é" * 9, "ʻofa", "a[b]", "€", "Écrire", "ü" * 160, "\N{GRINNING FACE}a", "õ" * 70):
        used = user.page.evaluate("text => import('/phone/network.js').then(({ measure }) => measure(text))", text)
        assert used == {"used": size(text), "of": 160 if alphabet(text) == "gsm7" else 70}, text
    user.dial()
    assert (
        user.part("meter").inner_text()
        == f"{user.part('number').inner_text()} · {len(user.screen())} of 160 characters"
    )


def test_an_answer_that_was_lost_is_asked_for_again_and_counts_once(visit: Visit) -> None:
    user = visit(quiet=False)
    user.dial()
    lost = []

    def lose_the_first(route: Any) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch())
            route.abort()

    user.page.route("**/hooks/simulator", lose_the_first)
    user.answer("1", "Are you or a child in danger?")
    assert len(lost) == 1
    user.page.unroute_all()
    user.answer("2", "What happened?")


def test_without_a_network_it_says_so_and_the_next_call_works(visit: Visit) -> None:
    user = visit(quiet=False)
    user.page.route("**/hooks/simulator", lambda route: route.abort())
    user.do("call")
    user.reads("No answer from the network. Please call again.")
    user.page.unroute_all()
    user.soft("OK")
    user.dial()


def test_it_calls_the_code_and_nobody_else(visit: Visit) -> None:
    user = visit()
    user.press("111")
    user.do("call")
    assert user.reads("No call leaves this page.") == "This phone calls only *111*163#. No call leaves this page."
    assert not any("hooks" in address for address in user.opened.asked)


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_axe_finds_nothing_and_nothing_is_cut_off(
    visit: Visit, width: int, height: int, dark: bool, tmp_path: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    user = visit(width=width, height=height, dark=dark, quiet=False)  # axe logs a message about the frame

    def looked_at(state: str) -> None:
        found = axe.run(user.page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], state
        assert user.page.evaluate("document.documentElement.scrollWidth") <= width
        if os.environ.get("DRAW_PHONE"):  # for people to look at; a full picture is slow
            user.page.screenshot(path=tmp_path / f"{state}-{width}.png", full_page=True)

    looked_at("idle")
    user.show("report")
    user.seen("report")
    looked_at("sent")
    user.soft("Options")
    looked_at("options")
    user.do("end")
    user.soft("Messages")
    user.soft("Reply")
    looked_at("reply")
    user.part("line").fill("REPORT")
    user.page.locator(f".{LEFT}:not(.waiting)").wait_for()  # no text can be sent while a reply is awaited
    user.soft("Send")
    user.reads("Texts stay")
    looked_at("texts")
    user.do("hand")
    user.dial(RIGHT)
    user.choose("size", "Larger phone")
    looked_at("larger")
    user.do("drop", RIGHT)
    user.reads("The call was dropped.", RIGHT)
    looked_at("dropped")
    user.page.goto(user.page.locator("#hotline-alone").get_attribute("href"))
    user.page.locator("details summary").first.click()
    user.page.evaluate("window.refusals = []")
    looked_at("inbox")


def test_axe_finds_what_is_planted(visit: Visit) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    user = visit(quiet=False)
    user.choose("size", "Larger phone")  # its answer line is always visible
    user.page.evaluate("document.querySelector('.line').removeAttribute('aria-label')")
    assert [one["id"] for one in axe.run(user.page).response["violations"]] == ["label"]


@pytest.mark.rule("A-17")
def test_a_script_that_was_put_into_the_page_does_not_run(visit: Visit) -> None:
    user = visit(quiet=False)
    user.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const picture = document.createElement("div");
            picture.innerHTML = '<img src="/phone/icon.svg" onload="window.ran = true" style="width: 1px">';
            document.body.append(picture);
        }"""
    )
    user.page.wait_for_function("window.refusals.length >= 3")
    assert user.page.evaluate("window.ran") is None
    assert set(user.opened.refusals) == {"script-src-elem", "script-src-attr", "style-src-attr"}
    user.page.evaluate("window.refusals = []")
