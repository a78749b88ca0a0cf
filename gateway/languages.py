"""The language of a call: the country's first, until another is chosen on the phone or by a first text in it."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Answer, State
from gateway.caller import Caller

CHOOSE = "language.choose"


def begun_by(caller: Caller, state: State) -> State:
    """A conversation that begins at `state`: a first text that is a known word of a language picks it."""
    tag = (caller.around.picked(caller.inbound.text) if caller.kind == "sms" else None) or caller.spoken
    if not tag:
        return state
    answer = Answer(CHOOSE, "language", tag, typed=False, at=caller.now)
    return replace(state, trail=((CHOOSE, 0),), answers=(answer,))
