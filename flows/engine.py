"""Process one reply: state and reply in, state out; and pack the state for the session. Pure.

`0`, `00` and `98` mean the same on each screen. A reply is looked up among keys and labels and never converted to a
number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from flows.model import (
    Answer,
    Choice,
    FlowBook,
    FlowState,
    GoTo,
    OfferedChoice,
    Screen,
    ScreenContext,
    ScreenLayout,
    TypedInput,
    UnpromptedText,
)
from flows.pagination import (
    MAX_CHOICE_CHARS,
    MORE,
    ScreenLimit,
    ScreenPage,
    as_stored,
    fold,
    is_free_text,
    is_sentence,
    without_marks,
)
from flows.renderer import (
    MAX_WRONG_REPLIES,
    RenderedScreen,
    is_asked,
    lay_out,
    leave_label,
    overlay_of,
    render,
    render_notice,
    skip_lines,
    zero_label,
)

__all__ = [
    "EngineStep",
    "RenderedScreen",
    "apply_outcome",
    "initial_state",
    "is_exit",
    "is_free_text",
    "is_key",
    "prepend_answers",
    "render",
    "render_notice",
    "step",
]

ContextFor = Callable[[FlowState], ScreenContext]
Index = Annotated[int, Meta(ge=0)]
SIGNS = ' .,:;!?()[]"\u201c\u201d\u201e\u00ab\u00bb\u00a1\u00bf'  # do not count around a key or a label: `1)`
_LINE = re.compile(r"([0-9]{1,2})[\s.:)\]=-]+(.+)")  # a line of a menu as the screen shows it: `1 Malampa`, `1 = skip`
SKIPPED = "skipped"  # the outcome of an effect whose question was skipped
AGE_QUESTION = "age_band"
YOUNGEST_AGE, OLDEST_CHILD, OLDEST_AGE = 10, 17, 97  # of two digits, and not the key 98
_AGE = re.compile(r"(?:i am |i'?m |s?he is |s?he'?s )?([0-9]{2})(?: ?(?:years?|yrs?)(?: old)?)?")
_EXIT = re.compile(r"[0o] ?[0o]")


class EngineStep(Struct, frozen=True):
    """The result of a reply.

    `effect`: must be carried out before `apply_outcome`. `has_left`: the reporter left by `00`, or by `0` where there
    is no way back. `is_invalid`: the reply was not valid here. `answer`: the answer that was just given.
    """

    state: FlowState
    effect: str | None = None
    accepted: bool = True
    has_left: bool = False
    is_invalid: bool = False
    answer: Answer | None = None


def initial_state(book: FlowBook, at: str = "home.home") -> FlowState:
    """Return the state at the beginning of a session."""
    return FlowState(book.screens[at].id)


def step(
    book: FlowBook,
    state: FlowState,
    reply: str,
    context_for: ContextFor,
    *,
    limit: ScreenLimit,
    now: int,
    continues_words: bool = False,
) -> EngineStep:
    """Process one reply. `now`: Unix time in seconds.

    With an effect, the state stays on its screen until `apply_outcome`. `continues_words`: text that is not a valid
    reply continues the text sent before it, and is stored however short it is.
    """
    return _Turn(book, _without_open_answer(state), reply, context_for, limit, now, continues_words).step()


def apply_outcome(book: FlowBook, state: FlowState, outcome: str, context_for: ContextFor) -> FlowState:
    """Return the state after an effect. Raises KeyError for an outcome that the screen does not have.

    After a question that was skipped, `0` leads to the screen before it, and not to the question again.
    """
    after = _next_asked(book, state, book.screens[state.screen].outcomes[outcome], context_for)
    return _returned(book, after) if outcome == SKIPPED else after


def prepend_answers(state: FlowState, earlier: tuple[Answer, ...]) -> FlowState:
    """Return the state of a report that is resumed: an earlier draft's answers come first and are not in force."""
    shift = len(earlier)
    trail = tuple((name, index + shift if index >= 0 else index) for name, index in state.trail)
    return replace(state, trail=trail, answers=earlier + state.answers)


def is_exit(reply: str) -> bool:
    """Return whether a reply is the quick exit `00`, also as `00.`, `0 0` or `OO`."""
    return len(reply) <= MAX_CHOICE_CHARS and _EXIT.fullmatch(_bare(reply)) is not None


def is_key(book: FlowBook, state: FlowState, reply: str, context_for: ContextFor, limit: ScreenLimit) -> bool:
    """Return whether a reply is digits, or stands for a key that any screen or this one's typed input has.

    A choice by its label is none; whether a reply is a choice, `step` finds out.
    """
    if len(reply) > MAX_CHOICE_CHARS:
        return False
    turn = _Turn(book, _without_open_answer(state), reply, context_for, limit, now=0, continues_words=False)
    return turn.key_for(book.screens[turn.state.screen]).isdecimal()


