"""Every way through the flows, as states and not as raw paths: walks that differ in nothing that still matters are one.

Country, language and channel are handed in; every reply goes through the engine, as a person's does. Pure.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from flows.dependencies import Dependencies, facts_from_effects
from flows.engine import ContextFor, EngineStep, apply_outcome, step
from flows.model import FlowBook, FlowState, Screen, ScreenContext, ScreenLayout, TypedInput
from flows.pagination import ScreenLimit
from flows.renderer import lay_out
from flows.vocabulary import FACTS

StateKey = tuple[Hashable, ...]
FactPairs = tuple[tuple[str, str], ...]

NOON = 1_795_000_000  # unix seconds; nothing depends on it


@dataclass(frozen=True, slots=True)
class Combination:
    """A country, a language and a channel. `begin`: where a conversation may begin there; `lines`: what facts differ
    from line to line. `notices`: screens that are shown beside any conversation.

    `depends`: the facts, fields and lists of the world that change with answers, each with the questions that they
    depend on. `alike`: what the world looks at of the answer to a question. `longest`: fields that may be as long.
    """

    country: str
    language: str
    channel: str  # ussd or sms
    limit: ScreenLimit
    context_for: ContextFor
    begin: tuple[FlowState, ...]
    notices: tuple[str, ...]
    depends: Mapping[str, frozenset[str]]
    equivalence_key: Callable[[str, str | None, FlowState], Hashable]
    lines: tuple[FactPairs, ...] = ((),)
    longest: Mapping[str, str] = field(default_factory=dict)
    translation_source: Callable[[str], tuple[str, int] | None] = lambda _: (
        None
    )  # file and line of a message's translation

    def __str__(self) -> str:
        return f"{self.country} {self.language} {self.channel}"


class StateNode(Struct, frozen=True):
    """A screen with those answers that matter from there on; `state` is the shortest walk to it."""

    key: StateKey
    state: FlowState
    told: FactPairs  # what is special about the line, and what an effect has told
    laid: ScreenLayout

    def context_for(self, where: Combination, fields: Mapping[str, str] | None = None) -> ScreenContext:
        """The world here, in the language of `where`; `fields` take the place of those that are there."""
        world = where.context_for(self.state)
        named = {name: words for name, words in (fields or {}).items() if name in world.fields}
        return replace(world, facts={**world.facts, **dict(self.told)}, fields={**world.fields, **named})


@dataclass(frozen=True, slots=True)
class Transition:
    """One reply at one spot. `page`: where its choice stands, from 0. `typed`: letters, where it is no choice.
    `back`: it is `0` where that goes back."""

    reply: str
    page: int
    to: StateKey
    effect: str | None = None
    outcome: str | None = None
    typed: int = 0
    back: bool = False


@dataclass(frozen=True, slots=True)
class UnhandledReply:
    """A reply that the engine cannot take anywhere."""

    screen: str
    reply: str
    why: str


@dataclass(slots=True)
class StateGraph:
    where: Combination
    spots: dict[StateKey, StateNode] = field(default_factory=dict)
    ways: dict[StateKey, list[Transition]] = field(default_factory=dict)
    views: dict[StateKey, StateNode] = field(default_factory=dict)  # those that differ in what they show
    begin: list[StateKey] = field(default_factory=list)
    lost: list[UnhandledReply] = field(default_factory=list)


# The walk itself: every reply at every spot, through the engine. Pure.

SAMPLE_WORDS = "Somebody writes to me every day"
SAMPLE_DIGITS = "2468"


def explore(book: FlowBook, uses: Dependencies, where: Combination) -> StateGraph:
    return _Explorer(book, uses, where).walked()


class _Explorer:
    def __init__(self, book: FlowBook, uses: Dependencies, where: Combination) -> None:
        self._book, self._uses, self._where = book, uses, where
        self._found = StateGraph(where)
        self._worlds: dict[StateKey, ScreenContext] = {}
        special = {name for line in where.lines for name, _ in line}
        self._by_line = {name.partition(".")[0] for name, own in uses.own.items() if own & special}
        self._backs: set[tuple[str, str]] = set()
        self._looked_at = tuple(sorted(frozenset[str]().union(*where.depends.values())))
        self._waiting: deque[StateNode] = deque()
        screens = book.screens
        self._shown = {name: self._questions(uses.shown[name]) for name in screens}
        said = {*where.context_for(where.begin[0]).facts, *where.depends} if where.begin else set()
        self._untold = {name: facts_from_effects(uses.later[name], said) for name in screens}
        self._later = {name: self._questions(uses.later[name]) for name in screens}

    def walked(self) -> StateGraph:
        found = self._found
        for name in self._where.notices:
            self._view(FlowState(name), self._where.lines[0])
        for line in self._where.lines:  # the first one whole, before the others come to the same spots
            found.begin += [self._come(state, line) for state in self._where.begin]
            while self._waiting:
                spot = self._waiting.popleft()
                found.ways[spot.key] = list(self._ways(spot)) if self._is_of_interest(spot) else []
        return found

    def context_for(self, told: FactPairs) -> ContextFor:
        def made(state: FlowState) -> ScreenContext:
            values = state.values
            key = (told, *(self._where.equivalence_key(name, values.get(name), state) for name in self._looked_at))
            if key not in self._worlds:
                world = self._where.context_for(state)
                self._worlds[key] = replace(world, facts={**world.facts, **dict(told)}) if told else world
            return self._worlds[key]

        return made

    # Which walks are one

    def _questions(self, names: frozenset[str]) -> tuple[tuple[str, bool, bool], ...]:
        """The questions behind these names: whether conditions compare them, whether the world looks at them."""
        depends = self._where.depends
        by_world = frozenset[str]().union(*(depends[name] for name in names if name in depends))
        compared = {name for name in names if name in self._uses.values and name not in FACTS}
        return tuple((name, name in compared, name in by_world) for name in sorted(compared | by_world))

    def _same(self, state: FlowState, questions: tuple[tuple[str, bool, bool], ...]) -> Iterator[Hashable]:
        values = state.values
        for name, compared, by_world in questions:
            if compared:
                value = values.get(name)
                yield tuple(value in allowed for allowed in self._uses.values[name])
            if by_world:
                yield self._where.equivalence_key(name, values.get(name), state)

    def _come(self, state: FlowState, told: FactPairs) -> StateKey:
        name = state.screen
        key = (name, _among(told, self._uses.later[name]), *self._same(state, self._later[name]))
        if key not in self._found.spots:
            spot = StateNode(key, state, told, self._view(state, told).laid)
            self._found.spots[key] = spot
            self._waiting.append(spot)
        return key

    def _view(self, state: FlowState, told: FactPairs) -> StateNode:
        name, views = state.screen, self._found.views
        key = (name, _among(told, self._uses.shown[name]), *self._same(state, self._shown[name]))
        if key not in views:
            laid = lay_out(self._book.screens[name], state.values, self.context_for(told)(state), self._where.limit)
            views[key] = StateNode(key, state, told, laid)
        return views[key]

    # What can be replied

    def _ways(self, spot: StateNode) -> Iterator[Transition]:
        screen = spot.laid.screen
        for reply, page, letters in self._replies(spot):
            try:
                took = self._step(replace(spot.state, page=page), reply, spot.told)
                if not took.accepted or took.left:
                    raise LookupError("the engine does not take it")
                back = reply == "0" and not screen.zero
                for to, outcome in self._after(took, spot):
                    yield Transition(reply, page, to, took.effect, outcome, letters, back)
            except (LookupError, StopIteration) as wrong:
                self._found.lost.append(UnhandledReply(screen.id, reply, f"{type(wrong).__name__} {wrong}".strip()))

    def _replies(self, spot: StateNode) -> Iterator[tuple[str, int, int]]:
        """On the other lines, Send is all that is of interest once it is offered: the rest is as on the first line."""
        sends = [offer.key for offer in spot.laid.offers if offer.choice.do == "send"]
        other = self._is_on_another_line(spot)
        for reply in _replies(spot.laid):
            if not (other and sends) or reply[0] in sends:
                yield reply
        if spot.laid.screen.zero or (spot.state.trail and not spot.laid.screen.start and self._back_from(spot)):
            yield "0", 0, 0

    def _is_on_another_line(self, spot: StateNode) -> bool:
        first = dict(self._where.lines[0])
        return any(name in first and first[name] != value for name, value in spot.told)

    def _is_of_interest(self, spot: StateNode) -> bool:
        """Whether its replies are: on the other lines, only where a flow looks at what is special about a line."""
        screen = spot.laid.screen
        off = self._is_on_another_line(spot) and not screen.start and screen.flow not in self._by_line
        return not (screen.end or off)

    def _back_from(self, spot: StateNode) -> bool:
        """Whether nobody has gone Back yet from this screen to the one before."""
        pair = spot.state.screen, spot.state.trail[-1][0]
        new = pair not in self._backs
        self._backs.add(pair)
        return new

    def _step(self, state: FlowState, reply: str, told: FactPairs) -> EngineStep:
        where = self._where
        return step(self._book, state, reply, self.context_for(told), limit=where.limit, now=NOON)

    def _after(self, took: EngineStep, spot: StateNode) -> Iterator[tuple[StateKey, str | None]]:
        if not took.effect:
            yield self._come(took.state, spot.told), None
            return
        for outcome in _outcomes(spot.laid.screen, took.effect):
            for told in self._told(spot):
                yield self._come(apply_outcome(self._book, took.state, outcome, self.context_for(told)), told), outcome

    def _told(self, spot: StateNode) -> Iterator[FactPairs]:
        """Each way in which an effect may fill what the world has not said and no effect has told."""
        known = dict(spot.told)
        names = [name for name in self._untold[spot.state.screen] if name not in known]
        for values in itertools.product(*(sorted(FACTS[name]) for name in names)):
            yield tuple(sorted({**known, **dict(zip(names, values, strict=True))}.items()))


def _among(told: FactPairs, names: frozenset[str]) -> FactPairs:
    return tuple(fact for fact in told if fact[0] in names)


def _outcomes(screen: Screen, effect: str) -> Sequence[str]:
    choices = [*screen.choices, *((screen.zero,) if screen.zero else ())]
    mine = [outcome for choice in choices if choice.do == effect for outcome in choice.outcomes]
    if screen.do == effect:
        theirs = {outcome for choice in choices for outcome in choice.outcomes}
        mine += [outcome for outcome in screen.outcomes if outcome not in theirs]
    return list(dict.fromkeys(mine))


def _replies(laid: ScreenLayout) -> Iterator[tuple[str, int, int]]:
    """Each choice once, by its key on the page where it stands; something typed, and what skips it: each with its page
    and the letters typed."""
    screen = laid.screen
    if screen.typed:
        words = sample_input(screen.typed)
        yield words, 0, len(words)
        if screen.typed.skip:
            yield screen.typed.skip, 0, 0
    seen: set[int] = set()
    for number, page in enumerate(laid.pages):
        for line in page.lines:
            if line.choice not in seen:
                seen.add(line.choice)
                yield line.key, number, 0


def sample_input(typed: TypedInput) -> str:
    words = SAMPLE_DIGITS if typed.secret else SAMPLE_WORDS
    return words[: typed.limit] if typed.limit else words
