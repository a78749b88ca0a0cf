"""One reply at a time: state and reply in, state out. Pure: time, words and choices that come from data are handed in.

`0`, `00` and `98` mean the same on every screen. A reply is looked up among keys and labels, never made a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from flows.fit import Limit
from flows.model import ALWAYS, Answer, Book, Choice, Go, Screen, State, Typed, Unasked, World
from flows.show import TOO_MANY, Laid, Offer, Shown, asked, covers, lay, leave_label, notice, offered, show, zero_label
from flows.words import LONGEST_CHOICE, MORE, digits, fold, is_words, kept

__all__ = ["Shown", "Step", "arrive", "begin", "carry", "is_words", "notice", "show", "step"]

WorldOf = Callable[[State], World]


class Step(Struct, frozen=True):
    """`effect`: something to be done before `arrive`. `left`: the person went by `00`, or by `0` where there is no way
    back. `sorry`: the reply was no answer here. `answered`: the answer just given."""

    state: State
    effect: str | None = None
    accepted: bool = True
    left: bool = False
    sorry: bool = False
    answered: Answer | None = None


def begin(book: Book, at: str = "home.home") -> State:
    return State(book.screen(at).id)


def step(
    book: Book, state: State, reply: str, world_of: WorldOf, *, limit: Limit, now: int, more: bool = False
) -> Step:
    """Takes one reply; `now` is unix seconds. With an effect the state stays on its screen until `arrive`. `more`: what
    is no answer goes on from words just sent, and is kept however short."""
    return _Turn(book, _undone(state), reply, world_of, limit, now, more).taken()


def arrive(book: Book, state: State, outcome: str, world_of: WorldOf) -> State:
    """After an effect: where its outcome leads. Raises KeyError for an outcome that the screen does not know."""
    return _onward(book, state, book.screens[state.screen].outcomes[outcome], world_of)


def carry(state: State, earlier: tuple[Answer, ...]) -> State:
    """The same report taken up again, out of sight: an earlier draft's answers are kept before these, not in force."""
    shift = len(earlier)
    trail = tuple((name, index + shift if index >= 0 else index) for name, index in state.trail)
    return replace(state, trail=trail, answers=earlier + state.answers)