def _bare(reply: str) -> str:
    """Return a reply folded, without marks on letters, or signs and blanks around it. Never store the result."""
    return without_marks(fold(reply)).strip(SIGNS)


class _Turn(Struct, frozen=True):
    book: FlowBook
    state: FlowState
    reply: str
    context_for: ContextFor
    limit: ScreenLimit
    now: int
    continues_words: bool

    def step(self) -> EngineStep:
        """Process the reply. At the notice that covers a screen, its choice and Back both show that screen again."""
        screen = self.book.screens[self.state.screen]
        key = self.key_for(screen) if len(self.reply) <= MAX_CHOICE_CHARS else ""
        if key == "00" or screen.end:
            return EngineStep(self.state, has_left=True)
        notice = overlay_of(self.book, self.state)
        layout = self.layout_of(notice) if notice else None
        if layout and (key == "0" or self.find_choice(layout, layout.pages[0], key)):
            return EngineStep(replace(self.state, wrong=0))
        if notice and self.context_for(self.state).facts.get("channel") != "sms":
            return self.wrong()  # by SMS the covered screen stays in the thread, and can be answered
        if key == "0":
            return self.zero(screen)
        if key == "98" and self.state.page < len(self.layout_of(screen).pages) - 1:
            return EngineStep(replace(self.state, page=self.state.page + 1, wrong=0))
        return self.typed(screen, screen.typed, key) if screen.typed else self.chosen(screen, key)

    def key_for(self, screen: Screen) -> str:
        """Return the key that the reply stands for, else the reply.

        The line of `0`, `00`, `98` or of the skip key counts as its key, and where no words are asked for, its label.
        """
        bare = _bare(self.reply)
        if bare.isdecimal():
            return bare
        if is_exit(self.reply):
            return "00"
        context, typed = self.context_for(self.state), screen.typed
        labels = [
            ("00", leave_label(screen, context)),
            ("0", zero_label(screen, context)),
            ("98", context.translate(MORE)),
        ]
        if typed and typed.skip:
            lines = skip_lines(screen, self.state.values, context)
            labels += [(typed.skip, line.rpartition(f"{typed.skip} = ")[2]) for line in lines]
        named = _LINE.fullmatch(bare)
        for key, label in labels:
            words, is_enough = _bare(label), typed is None or key == typed.skip
            if words and ((named and named.groups() == (key, words)) or (is_enough and bare == words)):
                return key
        return self.reply.strip()

    def layout_of(self, screen: Screen) -> ScreenLayout:
        return lay_out(screen, self.state.values, self.context_for(self.state), self.limit)

    def zero(self, screen: Screen) -> EngineStep:
        state = self.state
        if state.page:
            return EngineStep(replace(state, page=state.page - 1, wrong=0))
        if screen.zero:
            advanced = self.advance(screen.zero, None)
            return advanced if advanced.effect else replace(advanced, state=_returned(self.book, advanced.state))
        if screen.start and screen.leave.variants:
            return self.wrong()  # leaving has a name of its own here, and is more than leaving
        if screen.start or not state.trail:
            return EngineStep(state, has_left=True)
        previous, index = state.trail[-1]
        if again := self.book.screens[previous].again:
            return EngineStep(state.at(again))
        return EngineStep(self.back(state, previous, index))

    def back(self, state: FlowState, previous: str, index: int) -> FlowState:
        """Return to the screen before, whose answer has this index, without words that Back takes back."""
        typed = self.book.screens[previous].typed
        returned = _forget(self.book, replace(state, trail=state.trail[:-1]).at(previous))
        if state.values.get("danger") == "now":
            # The screen has promised the words; they go once they are replaced or skipped, or the promise ends.
            return returned if returned.values.get("danger") == "now" else self.taken_back(returned, index)
        # index -1: "call me" opened a question above this one, and no words were typed yet
        is_words = index >= 0 and typed is not None and typed.removed_by_back
        return _without_text(returned, index) if is_words else returned

    def taken_back(self, state: FlowState, since: int) -> FlowState:
        """Return the state without the words that Back passed, as far as they came after the answer `since`."""
        in_force = state.in_force
        for index in range(max(since, 0), len(state.answers)):
            typed = self.book.screens[state.answers[index].screen].typed
            if typed and typed.removed_by_back and index not in in_force:
                state = _without_text(state, index)
        return state

    def typed(self, screen: Screen, typed: TypedInput, key: str) -> EngineStep:
        """Store the reply as it is. The screen's skip key skips the question only if it is the whole reply.

        A secret consists of digits: a text in its place is a message, so it is stored as free text. If skipping leads
        to a screen for words, that screen follows, with the sign that they were not taken.
        """
        if typed.secret and typed.skip and self.is_message():
            for_words = self.advance(Choice("", screen.words, do=screen.do), self.answer(screen, None, typed=False))
            state = replace(for_words.state, unasked=self.wrong().state.unasked)
            return EngineStep(state, accepted=False, is_invalid=True)
        too_long = typed.limit is not None and len(self.reply) > typed.limit
        if not self.reply.strip() or too_long or (typed.secret and is_free_text(self.reply)):
            return self.wrong()
        skipped = typed.skip is not None and key == typed.skip
        answer = self.answer(screen, None if skipped else as_stored(self.reply), typed=not skipped)
        if typed.removed_by_back and self.state.values.get("danger") == "now":
            since = next(index for _, index in self.state.trail if index >= 0)
            turn = replace(self, state=self.taken_back(self.state, since))
            return turn.advance(Choice("", screen.words, do=screen.do), answer)
        return self.advance(Choice("", screen.words, do=screen.do), answer)

    def is_message(self) -> bool:
        """Return whether the reply is words, and no code with words around it."""
        return is_free_text(self.reply) or (is_sentence(self.reply) and not any(map(str.isdecimal, self.reply)))

    def chosen(self, screen: Screen, key: str) -> EngineStep:
        """Take a choice; on a page that the question fills, before its choices, there is none."""
        layout = self.layout_of(screen)
        page = layout.pages[min(self.state.page, len(layout.pages) - 1)]
        choice = (self.find_choice(layout, page, key) or _age_choice(screen, key)) if page.lines else None
        return self.advance(choice, self.answer(screen, choice.value, typed=False)) if choice else self.wrong()

    def find_choice(self, layout: ScreenLayout, page: ScreenPage, reply: str) -> Choice | None:
        """Return the choice that has this key, label or other word; None if there is none.

        If numbers start again on each page, the keys are those of this page.
        """
        if not (folded := _bare(reply)):
            return None
        offers = layout.offers
        if layout.screen.lists:
            keys = {line.key: offers[line.choice] for line in page.lines}
        else:
            keys = {offer.key: offer for offer in offers}
        if folded in keys:
            return keys[folded].choice
        if (line := _LINE.fullmatch(folded)) and (named := keys.get(line[1])) and _is_label(named, line[2]):
            return named.choice
        meant = self.context_for(self.state).keywords.get(folded, folded)
        matching = (offer.choice for offer in offers if meant in offer.choice.also or _is_label(offer, folded))
        return next(matching, None)

    def answer(self, screen: Screen, value: str | None, *, typed: bool) -> Answer | None:
        return Answer(screen.id, screen.question, value, typed, self.now) if screen.question else None

    def advance(self, choice: Choice, answer: Answer | None) -> EngineStep:
        state = self.state
        answers = (*state.answers, answer) if answer else state.answers
        trail = (*state.trail, (state.screen, len(state.answers) if answer else -1))
        state = FlowState(state.screen, trail, answers, state.unasked, state.page)
        if choice.do:
            return EngineStep(state, effect=choice.do, answer=answer)
        go = choice.go or self.book.screens[state.screen].go
        return EngineStep(_next_asked(self.book, state, go, self.context_for), answer=answer)

    def wrong(self) -> EngineStep:
        """Count a wrong reply. Free text is stored even where a choice or a code was asked for: it is a message.

        In danger two words are enough. A continuation of earlier text is stored with that text's screen and not
        counted.
        """
        state = self.state
        continued, index = state.trail[-1] if self.continues_words and state.trail else (state.screen, -1)
        screen = continued if index >= 0 and state.answers[index].typed else state.screen
        in_danger = state.values.get("danger") == "now"
        texts = (
            (UnpromptedText(self.now, screen, as_stored(self.reply)),)
            if self.continues_words or is_free_text(self.reply) or (in_danger and is_sentence(self.reply))
            else ()
        )
        wrong = state.wrong if self.continues_words else min(state.wrong + 1, MAX_WRONG_REPLIES)
        state = replace(state, unasked=state.unasked + texts, wrong=wrong)
        return EngineStep(state, accepted=False, is_invalid=not self.continues_words)


