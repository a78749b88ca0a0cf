"""The phone's page in a real Chromium, used as a person does; skipped without Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.pagination import alphabet, size
from tests.gateway.phone.hand import LEFT, RIGHT, Hand
from tests.house.files import ROOT
from tests.support.installation import Installation

pytestmark = pytest.mark.slow

Visit = Callable[..., Hand]
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
    hand = visit()
    before = len(installation.received())
    said = {}
    for step in SHOWN:
        hand.show(step)
        said[step] = hand.seen(step)
        assert hand.part("note").inner_text() == said[step]  # where a person looks after pressing a phone's keys
    assert said["report"].startswith("Sent means: it is on the disk.")
    assert said["drop"].startswith("The same first screen, letter for letter.")
    assert said["hand"] == "Letter for letter the screen of the phone beside it, which never reported."
    installation.until_received(lambda lines: len(lines) > before, "the shown report never came to its hotline")
    if os.environ.get("DRAW_PHONE"):
        _draw(visit(width=1280, height=810))


def _draw(hand: Hand) -> None:
    """Take the picture of the docs: one phone has just sent, the other shows home, and the hotline has the report."""
    hand.show("hand")
    hand.seen("hand")
    before = hand.inbox.locator("article").count()
    hand.show("report")
    hand.reads("Sent to Pikinini Helpline.")
    hand.inbox.locator("article").nth(before).wait_for()
    hand.page.mouse.move(5, 5)
    hand.page.evaluate("scrollTo(0, 0)")
    hand.page.screenshot(path=ROOT / "docs" / "phone.png")


def test_the_hotline_beside_the_phone_has_the_report_that_was_sent(visit: Visit) -> None:
    hand = visit()
    before = hand.inbox.locator("article").count()
    hand.show("report")
    hand.seen("report")
    hand.inbox.locator("article").nth(before).wait_for()
    newest = hand.inbox.locator("article").first.inner_text()
    assert "Asked for photos or money (grooming, blackmail)" in newest and "The reporter, 13-15 years" in newest
    assert hand.page.locator("#to-hotline").is_visible()
    assert "signature checked" in newest


def test_showing_can_be_stopped_where_one_looks(visit: Visit) -> None:
    hand = visit(width=360, height=740, hurried=False)
    hand.show("report")
    hand.reads(HOME)
    stop = hand.page.get_by_role("button", name="Stop showing")
    box = stop.bounding_box()
    assert 0 <= box["y"] <= 740 - box["height"]
    stop.click()
    assert not stop.is_visible()
    assert hand.page.locator("[data-show=report]").inner_text().startswith("Show me")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 800)])
def test_a_phone_and_its_keys_are_on_the_first_screen(visit: Visit, width: int, height: int) -> None:
    hand = visit(width=width, height=height)
    assert hand.page.evaluate("scrollY") == 0
    for name in ("glass", "keys"):
        box = hand.part(name).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
        assert box["x"] >= 0 and box["x"] + box["width"] <= width


def test_a_small_phone_shows_seven_lines_and_asks_after_reply(visit: Visit) -> None:
    hand = visit()
    first = hand.dial()
    screen = hand.part("screen")
    lines = screen.evaluate("one => one.clientHeight / parseFloat(getComputedStyle(one).lineHeight)")
    assert 5 <= lines < 8
    assert hand.part("mark").is_visible() and not hand.part("line").is_visible()
    hand.do("down")
    assert screen.evaluate("one => one.scrollTop") > 0
    hand.soft("Options")
    assert hand.screen() == "1 Reply\n2 Hang up"
    hand.soft("Back")
    assert hand.screen() == first
    hand.soft("Options")
    hand.do("down")
    hand.soft("Select")
    hand.reads("Green key")
    hand.dial()
    hand.soft("Reply")
    assert hand.part("line").is_visible() and not screen.is_visible()
    hand.soft("Back")
    assert hand.screen() == first
    hand.choose("size", "Larger phone")
    assert hand.screen() == first and hand.part("line").is_visible()
    assert not hand.part("mark").is_visible()


def test_a_whole_report_by_the_keyboard_alone(visit: Visit, installation: Installation) -> None:
    hand = visit()
    keyboard, before = hand.page.keyboard, len(installation.received())
    for key in ("Tab", "Enter", "Tab", "Enter"):  # past the page's header, to the first phone's screen
        keyboard.press(key)
    hand.reads(HOME)
    for key, then in TO_SEND:
        keyboard.type(key)
        keyboard.press("Enter")
        hand.reads(then)
    keyboard.type("Somebody I do not know writes to me.")
    keyboard.press("Enter")
    hand.reads("Added. You can write more.")
    keyboard.press("Escape")
    hand.reads("Green key")
    installation.until_received(lambda lines: len(lines) >= before + 2, "the report or its words never came")
    created, updated = (line["body"]["data"] for line in installation.received()[before:][:2])
    assert (created["channel"], created["category"], created["contact"]["allowed"]) == ("simulator", "luring", False)
    assert updated["narrative"] == "Somebody I do not know writes to me."


@pytest.mark.rule("S-04")
def test_a_redial_after_a_drop_and_another_person_see_what_everybody_sees(visit: Visit) -> None:
    hand = visit()
    first = hand.dial()
    for key, then in TO_SEND[:5]:
        hand.answer(key, then)
    hand.do("drop")
    hand.reads("The call was dropped.")
    assert hand.dial() == first
    assert hand.seen("drop").startswith("The same first screen")
    for key, then in TO_SEND:
        hand.answer(key, then)
    hand.do("end")
    hand.do("hand")
    assert hand.part("holder").inner_text() == "Her brother has this phone"
    assert hand.dial() == hand.dial(RIGHT) == first
    assert hand.seen("hand").endswith("which never reported.")


def test_what_is_said_of_two_screens_was_compared(visit: Visit) -> None:
    """The test changes a word on the second phone's first screen."""
    hand = visit()
    hand.dial()
    hand.do("end")
    hand.page.route("**/hooks/simulator", _changed)
    hand.dial(RIGHT)
    hand.page.unroute("**/hooks/simulator")
    hand.do("hand")
    hand.dial()
    hand.page.locator("[data-step=hand][data-state=wrong]").wait_for()
    assert "They never should" in hand.part("note").inner_text()


