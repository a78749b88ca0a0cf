"""A conversation carries so many words and no more: what is beyond is filed at once, apart, and a mark stays.

Words sent where a choice was asked, and words typed again after Back, are never dropped; without an end to them one
phone could fill Redis.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from flows.model import Answer, FlowState, UnpromptedText
from gateway.conversation.request import TurnRequest
from gateway.sessions.record import Record
from gateway.submission.unparsed import NotStored, UnparsedStore

MOST_CHARACTERS = 300_000  # the longest text there is, and some more: one alone is always carried
MARK = "[More words of this conversation were filed apart]"
CONTENT_TYPE = "text/plain; charset=utf-8"


class Overflow:
    def __init__(self, unread: UnparsedStore, count: Callable[[str], None]) -> None:
        self._unread = unread
        self._count = count

    def is_heavy(self, state: FlowState) -> bool:
        """Return whether a conversation carries more words than it may."""
        return _size(state) > MOST_CHARACTERS

    def lightened(self, caller: TurnRequest, record: Record) -> Record:
        """As it came where it is light enough, or where what is heavy can be filed nowhere now: nothing is lost."""
        if not self.is_heavy(record.state):
            return record
        if not caller.around.legs(record.state, "incomplete"):
            return record  # the helpline was left out: it gets nothing unasked
        texts, state = _parted(record.state)
        if not texts:
            return record
        raw = "\n".join(texts).encode("utf-8", "surrogatepass")
        try:
            self._unread.keep(caller.inbound.channel, caller.country, raw, CONTENT_TYPE)
        except NotStored:
            return record
        self._count("overflow_texts_submitted")
        return replace(record, state=state)


def has_parted(state: FlowState) -> bool:
    """Whether a hotline knows some of these words already: nobody may be told then that all is deleted."""
    return MARK in _texts(state)


def _parted(state: FlowState) -> tuple[list[str], FlowState]:
    """What is filed apart, and what is carried on: the report as it stands, where that is light enough by itself."""
    kept = state.in_force
    lighter = _without(state, kept)
    if _size(lighter) > MOST_CHARACTERS:
        kept = frozenset({len(state.answers) - 1})
        lighter = _without(state, kept)
    left = [answer.value or "" for index, answer in enumerate(state.answers) if index not in kept and _is_long(answer)]
    return [one.text for one in state.unasked if one.text != MARK] + left, lighter


def _without(state: FlowState, kept: frozenset[int]) -> FlowState:
    """Of the words sent where a choice was asked one mark stays; of typed answers each its own."""
    last = state.unasked[-1:]
    answers = tuple(one if index in kept else _marked(one) for index, one in enumerate(state.answers))
    return replace(state, unasked=tuple(UnpromptedText(one.at, one.screen, MARK) for one in last), answers=answers)


def _marked(answer: Answer) -> Answer:
    return replace(answer, value=MARK) if _is_long(answer) else answer


def _is_long(answer: Answer) -> bool:
    return answer.typed and len(answer.value or "") > len(MARK)


def _texts(state: FlowState) -> list[str]:
    return [one.text for one in state.unasked] + [answer.value or "" for answer in state.answers]


def _size(state: FlowState) -> int:
    return sum(map(len, _texts(state)))
