"""Single paths through the report and Add more. test_all_paths.py has all paths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.engine import apply_outcome, initial_state, render, step
from flows.model import FlowState, ScreenContext
from tests.flows.phone import LIMITS, NOON, book, world


def _short(here: ScreenContext) -> Iterator[FlowState]:
    limit = LIMITS["ussd"]
    for danger, category in (("1", "1"), ("2", "4"), ("3", "7")):
        state = FlowState("report.danger")
        for _ in range(9):
            if state.screen == "report.send":
                break
            reply = {"report.danger": danger, "report.category": category}.get(state.screen, "1")
            state = step(book(), state, reply, lambda _: here, limit=limit, now=NOON).state
        yield state


def test_where_the_country_has_groups_of_places_the_group_is_asked_before_send() -> None:
    here = world(lists={"places": (), "place_groups": world().lists["places"][:2]})
    assert all("report.place" in str(state.trail) for state in _short(here))


@pytest.mark.rule("S-02")
def test_danger_is_asked_first_and_now_leads_to_the_numbers_at_once() -> None:
    here = world()
    state = initial_state(book())
    for reply, screen in (("1", "report.danger"), ("1", "report.emergency")):
        state = step(book(), state, reply, lambda _: here, limit=LIMITS["ussd"], now=NOON).state
        assert state.screen == screen
    text = render(book(), state, here, LIMITS["ussd"]).text
    assert "police 111" in text and "Pikinini Helpline 163" in text and "1 Go on" in text
    onward = {go.to for choice in book().screens["home.home"].choices for go in choice.go}
    flows = {to.partition(".")[0] for to in onward if to != "report.danger"}
    assert flows == {"my", "tips_young", "law", "language", "contact_request"}


@pytest.mark.rule("S-08")
@pytest.mark.parametrize("reply", ["00", " 00 ", "００", "٠٠"])
def test_leaving_works_on_every_screen_and_is_never_asked_about(reply: str) -> None:
    here = world()
    for name, screen in book().screens.items():
        typed = reply.strip() if screen.typed else reply
        state = FlowState(name, trail=(("home.home", -1),))
        for at in (state, FlowState(name, wrong=3)):
            took = step(book(), at, typed, lambda _: here, limit=LIMITS["ussd"], now=NOON)
            assert took.has_left and took.state.answers == (), name


@pytest.mark.parametrize("channel", ["ussd", "sms"])
@pytest.mark.parametrize("category", [str(one.value) for one in book().screens["report.category"].choices])
@pytest.mark.parametrize("danger", ["now", "no"])
def test_add_more_asks_all_of_a_category_and_comes_to_its_end(channel: str, category: str, danger: str) -> None:
    here = world({"channel": channel})
    limit = LIMITS[channel]
    state = FlowState("report.danger")
    asked: list[str] = []
    effects: list[str] = []
    for _ in range(40):
        at = state.screen
        if at in ("home.goodbye", "home.how_to_delete", "more.care_end"):
            break
        asked.append(at)
        wanted = {"report.danger": danger, "report.category": category}.get(at)
        keys = [choice.key for choice in book().screens[at].choices if choice.value == wanted] if wanted else ["1"]
        reply = "0" if at == "more.added" else keys[0]
        took = step(book(), state, reply, lambda _: here, limit=limit, now=NOON)
        state = took.state
        if took.effect:
            effects.append(took.effect)
            state = apply_outcome(book(), state, {"send": "sent", "done": "stored"}[took.effect], lambda _: here)
    last = "home.how_to_delete" if channel == "sms" else "home.goodbye"
    assert state.screen == ("more.care_end" if category == "self_harm" else last)
    assert effects == ["send", "done"]
    assert asked[-4:] == ["more.told", "more.told_2", "more.words", "more.added"]
    assert ("more.age" in asked) is (danger == "now")
    assert any(screen in ("report.sent", "report.sent_missing") for screen in asked) is (channel == "ussd")
    assert ("more.menu" in asked) is (channel == "sms")