def _changed(route: Any) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("Report", "Go on"))


def test_whoever_picks_it_up_in_mid_call_sees_the_screen_that_is_open(visit: Visit) -> None:
    hand = visit()
    hand.dial()
    open_screen = hand.answer("1", "Are you or a child in danger?")
    hand.do("hand")
    assert hand.screen() == open_screen
    assert "00 or the red key" in hand.part("note").inner_text()
    hand.press("00")
    hand.soft("Send")
    hand.reads("Thank you. Goodbye.")


@pytest.mark.rule("S-05")
def test_texts_stay_until_they_are_deleted(visit: Visit) -> None:
    hand = visit(hurried=False)
    hand.soft("Messages")
    hand.soft("Messages", RIGHT)
    untouched = hand.reads("No messages.", RIGHT)
    hand.press("777733777")  # s, e, r: each by several presses of one key
    assert hand.line() == "ser"
    for _ in range(3):
        hand.soft("Clear")
    assert hand.line() == ""
    hand.part("line").fill("REPORT")
    hand.soft("Send")
    thread = hand.reads("Texts stay on this phone. Delete them after.")
    assert thread.startswith("Sent:\nREPORT\nReceived:\nIn danger? Call police 111.")
    hand.do("hand")
    assert hand.screen() == thread  # the text says so before the first question
    hand.soft("Options")
    hand.press("2")  # Delete
    assert hand.reads("No messages.") == untouched


def test_a_text_that_is_answered_while_something_else_is_open_waits_in_the_inbox(visit: Visit) -> None:
    hand = visit()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    hand.page.route("**/hooks/simulator", hold)
    hand.soft("Messages")
    hand.soft("Reply")
    hand.part("line").fill("REPORT")
    hand.soft("Send")
    hand.do("end")
    while not held:
        hand.page.wait_for_timeout(20)
    held[0].continue_()
    assert hand.reads("1 new message").startswith("1 new message")
    hand.soft("Messages")
    hand.reads("Texts stay on this phone.")
    hand.page.unroute_all()


def test_a_text_that_had_to_wait_gets_its_answer_later(visit: Visit, installation: Installation) -> None:
    """While Redis is unavailable the text is stored; it is answered when Redis is back."""
    hand = visit(hurried=False)
    installation.kill("valkey")
    try:
        hand.soft("Messages")
        hand.soft("Reply")
        hand.part("line").fill("REPORT")
        with hand.page.expect_response("**/hooks/simulator") as answered:
            hand.soft("Send")
        assert answered.value.json()["text"] == ""
    finally:
        installation.start("valkey")
    hand.reads("Texts stay on this phone.")


def test_letters_digits_and_a_held_key(visit: Visit) -> None:
    hand = visit(hurried=False)
    hand.dial()
    for key, then in TO_SEND:
        hand.answer(key, then)
    hand.press("1")  # begins an answer on an empty line
    assert (hand.line(), hand.part("mode").inner_text()) == ("1", "123")
    hand.soft("Clear")
    hand.press("#")
    assert hand.part("note").inner_text() == "The keys type small letters now."
    hand.press("44335557")
    assert (hand.line(), hand.part("mode").inner_text()) == ("help", "abc")
    hand.press("0")
    hand.page.locator(f'.{LEFT} [data-key="9"]').click(delay=900)
    assert hand.line() == "help 9"
    hand.press("#2")
    assert hand.line() == "help 9A"


