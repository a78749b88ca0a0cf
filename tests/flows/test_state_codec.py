"""A state as stored between two turns; and a random reporter who types anything."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flows.engine import PackedState, apply_outcome, initial_state, pack, render, step, unpack
from flows.model import Answer, FlowState, ScreenContext, UnpromptedText
from flows.pagination import fits
from tests.flows.phone import LIMITS, NOON, Phone, book, routed, world

FULL = FlowState(
    "report.place",
    trail=(("home.home", -1), ("report.danger", 1), ("report.category", 2)),
    answers=(
        Answer("report.danger", "danger", "no", False, NOON),
        Answer("report.danger", "danger", "soon", False, NOON + 3),
        Answer("report.category", "category", None, False, NOON + 4),
        Answer("more.words", "addition", "\ud83d \U0001f600", True, NOON - 9),
    ),
    unasked=(UnpromptedText(NOON + 2, "home.home", "are you there please"),),
    page=1,
    wrong=2,
)


def kept(state: FlowState) -> str:
    return json.dumps(msgspec.to_builtins(pack(state)), separators=(",", ":"))


def read(text: str) -> PackedState:
    return msgspec.convert(json.loads(text), PackedState)


@pytest.mark.parametrize("state", [FULL, FlowState("home.home"), FlowState("home.home", unasked=FULL.unasked)])
def test_a_state_comes_back_as_it_was(state: FlowState) -> None:
    assert unpack(read(kept(state)), book()) == state


def test_a_typical_session_is_small() -> None:
    phone = Phone()
    phone.chooses(
        "Report", "Not now, but soon", "Bullying, threats", "A child I know", "13-15", "Shefa", "SMS 8am-4pm", "Send"
    )
    assert len(kept(phone.state)) < 400


GOOD = json.loads(kept(FULL))


@pytest.mark.parametrize(
    "change",
    [
        {0: []},
        {0: ["report.nowhere"]},
        {0: None},
        {0: [1]},
        {1: -1},
        {1: "0"},
        {1: True},
        {2: None},
        {3: "now"},
        {4: [[99, "x", 0, 0]]},
        {4: [[0]]},
        {4: [[1, "x", 0, 0]], 5: []},  # home.home asks nothing
        {4: [[0, 5, 0, 0]]},
        {4: 3},
        {5: [9]},
        {5: [-99]},
        {5: ["0"]},
        {6: [[0, None, 0]]},
        {6: [[-1, "x", 0]]},
        {6: "xyz"},
    ],
)
def test_what_is_no_state_of_these_flows_is_refused(change: dict[int, Any]) -> None:
    bad = [change.get(index, part) for index, part in enumerate(GOOD)]
    with pytest.raises((ValueError, msgspec.ValidationError)):
        unpack(msgspec.convert(bad, PackedState), book())


@pytest.mark.parametrize("bad", [None, [], {}, "x", 5, [GOOD], GOOD[:-1], [*GOOD, 0]])
def test_another_shape_is_refused(bad: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, PackedState)


KEYS = st.sampled_from(
    ["0", "00", "98", "1", "2", "3", "4", "5", "6", "7", "8", "9", "", " ", "x", "back", "skip", "more"]
)
YES_OR_NO = st.sampled_from(["yes", "no"])


class AnybodyOnThePhone(RuleBasedStateMachine):
    here: ScreenContext
    state: FlowState

    @initialize(
        channel=st.sampled_from(["ussd", "sms"]),
        start=st.sampled_from(["home.home", "home.home_sms", "home.first_words"]),
        facts=st.fixed_dictionaries(dict.fromkeys(("contactable", "words_before_send", "has_helpline"), YES_OR_NO)),
        letter=st.sampled_from(["a", "ā"]),
    )
    def dials(self, channel: str, start: str, facts: dict[str, str], letter: str) -> None:
        self.here = world(
            {**facts, "channel": channel, "report_state": "delivered"},
            translate=lambda words: words if "{" in words else words.replace("a", letter),
        )
        self.limit = LIMITS[channel]
        self.state = initial_state(book(), start)

    def context_for(self, state: FlowState) -> ScreenContext:
        return routed(state, self.here)

    @rule(reply=st.one_of(KEYS, KEYS, KEYS, st.text(max_size=300)), pick=st.integers(0, 2))
    def types(self, reply: str, pick: int) -> None:
        took = step(book(), self.state, reply, self.context_for, limit=self.limit, now=NOON)
        assert took.accepted is not took.is_invalid
        self.state = took.state
        if took.effect:
            outcomes = list(book().screens[took.state.screen].outcomes)
            self.state = apply_outcome(book(), took.state, outcomes[pick % len(outcomes)], self.context_for)
        if took.has_left:
            self.state = initial_state(book())

    @invariant()
    def the_screen_fits_and_the_state_is_kept(self) -> None:
        for sorry in (False, True):
            shown = render(book(), self.state, self.context_for(self.state), self.limit, sorry=sorry)
            assert shown.text and fits(shown.text, self.limit)
            assert 1 <= shown.page <= shown.pages
            assert shown.expects_reply is not book().screens[self.state.screen].end
        assert unpack(read(kept(self.state)), book()) == self.state
        assert all(index < len(self.state.answers) for index in self.state.in_force)


AnybodyOnThePhone.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnybodyOnThePhone = AnybodyOnThePhone.TestCase
