"""Find what a screen depends on: the questions, facts, fields and lists of its texts, choices and targets. Pure.

The lint treats two paths to one screen as the same if they agree in everything that matters from there on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from flows.loader import successors_without_answer
from flows.model import FACTS, FIELDS, Condition, FlowBook, Screen, ScreenContext, ScreenText, ValueSets
from flows.pagination import PLACEHOLDER

Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The names that each screen depends on.

    `shown`: the names in its texts and choices. `own`: also those in the conditions that decide whether it is shown
    and which screen follows. `later`: also the `own` names of the screens that may follow, except questions that are
    answered anew before a screen reads them.
    `values`: the sets of values that conditions compare each name with.
    """

    shown: Mapping[str, Names]
    own: Mapping[str, Names]
    later: Mapping[str, Names]
    values: Mapping[str, tuple[frozenset[str | None], ...]]


def dependencies_of(book: FlowBook) -> Dependencies:
    """Return the dependencies of all screens."""
    screens = book.screens
    shown = {name: _shown(screen) for name, screen in screens.items()}
    own = {name: _own(screen) for name, screen in screens.items()}
    later = _later(screens, own)
    values: dict[str, dict[frozenset[str | None], None]] = {}
    for screen in screens.values():
        for name, allowed in _clauses([*_conditions(screen), *_target_conditions(screen)]):
            values.setdefault(name, {})[allowed] = None
    return Dependencies(shown, own, later, {name: tuple(sets) for name, sets in values.items()})


def _later(screens: Mapping[str, Screen], own: Mapping[str, Names]) -> dict[str, Names]:
    """Return the names that each screen and those after it read, computed backwards as a compiler's live variables.

    Only an answer replaces an earlier one: a screen that is skipped, and a screen's own `zero:` to a screen that was
    not passed, leave all answers in force. Back is not followed, nor `zero:` otherwise: it returns to an earlier state.
    """
    later = dict(own)
    kept = {None, *FACTS, *FIELDS}.union(*(screen.lists for screen in screens.values()))
    changed = True
    while changed:
        changed = False
        for name, screen in reversed(list(screens.items())):
            answered = {go.to for go in (*screen.go, *(go for choice in screen.choices for go in choice.go))}
            replaced = {screen.question} - kept
            names = own[name].union(
                *(later[following] - replaced for following in answered),
                *(later[following] for following in successors_without_answer(screen)),
            )
            if names != later[name]:
                later[name], changed = names, True
    return later


@dataclass(frozen=True, slots=True)
class ScreenInputs:
    """The names that the texts and choices of a screen depend on, by kind."""

    lists: Names
    fields: Names
    compared: Mapping[str, ValueSets]  # questions and facts, each with the sets that its value may have to be in

    def questions_beside(self, context: ScreenContext) -> dict[str, ValueSets] | None:
        """Return the questions that the screen depends on, beside the data of `context`.

        None if the screen also depends on other data.
        """
        questions = {name: sets for name, sets in self.compared.items() if name not in context.facts}
        is_provided = self.lists <= context.lists.keys() and self.fields <= context.fields.keys()
        return questions if is_provided and FACTS.keys().isdisjoint(questions) else None


def inputs_of(screen: Screen) -> ScreenInputs:
    """Return the names that the texts and choices of a screen depend on."""
    compared: dict[str, dict[frozenset[str | None], None]] = {}
    for name, allowed in _clauses(_conditions(screen)):
        compared.setdefault(name, {})[allowed] = None
    return ScreenInputs(
        frozenset(screen.lists),
        frozenset(_placeholders(screen)),
        {name: tuple(value_sets) for name, value_sets in compared.items()},
    )


def screens_reading(book: FlowBook, names: Collection[str]) -> frozenset[str]:
    """Return the screens whose texts, choices or targets depend on one of these names."""
    looked_up = frozenset(names)
    return frozenset(name for name, screen in book.screens.items() if not looked_up.isdisjoint(_own(screen)))


def _own(screen: Screen) -> Names:
    return _shown(screen) | frozenset(_compared_names(_target_conditions(screen)))


def facts_from_effects(names: Collection[str], facts: Collection[str]) -> list[str]:
    """Return the facts among these names that only an effect can set."""
    return sorted(name for name in names if name in FACTS and name not in facts)


def _texts(screen: Screen) -> Iterator[ScreenText]:
    yield from (screen.words, screen.leave, screen.beside, screen.foot)
    if screen.typed:
        yield screen.typed.skip_line
    for choice in screen.choices:
        yield choice.say
    if screen.zero:
        yield screen.zero.say


def _shown(screen: Screen) -> Names:
    inputs = inputs_of(screen)
    return inputs.lists | inputs.compared.keys() | inputs.fields


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


def _target_conditions(screen: Screen) -> list[Condition]:
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


def _compared_names(conditions: Iterable[Condition]) -> Iterator[str]:
    yield from (name for name, _ in _clauses(conditions))
