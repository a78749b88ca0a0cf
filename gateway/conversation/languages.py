"""The language of a call: the country's first, until another is chosen on the phone or by a first text in it."""

from __future__ import annotations

from msgspec.structs import replace

from flows.model import Answer, FlowState
from gateway.conversation.request import TurnRequest

CHOOSE = "language.choose"


def begun_by(caller: TurnRequest, state: FlowState) -> FlowState:
    """A conversation that begins at `state`, in the language that is known already."""
    return spoken(state, caller.spoken, caller.now) if caller.spoken else state


def spoken(state: FlowState, tag: str, at: int) -> FlowState:
    """As if that language had been chosen before anything else."""
    return replace(state, trail=((CHOOSE, 0),), answers=(Answer(CHOOSE, "language", tag, typed=False, at=at),))