class _Turn(Struct, frozen=True):
    book: Book
    state: State
    reply: str
    world_of: WorldOf
    limit: Limit
    now: int
    more: bool

    def taken(self) -> Step:
        screen = self.book.screens[self.state.screen]
        key = digits(self.reply) if len(self.reply) <= LONGEST_CHOICE else ""
        if screen.typed is None:
            key = self.meant(screen, key.strip())
        elif screen.typed.secret:
            key = key.strip()
        if key == "00" or screen.end:
            return Step(self.state, left=True)
        if cover := covers(self.book, self.state):
            return self.uncovered(cover, key)
        if key == "0":
            return self.zero(screen)
        if key == "98" and self.state.page < len(self.laid(screen).pages) - 1:
            return Step(replace(self.state, page=self.state.page + 1, wrong=0))
        return self.typed(screen, screen.typed, key) if screen.typed else self.chosen(screen, key)

    def meant(self, screen: Screen, reply: str) -> str:
        """The key, where the words beside `0`, `00` or `98` were typed. Not on typed screens: there they are words."""
        if not reply[:1].isalpha():
            return reply
        world = self.world_of(self.state)
        labels = ("00", leave_label(screen, world)), ("0", zero_label(screen, world)), ("98", world.translate(MORE))
        return next((key for key, label in labels if label and fold(label) == fold(reply)), reply)

    def laid(self, screen: Screen) -> Laid:
        return lay(screen, self.state.values, self.world_of(self.state), self.limit)

    def uncovered(self, cover: Screen, key: str) -> Step:
        """The notice over a screen: its choice and Back both show that screen again."""
        if key.strip() == "0" or self.found(cover, key, 0):
            return Step(replace(self.state, wrong=0))
        return self.wrong()

    def zero(self, screen: Screen) -> Step:
        state = self.state
        if state.page:
            return Step(replace(state, page=state.page - 1, wrong=0))
        if screen.zero:
            return self.walked(screen.zero, None)
        if screen.start or not state.trail:
            return Step(state, left=True)
        before = state.trail[-1][0]
        if again := self.book.screens[before].again:
            return Step(state.at(again))
        return Step(_forget(self.book, replace(state, trail=state.trail[:-1]).at(before)))

    def typed(self, screen: Screen, typed: Typed, key: str) -> Step:
        """Whatever is typed is the answer, as it is; only the whole reply "1" skips, where the screen says so.

        A secret is digits: words given in its place were meant for somebody."""
        too_long = typed.limit is not None and len(self.reply) > typed.limit
        if not self.reply.strip() or too_long or (typed.secret and is_words(self.reply)):
            return self.wrong()
        skipped = typed.skip is not None and key == typed.skip
        answer = self.answer(screen, None if skipped else kept(self.reply), typed=not skipped)
        return self.walked(Choice("", screen.words, do=screen.do), answer)

    def chosen(self, screen: Screen, key: str) -> Step:
        choice = self.found(screen, key, self.state.page)
        return self.walked(choice, self.answer(screen, choice.value, typed=False)) if choice else self.wrong()

    def found(self, screen: Screen, reply: str, page: int) -> Choice | None:
        """By key (where numbers start anew on each page, by this page's), else by a label or another word for it."""
        if not (wanted := fold(reply)):
            return None
        if plain := _for_everybody(screen, wanted):
            return plain
        if screen.lists:
            laid = self.laid(screen)
            lines = laid.pages[min(page, len(laid.pages) - 1)].lines
            offers, keys = laid.offers, {line.key: laid.offers[line.choice] for line in lines}
        else:
            offers = offered(screen, self.state.values, self.world_of(self.state))
            keys = {offer.key: offer for offer in offers}
        if wanted in keys:
            return keys[wanted].choice
        said = (offer.choice for offer in offers if wanted in offer.choice.also or _is_label(offer, wanted))
        return next(said, None)

    def answer(self, screen: Screen, value: str | None, *, typed: bool) -> Answer | None:
        return Answer(screen.id, screen.question, value, typed, self.now) if screen.question else None

    def walked(self, choice: Choice, answer: Answer | None) -> Step:
        state = self.state
        answers = (*state.answers, answer) if answer else state.answers
        trail = (*state.trail, (state.screen, len(state.answers) if answer else -1))
        state = State(state.screen, trail, answers, state.unasked, state.page)
        if choice.do:
            return Step(state, effect=choice.do, answered=answer)
        go = choice.go or self.book.screens[state.screen].go
        return Step(_onward(self.book, state, go, self.world_of), answered=answer)

    def wrong(self) -> Step:
        """Words sent where a choice or a code was asked are kept: they were meant."""
        state = self.state
        words = (Unasked(self.now, state.screen, kept(self.reply)),) if self.more or is_words(self.reply) else ()
        wrong = state.wrong if self.more else min(state.wrong + 1, TOO_MANY)
        state = replace(state, unasked=state.unasked + words, wrong=wrong)
        return Step(state, accepted=False, sorry=not self.more)


def _undone(state: State) -> State:
    """Without the answer to an effect whose outcome never came: that screen is still open."""
    if state.trail and state.trail[-1][0] == state.screen:
        return replace(state, trail=state.trail[:-1])
    return state


def _for_everybody(screen: Screen, key: str) -> Choice | None:
    """The choice of this key, where nothing of the world decides whether it is there."""
    found = [] if screen.lists else [one for one in screen.choices if one.key == key]
    return found[0] if len(found) == 1 and found[0].when is ALWAYS and found[0].say.is_plain else None


def _is_label(offer: Offer, wanted: str) -> bool:
    labels = {fold(say) for say in offer.say}
    return wanted in labels or wanted in {f"{offer.key} {label}" for label in labels}


def _onward(book: Book, state: State, gos: Sequence[Go], world_of: WorldOf) -> State:
    """To the first screen on this way that is to be asked. Each one is looked at in the world as it is there."""
    values = state.values
    while True:
        facts = world_of(state).facts
        state = state.at(next(go.to for go in gos if go.when.holds(values, facts)))
        screen = book.screens[state.screen]
        if asked(screen, values, world_of(state)):
            return _forget(book, state)
        gos = screen.otherwise or screen.go


def _forget(book: Book, state: State) -> State:
    """Without secret answers that are no longer in force, or whose flow the walk has left."""
    screens = book.screens
    secret = [
        index for index, answer in enumerate(state.answers) if (typed := screens[answer.screen].typed) and typed.secret
    ]
    if not secret:  # as nearly always
        return state
    flow, in_force = state.screen.partition(".")[0], state.in_force
    gone = {
        index for index in secret if index not in in_force or not state.answers[index].screen.startswith(f"{flow}.")
    }
    if not gone:
        return state
    stays = [index for index in range(len(state.answers)) if index not in gone]
    moved = {old: new for new, old in enumerate(stays)}
    trail = tuple((name, moved.get(index, -1)) for name, index in state.trail)
    return replace(state, trail=trail, answers=tuple(state.answers[index] for index in stays))