def _without_open_answer(state: FlowState) -> FlowState:
    """Remove the answer to an effect whose outcome never came: that screen is still open."""
    if state.trail and state.trail[-1][0] == state.screen:
        return replace(state, trail=state.trail[:-1])
    return state


def _age_choice(screen: Screen, reply: str) -> Choice | None:
    """Return the choice of the band of a typed age, as in `14` or `I am 14`; None elsewhere.

    The age has two digits: one digit is a key. Other words beside a number may make it months or a school year. Beside
    words the age of an adult is not taken, as it may be another person's.
    """
    if screen.question != AGE_QUESTION or len(reply) > MAX_CHOICE_CHARS:
        return None
    typed = _AGE.fullmatch(_bare(reply).replace("\u2019", "'"))
    oldest = OLDEST_AGE if typed and typed[1] == typed[0] else OLDEST_CHILD
    if not typed or not YOUNGEST_AGE <= int(typed[1]) <= oldest:
        return None
    return next((choice for choice in screen.choices if _is_within(int(typed[1]), choice.value or "")), None)


def _is_within(age: int, band: str) -> bool:
    """Return whether an age is in a band such as `13-15` or `18+`; False for `unknown`."""
    first, _, last = band.replace("+", f"-{OLDEST_AGE}").partition("-")
    return first.isdecimal() and last.isdecimal() and int(first) <= age <= int(last)


