"""Pack a FlowState into a short list that JSON can carry, and unpack it.

The name of each screen is stored once; everything else are numbers that point to it. So a session stays small, and a
flow that has changed is detected instead of misread. Pure.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from flows.model import Answer, FlowBook, FlowState, UnpromptedText

Index = Annotated[int, Meta(ge=0)]


class PackedState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The packed form of a state.

    `names`: names of screens, that of the state first. `since`: Unix time in seconds; all other times count from it.
    """

    names: Annotated[tuple[str, ...], Meta(min_length=1)]
    page: Index
    wrong: Index
    since: int
    answers: tuple[tuple[Index, str | None, int, int], ...]  # screen, value, whether typed, when
    trail: tuple[int, ...]  # the index of an answer; from -1 downwards a screen without a question
    unasked: tuple[tuple[Index, str, int], ...]  # screen, text, when


def pack(state: FlowState) -> PackedState:
    """Pack a state."""
    names = list(dict.fromkeys([state.screen, *[name for name, _ in state.trail], *_answered_screens(state)]))
    number = {name: index for index, name in enumerate(names)}
    since = state.answers[0].at if state.answers else 0
    return PackedState(
        tuple(names),
        state.page,
        state.wrong,
        since,
        tuple(
            [(number[answer.screen], answer.value, int(answer.typed), answer.at - since) for answer in state.answers]
        ),
        tuple([index if index >= 0 else -1 - number[name] for name, index in state.trail]),
        tuple([(number[text.screen], text.text, text.at - since) for text in state.unasked]),
    )


def _answered_screens(state: FlowState) -> list[str]:
    return [answer.screen for answer in state.answers] + [words.screen for words in state.unasked]


def unpack(packed: PackedState, book: FlowBook) -> FlowState:
    """Unpack a state.

    Raises ValueError for a screen or question that the book does not have, and for an index out of range.
    """
    try:
        return _state(packed, book)
    except (IndexError, KeyError) as error:
        raise ValueError("no packed state of these flows") from error


def _state(packed: PackedState, book: FlowBook) -> FlowState:
    names, since = packed.names, packed.since
    questions = [book.screens[name].question for name in names]
    answers = []
    for number, value, typed, after in packed.answers:
        question = questions[number]
        if question is None:
            raise ValueError("an answer to nothing")
        answers.append(Answer(names[number], question, value, bool(typed), since + after))
    trail = [(answers[index].screen, index) if index >= 0 else (names[-1 - index], -1) for index in packed.trail]
    unasked = [UnpromptedText(since + after, names[number], text) for number, text, after in packed.unasked]
    return FlowState(names[0], tuple(trail), tuple(answers), tuple(unasked), packed.page, packed.wrong)
