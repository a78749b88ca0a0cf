"""A State as a short list that JSON can carry, and back. Names of screens stand once, the rest are numbers that point
to them: a session stays small, and a flow that has changed is noticed, not misread. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from flows.model import Answer, FlowBook, FlowState, UnpromptedText

Index = Annotated[int, Meta(ge=0)]


class PackedState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`names`: of screens, that of the state first. `since`: unix seconds, from which all other times count."""

    names: Annotated[tuple[str, ...], Meta(min_length=1)]
    page: Index
    wrong: Index
    since: int
    answers: tuple[tuple[Index, str | None, int, int], ...]  # screen, value, whether typed, when
    trail: tuple[int, ...]  # an answer; below 0: a screen that asked nothing, from -1 on
    unasked: tuple[tuple[Index, str, int], ...]  # screen, words, when


def pack(state: FlowState) -> PackedState:
    names = list(dict.fromkeys([state.screen, *[name for name, _ in state.trail], *_named(state)]))
    number = {name: index for index, name in enumerate(names)}
    since = state.answers[0].at if state.answers else 0
    return PackedState(
        tuple(names),
        state.page,
        state.wrong,
        since,
        tuple([(number[one.screen], one.value, int(one.typed), one.at - since) for one in state.answers]),
        tuple([index if index >= 0 else -1 - number[name] for name, index in state.trail]),
        tuple([(number[one.screen], one.text, one.at - since) for one in state.unasked]),
    )


def _named(state: FlowState) -> list[str]:
    return [answer.screen for answer in state.answers] + [words.screen for words in state.unasked]


def unpack(packed: PackedState, book: FlowBook) -> FlowState:
    """Raises ValueError for a screen or question that the book does not have, and for what points to nothing."""
    try:
        return _state(packed, book)
    except (IndexError, KeyError) as wrong:
        raise ValueError("no packed state of these flows") from wrong


def _state(packed: PackedState, book: FlowBook) -> FlowState:
    names, since = packed.names, packed.since
    asks = [book.screens[name].question for name in names]
    answers = []
    for number, value, typed, after in packed.answers:
        question = asks[number]
        if question is None:
            raise ValueError("an answer to nothing")
        answers.append(Answer(names[number], question, value, bool(typed), since + after))
    trail = [(answers[index].screen, index) if index >= 0 else (names[-1 - index], -1) for index in packed.trail]
    unasked = [UnpromptedText(since + after, names[number], text) for number, text, after in packed.unasked]
    return FlowState(names[0], tuple(trail), tuple(answers), tuple(unasked), packed.page, packed.wrong)