def test_country_and_language(visit: Visit) -> None:
    hand = visit()
    assert hand.page.locator("#country option").all_inner_texts() == ["Vanuatu", "Fiji", "Kenya"]
    assert hand.page.locator("#language option").all_inner_texts() == ["English", "Bislama", "Francais"]
    first = hand.dial()
    hand.choose("language", "Bislama")
    hand.do("call")
    assert hand.reads("Long denja? Kolem") != first
    hand.choose("country", "Kenya")
    assert "*384*123#" in hand.screen() and "22384" in hand.screen()
    assert hand.part("number").inner_text().startswith("+254")
    hand.choose("language", "Kiswahili")
    hand.do("call")
    assert "999" in hand.reads("Uko hatarini? Pigia")


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("mode", ["demo", "training"])
def test_training_says_so(visit: Visit, mode: str) -> None:
    hand = visit()
    hand.page.route("**/world.json", lambda route: _told(route, mode))
    hand.page.reload()
    hand.page.wait_for_selector("body[data-ready]")
    assert hand.page.get_by_text("Training. No report from here is real").is_visible() is (mode == "training")
    assert hand.page.get_by_text("nothing is sent to anybody").is_visible() is (mode == "demo")


def _told(route: Any, mode: str) -> None:
    route.fulfill(json={**route.fetch().json(), "mode": mode})


def test_the_screen_is_counted_as_networks_count_it(visit: Visit) -> None:
    hand = visit()
    for text in ("Hello", HOME, "é" * 9, "ʻofa", "a[b]", "€", "Écrire", "ü" * 160, "\N{GRINNING FACE}a", "õ" * 70):
        used = hand.page.evaluate("text => import('/phone/network.js').then(({ measure }) => measure(text))", text)
        assert used == {"used": size(text), "of": 160 if alphabet(text) == "gsm7" else 70}, text
    hand.dial()
    assert (
        hand.part("meter").inner_text()
        == f"{hand.part('number').inner_text()} · {len(hand.screen())} of 160 characters"
    )


def test_an_answer_that_was_lost_is_asked_for_again_and_counts_once(visit: Visit) -> None:
    hand = visit(quiet=False)
    hand.dial()
    lost = []

    def lose_the_first(route: Any) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch())
            route.abort()

    hand.page.route("**/hooks/simulator", lose_the_first)
    hand.answer("1", "Are you or a child in danger?")
    assert len(lost) == 1
    hand.page.unroute_all()
    hand.answer("2", "What happened?")


def test_without_a_network_it_says_so_and_the_next_call_works(visit: Visit) -> None:
    hand = visit(quiet=False)
    hand.page.route("**/hooks/simulator", lambda route: route.abort())
    hand.do("call")
    hand.reads("No answer from the network. Please call again.")
    hand.page.unroute_all()
    hand.soft("OK")
    hand.dial()


def test_it_calls_the_code_and_nobody_else(visit: Visit) -> None:
    hand = visit()
    hand.press("111")
    hand.do("call")
    assert hand.reads("No call leaves this page.") == "This phone calls only *111*163#. No call leaves this page."
    assert not any("hooks" in address for address in hand.opened.asked)


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_axe_finds_nothing_and_nothing_is_cut_off(
    visit: Visit, width: int, height: int, dark: bool, tmp_path: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    hand = visit(width=width, height=height, dark=dark, quiet=False)  # axe logs a message about the frame

    def looked_at(state: str) -> None:
        found = axe.run(hand.page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], state
        assert hand.page.evaluate("document.documentElement.scrollWidth") <= width
        if os.environ.get("DRAW_PHONE"):  # for people to look at; a full picture is slow
            hand.page.screenshot(path=tmp_path / f"{state}-{width}.png", full_page=True)

    looked_at("idle")
    hand.show("report")
    hand.seen("report")
    looked_at("sent")
    hand.soft("Options")
    looked_at("options")
    hand.do("end")
    hand.soft("Messages")
    hand.soft("Reply")
    looked_at("reply")
    hand.part("line").fill("REPORT")
    hand.page.locator(f".{LEFT}:not(.waiting)").wait_for()  # no text can be sent while a reply is awaited
    hand.soft("Send")
    hand.reads("Texts stay")
    looked_at("texts")
    hand.do("hand")
    hand.dial(RIGHT)
    hand.choose("size", "Larger phone")
    looked_at("larger")
    hand.do("drop", RIGHT)
    hand.reads("The call was dropped.", RIGHT)
    looked_at("dropped")
    hand.page.goto(hand.page.locator("#hotline-alone").get_attribute("href"))
    hand.page.locator("details summary").first.click()
    hand.page.evaluate("window.refusals = []")
    looked_at("inbox")


def test_axe_finds_what_is_planted(visit: Visit) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    hand = visit(quiet=False)
    hand.choose("size", "Larger phone")  # its answer line is always visible
    hand.page.evaluate("document.querySelector('.line').removeAttribute('aria-label')")
    assert [one["id"] for one in axe.run(hand.page).response["violations"]] == ["label"]


@pytest.mark.rule("A-17")
def test_a_script_that_was_put_into_the_page_does_not_run(visit: Visit) -> None:
    hand = visit(quiet=False)
    hand.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const picture = document.createElement("div");
            picture.innerHTML = '<img src="/phone/icon.svg" onload="window.ran = true" style="width: 1px">';
            document.body.append(picture);
        }"""
    )
    hand.page.wait_for_function("window.refusals.length >= 3")
    assert hand.page.evaluate("window.ran") is None
    assert set(hand.opened.refusals) == {"script-src-elem", "script-src-attr", "style-src-attr"}
    hand.page.evaluate("window.refusals = []")
