"""What a screen looks at: the questions, facts, fields and lists that its words, choices and ways depend on. Pure.

Two walks that come to one screen with the same of what is looked at from there on are one walk, for the lint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from flows.model import Condition, FlowBook, Screen, ScreenContext, ScreenText
from flows.parser.book_builder import reachable
from flows.text import PLACEHOLDER
from flows.vocabulary import FACTS

Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`shown`: what the words and choices of each screen look at. `own`: that, and what its ways look at. `later`: that
    of all that may follow, too.
    `values`: the sets of values that conditions compare each name with."""

    shown: Mapping[str, Names]
    own: Mapping[str, Names]
    later: Mapping[str, Names]
    values: Mapping[str, tuple[frozenset[str | None], ...]]


def dependencies_of(book: FlowBook) -> Dependencies:
    screens = book.screens
    shown = {name: _shown(screen) for name, screen in screens.items()}
    own = {name: _own(screen) for name, screen in screens.items()}
    later = {name: Names().union(*(own[one] for one in reachable([name], screens))) for name in screens}
    values: dict[str, dict[frozenset[str | None], None]] = {}
    for screen in screens.values():
        for name, allowed in _clauses([*_conditions(screen), *_leading(screen)]):
            values.setdefault(name, {})[allowed] = None
    return Dependencies(shown, own, later, {name: tuple(sets) for name, sets in values.items()})


@dataclass(frozen=True, slots=True)
class ScreenInputs:
    """What the words and choices of a screen look at, kind by kind."""

    lists: Names
    names: Names  # questions and facts
    fields: Names

    def provided_by(self, world: ScreenContext) -> bool:
        return self.lists <= set(world.lists) and self.names <= set(world.facts) and self.fields <= set(world.fields)


def inputs_of(screen: Screen) -> ScreenInputs:
    return ScreenInputs(
        frozenset(screen.lists), frozenset(_compared(_conditions(screen))), frozenset(_placeholders(screen))
    )


def screens_reading(book: FlowBook, names: Collection[str]) -> frozenset[str]:
    """The screens whose words, choices or ways look at one of these names."""
    wanted = frozenset(names)
    return frozenset(name for name, screen in book.screens.items() if not wanted.isdisjoint(_own(screen)))


def _own(screen: Screen) -> Names:
    return _shown(screen) | frozenset(_compared(_leading(screen)))


def facts_from_effects(names: Collection[str], facts: Collection[str]) -> list[str]:
    """The facts among these names that only an effect can tell."""
    return sorted(name for name in names if name in FACTS and name not in facts)


def _texts(screen: Screen) -> Iterator[ScreenText]:
    yield from (screen.words, screen.leave, screen.beside, screen.foot)
    for choice in screen.choices:
        yield choice.say
    if screen.zero:
        yield screen.zero.say


def _shown(screen: Screen) -> Names:
    seen = inputs_of(screen)
    return seen.lists | seen.names | seen.fields


def _placeholders(screen: Screen) -> Iterator[str]:
    for text in _texts(screen):
        for variant in text.variants:
            for say in variant.says:
                yield from PLACEHOLDER.findall(say)


def _conditions(screen: Screen) -> Iterator[Condition]:
    for text in _texts(screen):
        for variant in text.variants:
            yield variant.when
    for choice in screen.choices:
        yield choice.when


def _leading(screen: Screen) -> list[Condition]:
    gos = [*screen.go, *screen.otherwise]
    for targets in screen.outcomes.values():
        gos += targets
    for choice in (*screen.choices, *((screen.zero,) if screen.zero else ())):
        gos += choice.go
    return [screen.when, *(go.when for go in gos)]


def _clauses(conditions: Iterable[Condition]) -> Iterator[tuple[str, frozenset[str | None]]]:
    for condition in conditions:
        for all_of in condition.any_of:
            yield from all_of


def _compared(conditions: Iterable[Condition]) -> Iterator[str]:
    yield from (name for name, _ in _clauses(conditions))
