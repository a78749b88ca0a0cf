"""Every branch of the report walked: which screens come, in which order, how many to Send, and a way on from each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.engine import arrive, begin, show, step
from flows.model import Screen, State, World
from flows.words import BACK
from tests.flows.phone import LIMITS, NOON, book, routed, world

TELLING = ("danger", "category", "about", "about_missing")  # the answers that conditions look at before Send
BEFORE_SEND = {
    # channel, danger = now, category: the screens from danger to Send
    ("ussd", False, "harm"): "danger category about age place contact send",
    ("ussd", True, "harm"): "danger emergency category place about contact send",
    ("ussd", False, "self_harm"): "danger category care age place contact send",
    ("ussd", True, "self_harm"): "danger emergency category place contact send",
    ("ussd", False, "missing"): "danger category about_missing age place contact send",
    ("ussd", True, "missing"): "danger emergency category place about_missing contact send",
    ("sms", False, "harm"): "danger category about age place words contact send",
    ("sms", True, "harm"): "danger emergency category place about words contact send",
    ("sms", False, "self_harm"): "danger category care age place words contact send",
    ("sms", True, "self_harm"): "danger emergency category place words contact send",
    ("sms", False, "missing"): "danger category about_missing age place words_missing contact send",
    ("sms", True, "missing"): "danger emergency category place about_missing words_missing contact send",
}
ONE_OF = {"age_me": "age", "place_me": "place", "place_seen": "place"}


def replies(state: State, here: World) -> Iterator[str]:
    screen = book().screen(state.screen)
    if screen.typed:
        yield from ("some words", "1")
    elif screen.lists:
        yield from ("1", here.lists["places"][-1].say, "Other / skip")
    else:
        yield from (choice.key for choice in screen.choices)


def walks(here: World) -> Iterator[State]:
    """Every walk to Send that differs in the answers that decide about the way."""
    limit = LIMITS[here.facts["channel"]]
    seen = set()
    waiting = [State("report.danger")]
    while waiting:
        state = waiting.pop()
        told = (state.screen, len(state.trail), *(state.values.get(name) for name in TELLING))
        if told in seen:
            continue
        seen.add(told)
        if state.screen == "report.send":
            yield state
            continue
        for reply in replies(state, here):
            took = step(book(), state, reply, lambda at: routed(at, here), limit=limit, now=NOON)
            assert took.accepted, (state.screen, reply)
            waiting.append(took.state)


def names(state: State) -> list[str]:
    walked = [*(name for name, _ in state.trail), state.screen]
    return [ONE_OF.get(name, name) for name in (one.removeprefix("report.") for one in walked)]


@pytest.mark.parametrize("channel", ["ussd", "sms"])
def test_the_screens_to_send(channel: str) -> None:
    count = 0
    for state in walks(world({"channel": channel})):
        values = state.values
        category = values["category"] if values["category"] in ("missing", "self_harm") else "harm"
        assert names(state) == BEFORE_SEND[channel, values["danger"] == "now", str(category)].split()
        count += 1
    assert count > 100


@pytest.mark.rule("S-15")
@pytest.mark.parametrize(("channel", "most"), [("ussd", 7), ("sms", 8)])
def test_at_most_eight_screens_to_send(channel: str, most: int) -> None:
    assert max(len(names(state)) for state in walks(world({"channel": channel}))) == most
    assert max(len(names(state)) for state in walks(world({"channel": channel, "words_before_send": "yes"}))) == 8


def test_a_provider_without_a_number_and_a_country_without_places_ask_less() -> None:
    here = world({"contactable": "no"}, lists={"places": ()})
    assert {"contact", "place"}.isdisjoint(name for state in _short(here) for name in names(state))


def _short(here: World) -> Iterator[State]:
    limit = LIMITS["ussd"]
    for danger, category in (("1", "1"), ("2", "4"), ("3", "7")):
        state = State("report.danger")
        for _ in range(9):
            if state.screen == "report.send":
                break
            reply = {"report.danger": danger, "report.category": category}.get(state.screen, "1")
            state = step(book(), state, reply, lambda _: here, limit=limit, now=NOON).state
        yield state


def test_where_the_country_has_groups_of_places_the_group_is_asked_before_send() -> None:
    here = world(lists={"places": (), "place_groups": world().lists["places"][:2]})
    assert all("place" in names(state) for state in _short(here))


@pytest.mark.rule("S-02")
def test_danger_is_asked_first_and_now_leads_to_the_numbers_at_once() -> None:
    here = world()
    state = begin(book())
    for reply, screen in (("1", "report.danger"), ("1", "report.emergency")):
        state = step(book(), state, reply, lambda _: here, limit=LIMITS["ussd"], now=NOON).state
        assert state.screen == screen
    text = show(book(), state, here, LIMITS["ussd"]).text
    assert "police 111" in text and "Pikinini Helpline 163" in text and "1 Go on" in text
    onward = {go.to for choice in book().screen("home.home").choices for go in choice.go}
    assert {to.partition(".")[0] for to in onward if to != "report.danger"} == {"my", "tips_young", "law", "language"}


@pytest.mark.rule("S-08")
@pytest.mark.parametrize("reply", ["00", " 00 ", "００", "٠٠"])
def test_leaving_works_on_every_screen_and_is_never_asked_about(reply: str) -> None:
    here = world()
    for name, screen in book().screens.items():
        typed = reply.strip() if screen.typed else reply
        state = State(name, trail=(("home.home", -1),))
        for at in (state, State(name, wrong=3)):
            took = step(book(), at, typed, lambda _: here, limit=LIMITS["ussd"], now=NOON)
            assert took.left and took.state.answers == (), name


def zero(screen: Screen) -> str:
    return screen.zero.say.variants[0].says[0] if screen.zero else BACK


def test_every_screen_but_the_last_has_a_way_back_or_done() -> None:
    here = world()
    for name, screen in book().screens.items():
        below = [line for line in show(book(), State(name), here, LIMITS["ussd"]).text.split("\n") if line[:2] == "0 "]
        wanted = [] if screen.end or screen.start else [f"0 {zero(screen)}"]
        assert below == wanted, name


@pytest.mark.parametrize("channel", ["ussd", "sms"])
@pytest.mark.parametrize("category", [str(one.value) for one in book().screen("report.category").choices])
@pytest.mark.parametrize("danger", ["now", "no"])
def test_add_more_asks_all_of_a_category_and_comes_to_its_end(channel: str, category: str, danger: str) -> None:
    here = world({"channel": channel})
    limit = LIMITS[channel]
    state = State("report.danger")
    asked: list[str] = []
    effects: list[str] = []
    for _ in range(40):
        at = state.screen
        if at in ("home.goodbye", "home.how_to_delete"):
            break
        asked.append(at)
        wanted = {"report.danger": danger, "report.category": category}.get(at)
        keys = [choice.key for choice in book().screen(at).choices if choice.value == wanted] if wanted else ["1"]
        reply = "0" if at == "more.added" else keys[0]
        took = step(book(), state, reply, lambda _: here, limit=limit, now=NOON)
        state = took.state
        if took.effect:
            effects.append(took.effect)
            state = arrive(book(), state, {"send": "sent", "added": "stored"}[took.effect], lambda _: here)
    assert state.screen == ("home.how_to_delete" if channel == "sms" else "home.goodbye")
    assert effects == ["send", "added"]
    assert asked[-3:] == ["more.told", "more.words", "more.added"]
    assert ("more.age" in asked) is (danger == "now")
    assert any(screen.startswith("more.narrative") for screen in asked) is (channel == "ussd")
    assert ("more.menu" in asked) is (channel == "sms")