def _is_label(offer: OfferedChoice, folded: str) -> bool:
    return folded in {_bare(say) for say in offer.say}


def _without_text(state: FlowState, index: int) -> FlowState:
    """Return the state without the text of an answer and the texts that continued it: the reporter takes it back."""
    answers, taken_back = state.answers, state.answers[index]
    emptied = replace(taken_back, value=None, typed=False)
    unasked = tuple([text for text in state.unasked if text.screen != taken_back.screen or text.at < taken_back.at])
    return replace(state, answers=(*answers[:index], emptied, *answers[index + 1 :]), unasked=unasked)


def _returned(book: FlowBook, state: FlowState) -> FlowState:
    """Return the state as it was when its screen was last shown, if it was: `0` there must not lead forward again.

    Answers before that stay in force, as that to the question of the language.
    """
    visits = [index for index, (name, _) in enumerate(state.trail) if name == state.screen]
    return _forget(book, replace(state, trail=state.trail[: visits[-1]])) if visits else state


def _next_asked(book: FlowBook, state: FlowState, gos: Sequence[GoTo], context_for: ContextFor) -> FlowState:
    """Return the state at the first screen that is not skipped. Conditions are checked in each screen's context."""
    values = state.values
    while True:
        facts = context_for(state).facts
        state = state.at(next(go.to for go in gos if go.when.holds(values, facts)))
        screen = book.screens[state.screen]
        if is_asked(screen, values, context_for(state)):
            return _forget(book, state)
        gos = screen.otherwise or screen.go


def _forget(book: FlowBook, state: FlowState) -> FlowState:
    """Remove secret answers that are no longer in force, or whose flow the session has left."""
    screens = book.screens
    secret = [
        index for index, answer in enumerate(state.answers) if (typed := screens[answer.screen].typed) and typed.secret
    ]
    if not secret:  # the usual case
        return state
    flow, in_force = state.screen.partition(".")[0], state.in_force
    removed = {
        index for index in secret if index not in in_force or not state.answers[index].screen.startswith(f"{flow}.")
    }
    if not removed:
        return state
    kept = [index for index in range(len(state.answers)) if index not in removed]
    new_index = {old: new for new, old in enumerate(kept)}
    trail = tuple((name, new_index.get(index, -1)) for name, index in state.trail)
    return replace(state, trail=trail, answers=tuple(state.answers[index] for index in kept))


# Pack a FlowState into a short list that JSON can carry, and unpack it.
#
# The name of each screen is stored once; everything else refers to it by a number. So a session stays small, and
# a flow that has changed is detected instead of misread. Pure.


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
        raise ValueError("not a packed state of these flows") from error


def _state(packed: PackedState, book: FlowBook) -> FlowState:
    names, since = packed.names, packed.since
    questions = [book.screens[name].question for name in names]
    answers = []
    for number, value, typed, after in packed.answers:
        question = questions[number]
        if question is None:
            raise ValueError("a stored answer belongs to a screen without a question")
        answers.append(Answer(names[number], question, value, bool(typed), since + after))
    trail = [(answers[index].screen, index) if index >= 0 else (names[-1 - index], -1) for index in packed.trail]
    unasked = [UnpromptedText(since + after, names[number], text) for number, text, after in packed.unasked]
    return FlowState(names[0], tuple(trail), tuple(answers), tuple(unasked), packed.page, packed.wrong)
