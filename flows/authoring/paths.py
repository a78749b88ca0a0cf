"""Explore all paths through the flows as a graph of states; states that do not differ in anything relevant are one.

Country, language and channel are passed in. Each reply goes through the engine, as a reporter's does. Pure.
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
from flows.model import FACTS, FlowBook, FlowState, Screen, ScreenContext, ScreenLayout, TypedInput
from flows.pagination import ScreenLimit
from flows.renderer import lay_out
from runtime.telephony import ChannelKind

StateKey = tuple[Hashable, ...]
FactPairs = tuple[tuple[str, str], ...]

NOON = 1_795_000_000  # Unix time in seconds; nothing depends on it


@dataclass(frozen=True, slots=True)
class Combination:
    """A country, a language and a channel.

    `starts`: states in which a session may begin. `notices`: screens that are shown outside of sessions. `phone_lines`:
    the sets of facts that differ from one telephone line to another.

    `dependencies`: the facts, fields and lists of the context that change with answers, each with the questions they
    depend on. `equivalence_key`: what the context takes from the answer to a question; answers with the same key are
    equivalent. `longest_values`: fields with their longest possible texts. `translation_source`: file and line of a
    message's translation.
    """

    country: str
    language: str
    channel: ChannelKind
    limit: ScreenLimit
    context_for: ContextFor
    starts: tuple[FlowState, ...]
    notices: tuple[str, ...]
    dependencies: Mapping[str, frozenset[str]]
    equivalence_key: Callable[[str, str | None, FlowState], Hashable]
    phone_lines: tuple[FactPairs, ...] = ((),)
    longest_values: Mapping[str, str] = field(default_factory=dict)
    translation_source: Callable[[str], tuple[str, int] | None] = lambda _: None

    def __str__(self) -> str:
        return f"{self.country} {self.language} {self.channel}"


class StateNode(Struct, frozen=True):
    """A screen with the answers that matter from there on. `state`: the shortest path to it.

    `facts`: the facts that depend on the telephone line, and those that effects have set.
    """

    key: StateKey
    state: FlowState
    facts: FactPairs
    layout: ScreenLayout

    def context_for(self, where: Combination, fields: Mapping[str, str] | None = None) -> ScreenContext:
        """Return the context here, in the language of `where`; `fields` replace existing ones."""
        world = where.context_for(self.state)
        named = {name: words for name, words in (fields or {}).items() if name in world.fields}
        return replace(world, facts={**world.facts, **dict(self.facts)}, fields={**world.fields, **named})


class Transition(Struct, frozen=True):
    """One reply to one state. `page`: the page with its choice, from 0.

    `typed`: the number of characters, if it is not a choice. `back`: the reply is `0` and goes back.
    """

    reply: str
    page: int
    to: StateKey
    effect: str | None = None
    outcome: str | None = None
    typed: int = 0
    back: bool = False


@dataclass(frozen=True, slots=True)
class UnhandledReply:
    """A reply that the engine cannot process."""

    screen: str
    reply: str
    why: str


@dataclass(slots=True)
class StateGraph:
    """All states of a combination, and the replies that lead from one to another.

    `nodes`: the states by key. `transitions`: the replies to each. `shown_nodes`: the states that differ in what they
    show. `starts`: the states that a session begins in. `unhandled`: replies that lead nowhere.
    """

    combination: Combination
    nodes: dict[StateKey, StateNode] = field(default_factory=dict)
    transitions: dict[StateKey, list[Transition]] = field(default_factory=dict)
    shown_nodes: dict[StateKey, StateNode] = field(default_factory=dict)
    starts: list[StateKey] = field(default_factory=list)
    unhandled: list[UnhandledReply] = field(default_factory=list)


SAMPLE_WORDS = "Somebody writes to me every day"
SAMPLE_DIGITS = "2468"


def explore(book: FlowBook, uses: Dependencies, where: Combination) -> StateGraph:
    """Return the graph of all states that replies lead to."""
    return _Explorer(book, uses, where).walked()


class _Answers:
    """The answers in force in a state, and what the context and the conditions take from each, computed once."""

    __slots__ = ("_keys", "_state", "_where", "compared", "contexts", "relevant", "values")

    def __init__(self, state: FlowState, where: Combination) -> None:
        self.values = state.values
        self._state, self._where = state, where  # keeps the state alive: ids of its parts are not reused
        self._keys: dict[str, Hashable] = {}
        self.compared: dict[str, Hashable] = {}  # question → which sets of values have its answer
        self.relevant: dict[int, StateKey] = {}  # id of a tuple of questions → what matters of their answers
        self.contexts: dict[FactPairs, ScreenContext] = {}

    def equivalence_key(self, name: str) -> Hashable:
        if name not in self._keys:
            self._keys[name] = self._where.equivalence_key(name, self.values.get(name), self._state)
        return self._keys[name]


class _Explorer:
    def __init__(self, book: FlowBook, uses: Dependencies, where: Combination) -> None:
        self._book, self._dependencies, self._where = book, uses, where
        self._graph = StateGraph(where)
        self._worlds: dict[StateKey, ScreenContext] = {}
        self._answers: dict[tuple[int, int], _Answers] = {}  # of the states around one node
        special = {name for line in where.phone_lines for name, _ in line}
        self._by_line = {name.partition(".")[0] for name, own in uses.own.items() if own & special}
        self._seen_backs: set[tuple[str, str]] = set()
        self._context_questions = tuple(sorted(frozenset[str]().union(*where.dependencies.values())))
        self._waiting: deque[StateNode] = deque()
        screens = book.screens
        self._tuples: dict[tuple[tuple[str, bool, bool], ...], tuple[tuple[str, bool, bool], ...]] = {}
        self._shown = {name: self._questions(uses.shown[name]) for name in screens}
        known = {*where.context_for(where.starts[0]).facts, *where.dependencies} if where.starts else set()
        self._unset_facts = {name: facts_from_effects(uses.later[name], known) for name in screens}
        self._later = {name: self._questions(uses.later[name]) for name in screens}

    def walked(self) -> StateGraph:
        graph = self._graph
        for name in self._where.notices:
            self._view(FlowState(name), self._where.phone_lines[0])
        for line in self._where.phone_lines:  # the first line completely, before the others reach the same states
            graph.starts += [self._add_state(state, line) for state in self._where.starts]
            while self._waiting:
                spot = self._waiting.popleft()
                self._answers.clear()
                graph.transitions[spot.key] = list(self._transitions(spot)) if self._is_of_interest(spot) else []
        return graph

    def context_for(self, told: FactPairs) -> ContextFor:
        def cached_context(state: FlowState) -> ScreenContext:
            answers = self._answers_of(state)
            if told not in answers.contexts:
                key = (told, *map(answers.equivalence_key, self._context_questions))
                if key not in self._worlds:
                    world = self._where.context_for(state)
                    self._worlds[key] = replace(world, facts={**world.facts, **dict(told)}) if told else world
                answers.contexts[told] = self._worlds[key]
            return answers.contexts[told]

        return cached_context

    def _answers_of(self, state: FlowState) -> _Answers:
        """Return the answers of a state. States with the same trail and answers, as skipped ones have, share them."""
        known = id(state.trail), id(state.answers)
        if known not in self._answers:
            self._answers[known] = _Answers(state, self._where)
        return self._answers[known]

    # Which paths are the same

    def _questions(self, names: frozenset[str]) -> tuple[tuple[str, bool, bool], ...]:
        """Return the questions that these names depend on.

        Each comes with whether conditions compare it, and whether the context depends on it.
        """
        depends = self._where.dependencies
        by_world = frozenset[str]().union(*(depends[name] for name in names if name in depends))
        compared = {name for name in names if name in self._dependencies.values and name not in FACTS}
        questions = tuple((name, name in compared, name in by_world) for name in sorted(compared | by_world))
        return self._tuples.setdefault(questions, questions)  # the same object for the same questions

    def _relevant_values(self, state: FlowState, questions: tuple[tuple[str, bool, bool], ...]) -> StateKey:
        answers = self._answers_of(state)
        known = answers.relevant.get(id(questions))  # the tuples live as long as this explorer
        if known is None:
            known = answers.relevant[id(questions)] = tuple(self._each_relevant_value(answers, questions))
        return known

    def _each_relevant_value(
        self, answers: _Answers, questions: tuple[tuple[str, bool, bool], ...]
    ) -> Iterator[Hashable]:
        for name, compared, by_world in questions:
            if compared:
                if name not in answers.compared:
                    value = answers.values.get(name)
                    answers.compared[name] = tuple([value in allowed for allowed in self._dependencies.values[name]])
                yield answers.compared[name]
            if by_world:
                yield answers.equivalence_key(name)

    def _add_state(self, state: FlowState, told: FactPairs) -> StateKey:
        name = state.screen
        key = (name, _only(told, self._dependencies.later[name]), *self._relevant_values(state, self._later[name]))
        if key not in self._graph.nodes:
            spot = StateNode(key, state, told, self._view(state, told).layout)
            self._graph.nodes[key] = spot
            self._waiting.append(spot)
        return key

    def _view(self, state: FlowState, told: FactPairs) -> StateNode:
        name, views = state.screen, self._graph.shown_nodes
        key = (name, _only(told, self._dependencies.shown[name]), *self._relevant_values(state, self._shown[name]))
        if key not in views:
            laid = lay_out(self._book.screens[name], state.values, self.context_for(told)(state), self._where.limit)
            views[key] = StateNode(key, state, told, laid)
        return views[key]

    # Which replies are possible

    def _transitions(self, spot: StateNode) -> Iterator[Transition]:
        screen = spot.layout.screen
        for reply, page, letters in self._replies(spot):
            try:
                result = self._step(replace(spot.state, page=page), reply, spot.facts)
                if not result.accepted or result.has_left:
                    raise LookupError("the engine does not accept it")
                back = reply == "0" and not screen.zero
                for to, outcome in self._next_states(result, spot):
                    yield Transition(reply, page, to, result.effect, outcome, letters, back)
            except (LookupError, StopIteration) as error:
                self._graph.unhandled.append(
                    UnhandledReply(screen.id, reply, f"{type(error).__name__} {error}".strip())
                )

    def _replies(self, spot: StateNode) -> Iterator[tuple[str, int, int]]:
        """Yield the replies to try.

        On the telephone lines after the first one, a screen that offers Send gets only that reply and Back: all others
        lead to the same as on the first line.
        """
        sends = [offer.key for offer in spot.layout.offers if offer.choice.do == "send"]
        other = self._is_on_another_line(spot)
        for reply in _replies(spot.layout):
            if not (other and sends) or reply[0] in sends:
                yield reply
        if spot.layout.screen.zero or (spot.state.trail and not spot.layout.screen.start and self._is_new_back(spot)):
            yield "0", 0, 0

    def _is_on_another_line(self, spot: StateNode) -> bool:
        first = dict(self._where.phone_lines[0])
        return any(name in first and first[name] != value for name, value in spot.facts)

    def _is_of_interest(self, spot: StateNode) -> bool:
        """Return whether to try the replies to a state.

        On the telephone lines after the first one, only first screens and flows that depend on the line are explored.
        """
        screen = spot.layout.screen
        off = self._is_on_another_line(spot) and not screen.start and screen.flow not in self._by_line
        return not (screen.end or off)

    def _is_new_back(self, spot: StateNode) -> bool:
        """Return whether Back from this screen to the previous one has not been tried yet, and record it as tried."""
        pair = spot.state.screen, spot.state.trail[-1][0]
        new = pair not in self._seen_backs
        self._seen_backs.add(pair)
        return new

    def _step(self, state: FlowState, reply: str, told: FactPairs) -> EngineStep:
        where = self._where
        return step(self._book, state, reply, self.context_for(told), limit=where.limit, now=NOON)

    def _next_states(self, result: EngineStep, spot: StateNode) -> Iterator[tuple[StateKey, str | None]]:
        if not result.effect:
            yield self._add_state(result.state, spot.facts), None
            return
        for outcome in _outcomes(spot.layout.screen, result.effect):
            for told in self._possible_facts(spot):
                yield (
                    self._add_state(apply_outcome(self._book, result.state, outcome, self.context_for(told)), told),
                    outcome,
                )

    def _possible_facts(self, spot: StateNode) -> Iterator[FactPairs]:
        """Yield each combination of values that an effect may give to facts which are not set yet."""
        known = dict(spot.facts)
        names = [name for name in self._unset_facts[spot.state.screen] if name not in known]
        for values in itertools.product(*(sorted(FACTS[name]) for name in names)):
            yield tuple(sorted({**known, **dict(zip(names, values, strict=True))}.items()))


def _only(told: FactPairs, names: frozenset[str]) -> FactPairs:
    return tuple(fact for fact in told if fact[0] in names)


def _outcomes(screen: Screen, effect: str) -> Sequence[str]:
    choices = [*screen.choices, *((screen.zero,) if screen.zero else ())]
    outcomes = [outcome for choice in choices if choice.do == effect for outcome in choice.outcomes]
    if screen.do == effect:
        of_choices = {outcome for choice in choices for outcome in choice.outcomes}
        outcomes += [outcome for outcome in screen.outcomes if outcome not in of_choices]
    return list(dict.fromkeys(outcomes))


def _replies(laid: ScreenLayout) -> Iterator[tuple[str, int, int]]:
    """Yield each choice once, by its key on its page; or a sample text, and the key that skips it.

    Each comes with its page and the number of characters typed.
    """
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
    """Return a text for a typed answer, no longer than its limit."""
    words = SAMPLE_DIGITS if typed.secret else SAMPLE_WORDS
    return words[: typed.limit] if typed.limit else words
