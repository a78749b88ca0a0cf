"""Limit the words in one session: the excess is submitted separately at once, and a mark stays in the session.

Words sent where a choice was asked are never dropped. Without a limit one phone could fill Redis.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from flows.model import Answer, FlowState, UnpromptedText
from gateway.conversation.context import TurnRequest
from gateway.sessions.record import Record
from gateway.submission.builder import NotStored, UnparsedStore
from reports.facts import Completeness

MAX_CHARACTERS = 300_000  # more than the longest possible text: a single text always fits
MARK = "[More words of this conversation were filed apart]"
CONTENT_TYPE = "text/plain; charset=utf-8"


class Overflow:
    """Store the excess words of a session for the helpline."""

    def __init__(self, unread: UnparsedStore, count: Callable[[str], None]) -> None:
        self._unread = unread
        self._count = count

    def is_heavy(self, state: FlowState) -> bool:
        """Return whether a session carries too many words."""
        return _size(state) > MAX_CHARACTERS

    def store_excess(self, request: TurnRequest, record: Record) -> Record:
        """Store the excess words separately and return the record without them.

        The record is unchanged if it is small enough, or if the words cannot be stored now: nothing is lost.
        """
        if not self.is_heavy(record.state):
            return record
        if not request.render_context.recipients(record.state, Completeness.INCOMPLETE):
            return record  # the reporter left the helpline out: it gets nothing
        texts, state = _split_excess(record.state)
        if not texts:
            return record
        raw = "\n".join(texts).encode("utf-8", "surrogatepass")
        try:
            self._unread.store(request.inbound.channel, request.country, raw, CONTENT_TYPE)
        except NotStored:
            return record
        self._count("overflow_texts_submitted")
        return replace(record, state=state)


def has_stored_excess(state: FlowState) -> bool:
    """Return whether a hotline has some of these words already.

    Then the reporter must not be told that all is deleted.
    """
    return MARK in _texts(state)


def _split_excess(state: FlowState) -> tuple[list[str], FlowState]:
    """Return the texts to store separately, and the state without them.

    The state keeps the texts of the answers in force; if these are too long, only the last one.
    """
    kept_indexes = state.in_force
    reduced_state = _without(state, kept_indexes)
    if _size(reduced_state) > MAX_CHARACTERS:
        kept_indexes = frozenset({len(state.answers) - 1})
        reduced_state = _without(state, kept_indexes)
    excess_texts = [
        answer.value or ""
        for index, answer in enumerate(state.answers)
        if index not in kept_indexes and _is_long(answer)
    ]
    return [unasked.text for unasked in state.unasked if unasked.text != MARK] + excess_texts, reduced_state


def _without(state: FlowState, kept_indexes: frozenset[int]) -> FlowState:
    """Return the state with marks in place of words: one for all unasked texts, one for each typed answer."""
    last_unasked = state.unasked[-1:]
    answers = tuple(answer if index in kept_indexes else _marked(answer) for index, answer in enumerate(state.answers))
    return replace(
        state,
        unasked=tuple(UnpromptedText(unasked.at, unasked.screen, MARK) for unasked in last_unasked),
        answers=answers,
    )


def _marked(answer: Answer) -> Answer:
    return replace(answer, value=MARK) if _is_long(answer) else answer


def _is_long(answer: Answer) -> bool:
    return answer.typed and len(answer.value or "") > len(MARK)


def _texts(state: FlowState) -> list[str]:
    return [unasked.text for unasked in state.unasked] + [answer.value or "" for answer in state.answers]


def _size(state: FlowState) -> int:
    return sum(map(len, _texts(state)))
