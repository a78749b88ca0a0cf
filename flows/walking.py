"""The walk itself: every reply at every spot, through the engine. Pure."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Hashable, Iterator, Sequence

from msgspec.structs import replace

from flows.engine import Step, WorldOf, arrive, step
from flows.model import Book, Screen, State, Typed, World
from flows.show import Laid, lay
from flows.uses import Uses, untold
from flows.vocabulary import FACTS
from flows.ways import NOON, Facts, Key, Lost, Spot, Way, Ways, Where

SOME_WORDS = "Somebody writes to me every day"
SOME_DIGITS = "2468"


def walk(book: Book, uses: Uses, where: Where) -> Ways:
    return _Walker(book, uses, where).walked()


class _Answered:
    """The answers in force in a state, and what the world looks at of each."""

    __slots__ = ("_alike", "_state", "_where", "values")

    def __init__(self, state: State, where: Where) -> None:
        self.values = state.values
        self._state, self._where = state, where  # a state that is kept here keeps the ids of its parts
        self._alike: dict[str, Hashable] = {}

    def alike(self, name: str) -> Hashable:
        if name not in self._alike:
            self._alike[name] = self._where.alike(name, self.values.get(name), self._state)
        return self._alike[name]


class _Walker:
    def __init__(self, book: Book, uses: Uses, where: Where) -> None:
        self._book, self._uses, self._where = book, uses, where
        self._found = Ways(where)
        self._worlds: dict[Key, World] = {}
        self._answered: dict[tuple[int, int], _Answered] = {}  # of the states around one spot
        special = {name for line in where.lines for name, _ in line}
        self._by_line = {name.partition(".")[0] for name, own in uses.own.items() if own & special}
        self._backs: set[tuple[str, str]] = set()
        self._looked_at = tuple(sorted(frozenset[str]().union(*where.depends.values())))
        self._waiting: deque[Spot] = deque()
        screens = book.screens
        self._shown = {name: self._questions(uses.shown[name]) for name in screens}
        said = {*where.world_of(where.begin[0]).facts, *where.depends} if where.begin else set()
        self._untold = {name: untold(uses.later[name], said) for name in screens}
        self._later = {name: self._questions(uses.later[name]) for name in screens}

    def walked(self) -> Ways:
        found = self._found
        for name in self._where.notices:
            self._view(State(name), self._where.lines[0])
        for line in self._where.lines:  # the first one whole, before the others come to the same spots
            found.begin += [self._come(state, line) for state in self._where.begin]
            while self._waiting:
                spot = self._waiting.popleft()
                self._answered.clear()
                found.ways[spot.key] = list(self._ways(spot)) if self._is_of_interest(spot) else []
        return found

    def world_of(self, told: Facts) -> WorldOf:
        def made(state: State) -> World:
            key = (told, *map(self._answers_of(state).alike, self._looked_at))
            if key not in self._worlds:
                world = self._where.world_of(state)
                self._worlds[key] = replace(world, facts={**world.facts, **dict(told)}) if told else world
            return self._worlds[key]

        return made

    def _answers_of(self, state: State) -> _Answered:
        """Looked at once for all screens that one reply leads over: a state there has the same answers on its trail."""
        known = id(state.trail), id(state.answers)
        if known not in self._answered:
            self._answered[known] = _Answered(state, self._where)
        return self._answered[known]

    # Which walks are one

    def _questions(self, names: frozenset[str]) -> tuple[tuple[str, bool, bool], ...]:
        """The questions behind these names: whether conditions compare them, whether the world looks at them."""
        depends = self._where.depends
        by_world = frozenset[str]().union(*(depends[name] for name in names if name in depends))
        compared = {name for name in names if name in self._uses.values and name not in FACTS}
        return tuple((name, name in compared, name in by_world) for name in sorted(compared | by_world))

    def _same(self, state: State, questions: tuple[tuple[str, bool, bool], ...]) -> Iterator[Hashable]:
        answered = self._answers_of(state)
        for name, compared, by_world in questions:
            if compared:
                value = answered.values.get(name)
                yield tuple(value in allowed for allowed in self._uses.values[name])
            if by_world:
                yield answered.alike(name)

    def _come(self, state: State, told: Facts) -> Key:
        name = state.screen
        key = (name, _among(told, self._uses.later[name]), *self._same(state, self._later[name]))
        if key not in self._found.spots:
            spot = Spot(key, state, told, self._view(state, told).laid)
            self._found.spots[key] = spot
            self._waiting.append(spot)
        return key

    def _view(self, state: State, told: Facts) -> Spot:
        name, views = state.screen, self._found.views
        key = (name, _among(told, self._uses.shown[name]), *self._same(state, self._shown[name]))
        if key not in views:
            laid = lay(self._book.screens[name], state.values, self.world_of(told)(state), self._where.limit)
            views[key] = Spot(key, state, told, laid)
        return views[key]

    # What can be replied

    def _ways(self, spot: Spot) -> Iterator[Way]:
        screen = spot.laid.screen
        for reply, page, letters in self._replies(spot):
            try:
                took = self._step(replace(spot.state, page=page), reply, spot.told)
                if not took.accepted or took.left:
                    raise LookupError("the engine does not take it")
                back = reply == "0" and not screen.zero
                for to, outcome in self._after(took, spot):
                    yield Way(reply, page, to, took.effect, outcome, letters, back)
            except (LookupError, StopIteration) as wrong:
                self._found.lost.append(Lost(screen.id, reply, f"{type(wrong).__name__} {wrong}".strip()))

    def _replies(self, spot: Spot) -> Iterator[tuple[str, int, int]]:
        """On the other lines, Send is all that is of interest once it is offered: the rest is as on the first line."""
        sends = [offer.key for offer in spot.laid.offers if offer.choice.do == "send"]
        other = self._is_on_another_line(spot)
        for reply in _replies(spot.laid):
            if not (other and sends) or reply[0] in sends:
                yield reply
        if spot.laid.screen.zero or (spot.state.trail and not spot.laid.screen.start and self._back_from(spot)):
            yield "0", 0, 0

    def _is_on_another_line(self, spot: Spot) -> bool:
        first = dict(self._where.lines[0])
        return any(name in first and first[name] != value for name, value in spot.told)

    def _is_of_interest(self, spot: Spot) -> bool:
        """Whether its replies are: on the other lines, only where a flow looks at what is special about a line."""
        screen = spot.laid.screen
        off = self._is_on_another_line(spot) and not screen.start and screen.flow not in self._by_line
        return not (screen.end or off)

    def _back_from(self, spot: Spot) -> bool:
        """Whether nobody has gone Back yet from this screen to the one before."""
        pair = spot.state.screen, spot.state.trail[-1][0]
        new = pair not in self._backs
        self._backs.add(pair)
        return new

    def _step(self, state: State, reply: str, told: Facts) -> Step:
        where = self._where
        return step(self._book, state, reply, self.world_of(told), limit=where.limit, now=NOON)

    def _after(self, took: Step, spot: Spot) -> Iterator[tuple[Key, str | None]]:
        if not took.effect:
            yield self._come(took.state, spot.told), None
            return
        for outcome in _outcomes(spot.laid.screen, took.effect):
            for told in self._told(spot):
                yield self._come(arrive(self._book, took.state, outcome, self.world_of(told)), told), outcome

    def _told(self, spot: Spot) -> Iterator[Facts]:
        """Each way in which an effect may fill what the world has not said and no effect has told."""
        known = dict(spot.told)
        names = [name for name in self._untold[spot.state.screen] if name not in known]
        for values in itertools.product(*(sorted(FACTS[name]) for name in names)):
            yield tuple(sorted({**known, **dict(zip(names, values, strict=True))}.items()))


def _among(told: Facts, names: frozenset[str]) -> Facts:
    return tuple(fact for fact in told if fact[0] in names)


def _outcomes(screen: Screen, effect: str) -> Sequence[str]:
    choices = [*screen.choices, *((screen.zero,) if screen.zero else ())]
    mine = [outcome for choice in choices if choice.do == effect for outcome in choice.outcomes]
    if screen.do == effect:
        theirs = {outcome for choice in choices for outcome in choice.outcomes}
        mine += [outcome for outcome in screen.outcomes if outcome not in theirs]
    return list(dict.fromkeys(mine))


def _replies(laid: Laid) -> Iterator[tuple[str, int, int]]:
    """Each choice once, by its key on the page where it stands; something typed, and what skips it: each with its page
    and the letters typed."""
    screen = laid.screen
    if screen.typed:
        words = sample(screen.typed)
        yield words, 0, len(words)
        if screen.typed.skip:
            yield screen.typed.skip, 0, 0
    seen: set[int] = set()
    for number, page in enumerate(laid.pages):
        for line in page.lines:
            if line.choice not in seen:
                seen.add(line.choice)
                yield line.key, number, 0


def sample(typed: Typed) -> str:
    words = SOME_DIGITS if typed.secret else SOME_WORDS
    return words[: typed.limit] if typed.limit else words
