"""The language of a session: the country's first, until the reporter chooses another or sends a first text in it."""

from __future__ import annotations

from msgspec.structs import replace

from flows.model import Answer, FlowState
from gateway.conversation.request import TurnRequest

CHOOSE = "language.choose"


def initial_state_for(request: TurnRequest, state: FlowState) -> FlowState:
    """Return the initial state of a session in the language that is already known."""
    return with_language(state, request.spoken, request.now) if request.spoken else state


def with_language(state: FlowState, tag: str, at: int) -> FlowState:
    """Return the state as if that language had been chosen before anything else."""
    return replace(state, trail=((CHOOSE, 0),), answers=(Answer(CHOOSE, "language", tag, typed=False, at=at),))
