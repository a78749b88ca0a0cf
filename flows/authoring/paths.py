"""Explore all paths through the flows as a graph of states. States with no relevant difference are merged.

Country, language and channel are passed in. Each reply goes through the engine, as a reporter's does. Pure.
"""

from __future__ import annotations

import gc
import itertools
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    depend on. `equivalence_key`: maps an answer to a key; answers with the same key give the same
    context. It reads no more of the state than the answers in force. `longest_values`: fields with their longest
    possible texts. `translation_source`: file and line of a message's translation.
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

    def context_for(self, combination: Combination, fields: Mapping[str, str] | None = None) -> ScreenContext:
        """Return the context here, in the language of `combination`; `fields` replace existing ones."""
        context = combination.context_for(self.state)
        replaced = {name: words for name, words in (fields or {}).items() if name in context.fields}
        return replace(context, facts={**context.facts, **dict(self.facts)}, fields={**context.fields, **replaced})


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


def explore(book: FlowBook, dependencies: Dependencies, combination: Combination) -> StateGraph:
    """Return the graph of all states that replies lead to."""
    with _no_collections():
        return _Explorer(book, dependencies, combination).run()


@contextmanager
def _no_collections() -> Iterator[None]:
    """Create some hundred thousand objects that all stay: the garbage collector would find nothing among them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Answers:
    """The answers in force in states, with the keys that the context and the conditions depend on, computed once."""

    __slots__ = ("_combination", "_keys", "_state", "compared", "context_key", "contexts", "relevant", "values")

    def __init__(self, values: dict[str, str | None], state: FlowState, combination: Combination) -> None:
        self.values = values
        self._state, self._combination = state, combination
        self._keys: dict[str, Hashable] = {}
        self.compared: dict[str, Hashable] = {}  # question → which sets of values have its answer
        self.relevant: dict[int, StateKey] = {}  # id of a tuple of questions → what matters of their answers
        self.context_key: StateKey = ()
        self.contexts: dict[FactPairs, ScreenContext] = {}  # by facts of the line and of effects

    def equivalence_key(self, name: str) -> Hashable:
        if name not in self._keys:
            self._keys[name] = self._combination.equivalence_key(name, self.values.get(name), self._state)
        return self._keys[name]


class _Explorer:
    def __init__(self, book: FlowBook, dependencies: Dependencies, combination: Combination) -> None:
        self._book, self._dependencies, self._combination = book, dependencies, combination
        self._graph = StateGraph(combination)
        self._contexts: dict[StateKey, ScreenContext] = {}
        self._answers: dict[tuple[tuple[str, str | None], ...], _Answers] = {}  # by what was answered, in order
        # The same for the states around one node. A state is kept here, so that the ids of its parts are not reused.
        self._answers_near: dict[tuple[int, int], tuple[_Answers, FlowState]] = {}
        line_facts = {name for line in combination.phone_lines for name, _ in line}
        self._by_line = {
            name.partition(".")[0] for name, depends_on in dependencies.own.items() if depends_on & line_facts
        }
        self._seen_backs: set[tuple[str, str]] = set()
        self._context_questions = tuple(sorted(frozenset[str]().union(*combination.dependencies.values())))
        self._waiting: deque[StateNode] = deque()
        screens = book.screens
        self._question_tuples: dict[tuple[tuple[str, bool, bool], ...], tuple[tuple[str, bool, bool], ...]] = {}
        self._shown = {name: self._questions(dependencies.shown[name]) for name in screens}
        context_facts = (
            {*combination.context_for(combination.starts[0]).facts, *combination.dependencies}
            if combination.starts
            else set()
        )
        self._unset_facts = {name: facts_from_effects(dependencies.later[name], context_facts) for name in screens}
        self._later = {name: self._questions(dependencies.later[name]) for name in screens}

    def run(self) -> StateGraph:
        graph = self._graph
        for name in self._combination.notices:
            self._view(FlowState(name), self._combination.phone_lines[0])
        for line in self._combination.phone_lines:  # the first line completely, before the others reach the same states
            graph.starts += [self._add_state(state, line) for state in self._combination.starts]
            while self._waiting:
                node = self._waiting.popleft()
                self._answers_near.clear()
                graph.transitions[node.key] = list(self._transitions(node)) if self._is_explored(node) else []
        return graph

    def context_for(self, facts: FactPairs) -> ContextFor:
        def cached_context(state: FlowState) -> ScreenContext:
            answers = self._answers_of(state)
            context = answers.contexts.get(facts)
            if context is None:
                if not answers.context_key:
                    answers.context_key = tuple(map(answers.equivalence_key, self._context_questions))
                key = facts, answers.context_key
                if key not in self._contexts:
                    plain = self._combination.context_for(state)
                    self._contexts[key] = replace(plain, facts={**plain.facts, **dict(facts)}) if facts else plain
                context = answers.contexts[facts] = self._contexts[key]
            return context

        return cached_context

    def _answers_of(self, state: FlowState) -> _Answers:
        """Return the answers of a state. States with the same trail and answers, as skipped ones have, share them."""
        key = id(state.trail), id(state.answers)
        if near := self._answers_near.get(key):
            return near[0]
        all_answers = state.answers
        given = [all_answers[index] for _, index in state.trail if index >= 0]
        in_force = tuple([(answer.question, answer.value) for answer in given])
        answers = self._answers.get(in_force)
        if answers is None:
            answers = self._answers[in_force] = _Answers(dict(in_force), state, self._combination)
        self._answers_near[key] = answers, state
        return answers

    # Equivalence of states

    def _questions(self, names: frozenset[str]) -> tuple[tuple[str, bool, bool], ...]:
        """Return the questions that these names depend on.

        Each comes with whether conditions compare it, and whether the context depends on it.
        """
        depends = self._combination.dependencies
        by_context = frozenset[str]().union(*(depends[name] for name in names if name in depends))
        compared = {name for name in names if name in self._dependencies.values and name not in FACTS}
        questions = tuple((name, name in compared, name in by_context) for name in sorted(compared | by_context))
        return self._question_tuples.setdefault(questions, questions)  # the same object for the same questions

    def _relevant_values(self, state: FlowState, questions: tuple[tuple[str, bool, bool], ...]) -> StateKey:
        answers = self._answers_of(state)
        values = answers.relevant.get(id(questions))  # the tuples live as long as this explorer
        if values is None:
            values = answers.relevant[id(questions)] = tuple(self._each_relevant_value(answers, questions))
        return values

    def _each_relevant_value(
        self, answers: _Answers, questions: tuple[tuple[str, bool, bool], ...]
    ) -> Iterator[Hashable]:
        for name, compared, by_context in questions:
            if compared:
                if name not in answers.compared:
                    value = answers.values.get(name)
                    answers.compared[name] = tuple([value in allowed for allowed in self._dependencies.values[name]])
                yield answers.compared[name]
            if by_context:
                yield answers.equivalence_key(name)

    def _add_state(self, state: FlowState, facts: FactPairs) -> StateKey:
        name = state.screen
        key = (
            name,
            _select_facts(facts, self._dependencies.later[name]),
            *self._relevant_values(state, self._later[name]),
        )
        if key not in self._graph.nodes:
            node = StateNode(key, state, facts, self._view(state, facts).layout)
            self._graph.nodes[key] = node
            self._waiting.append(node)
        return key

    def _view(self, state: FlowState, facts: FactPairs) -> StateNode:
        name, views = state.screen, self._graph.shown_nodes
        key = (
            name,
            _select_facts(facts, self._dependencies.shown[name]),
            *self._relevant_values(state, self._shown[name]),
        )
        if key not in views:
            layout = lay_out(
                self._book.screens[name], state.values, self.context_for(facts)(state), self._combination.limit
            )
            views[key] = StateNode(key, state, facts, layout)
        return views[key]

    # Possible replies

    def _transitions(self, node: StateNode) -> Iterator[Transition]:
        screen = node.layout.screen
        for reply, page, typed_count in self._replies(node):
            try:
                result = self._step(replace(node.state, page=page), reply, node.facts)
                if not result.accepted or result.has_left:
                    raise LookupError("the engine does not accept it")
                back = reply == "0" and not screen.zero
                for to, outcome in self._next_states(result, node):
                    yield Transition(reply, page, to, result.effect, outcome, typed_count, back)
            except (LookupError, StopIteration) as error:
                self._graph.unhandled.append(
                    UnhandledReply(screen.id, reply, f"{type(error).__name__} {error}".strip())
                )

    def _replies(self, node: StateNode) -> Iterator[tuple[str, int, int]]:
        """Yield the replies to try.

        On the telephone lines after the first one, a screen that offers Send gets only that reply and Back: all others
        lead to the same as on the first line.
        """
        sends = [offer.key for offer in node.layout.offers if offer.choice.do == "send"]
        other = self._is_on_another_line(node)
        for reply in _replies(node.layout):
            if not (other and sends) or reply[0] in sends:
                yield reply
        if node.layout.screen.zero or (node.state.trail and not node.layout.screen.start and self._is_new_back(node)):
            yield "0", 0, 0

    def _is_on_another_line(self, node: StateNode) -> bool:
        first = dict(self._combination.phone_lines[0])
        return any(name in first and first[name] != value for name, value in node.facts)

    def _is_explored(self, node: StateNode) -> bool:
        """Return whether to try the replies to a state.

        On the telephone lines after the first one, only first screens and flows that depend on the line are explored.
        """
        screen = node.layout.screen
        off = self._is_on_another_line(node) and not screen.start and screen.flow not in self._by_line
        return not (screen.end or off)

    def _is_new_back(self, node: StateNode) -> bool:
        """Return whether Back from this screen to the previous one has not been tried yet, and record it as tried."""
        pair = node.state.screen, node.state.trail[-1][0]
        new = pair not in self._seen_backs
        self._seen_backs.add(pair)
        return new

    def _step(self, state: FlowState, reply: str, facts: FactPairs) -> EngineStep:
        combination = self._combination
        return step(self._book, state, reply, self.context_for(facts), limit=combination.limit, now=NOON)

    def _next_states(self, result: EngineStep, node: StateNode) -> Iterator[tuple[StateKey, str | None]]:
        if not result.effect:
            yield self._add_state(result.state, node.facts), None
            return
        for outcome in _outcomes(node.layout.screen, result.effect):
            for facts in self._possible_facts(node):
                yield (
                    self._add_state(apply_outcome(self._book, result.state, outcome, self.context_for(facts)), facts),
                    outcome,
                )

    def _possible_facts(self, node: StateNode) -> Iterator[FactPairs]:
        """Yield each combination of values that an effect may give to facts which are not set yet."""
        set_facts = dict(node.facts)
        names = [name for name in self._unset_facts[node.state.screen] if name not in set_facts]
        for values in itertools.product(*(sorted(FACTS[name]) for name in names)):
            yield tuple(sorted({**set_facts, **dict(zip(names, values, strict=True))}.items()))


def _select_facts(facts: FactPairs, names: frozenset[str]) -> FactPairs:
    return tuple(fact for fact in facts if fact[0] in names)


def _outcomes(screen: Screen, effect: str) -> Sequence[str]:
    choices = [*screen.choices, *((screen.zero,) if screen.zero else ())]
    outcomes = [outcome for choice in choices if choice.do == effect for outcome in choice.outcomes]
    if screen.do == effect:
        of_choices = {outcome for choice in choices for outcome in choice.outcomes}
        outcomes += [outcome for outcome in screen.outcomes if outcome not in of_choices]
    return list(dict.fromkeys(outcomes))


def _replies(layout: ScreenLayout) -> Iterator[tuple[str, int, int]]:
    """Yield each choice once, by its key on its page; or a sample text, and the key that skips it.

    Each comes with its page and the number of characters typed.
    """
    screen = layout.screen
    if screen.typed:
        words = sample_input(screen.typed)
        yield words, 0, len(words)
        if screen.typed.skip:
            yield screen.typed.skip, 0, 0
    seen: set[int] = set()
    for number, page in enumerate(layout.pages):
        for line in page.lines:
            if line.choice not in seen:
                seen.add(line.choice)
                yield line.key, number, 0


def sample_input(typed: TypedInput) -> str:
    """Return a text for a typed answer, no longer than its limit."""
    words = SAMPLE_DIGITS if typed.secret else SAMPLE_WORDS
    return words[: typed.limit] if typed.limit else words
