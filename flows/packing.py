"""A State as a short list that JSON can carry, and back. Names of screens stand once, the rest are numbers that point
to them: a session stays small, and a flow that has changed is noticed, not misread. Pure."""

from __future__ import annotations

from typing import Any

from flows.model import Answer, Book, State, Unasked


def pack(state: State) -> list[Any]:
    names = list(dict.fromkeys([state.screen, *(name for name, _ in state.trail), *_named(state)]))
    number = {name: index for index, name in enumerate(names)}
    since = state.answers[0].at if state.answers else 0
    return [
        names,
        state.page,
        state.wrong,
        since,
        [[number[one.screen], one.value, int(one.typed), one.at - since] for one in state.answers],
        [index if index >= 0 else -1 - number[name] for name, index in state.trail],
        [[number[one.screen], one.text, one.at - since] for one in state.unasked],
    ]


def _named(state: State) -> list[str]:
    return [answer.screen for answer in state.answers] + [words.screen for words in state.unasked]


def unpack(packed: object, book: Book) -> State:
    """Raises ValueError for any other shape, and for a screen or question that the book does not have."""
    try:
        return _state(packed, book)
    except (TypeError, IndexError, KeyError, AttributeError) as wrong:
        raise ValueError("no packed state of these flows") from wrong


def _state(packed: Any, book: Book) -> State:
    names, page, wrong, since, given, trail, unasked = packed
    screens = [book.screens[name] for name in names]
    answers = []
    for number, value, typed, after in given:
        question = screens[_index(number)].question
        if question is None or not isinstance(value, str | None):
            raise ValueError("an answer to nothing")
        answers.append(Answer(names[number], question, value, bool(typed), since + _whole(after)))
    walked = [(answers[index].screen, index) if _whole(index) >= 0 else (names[-1 - index], -1) for index in trail]
    words = [Unasked(since + _whole(after), names[_index(number)], _text(text)) for number, text, after in unasked]
    return State(names[0], tuple(walked), tuple(answers), tuple(words), _index(page), _index(wrong))


def _whole(number: Any) -> int:
    if type(number) is not int:
        raise ValueError("no whole number")
    return number


def _index(number: Any) -> int:
    if _whole(number) < 0:
        raise ValueError("no index")
    return int(number)


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("no text")
    return text
