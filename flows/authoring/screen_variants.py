"""List all forms of a screen on one kind of phone, for reviewers of the texts and for counting pages. Pure.

A form is a set of answers and facts that the screen's texts depend on. Forms are computed without exploring paths,
which is faster and includes at least all forms that paths would show.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from flows.model import FACTS, Condition, FlowBook, GoTo, Screen, ScreenContext, ScreenLayout, ScreenText
from flows.pagination import ScreenLimit
from flows.renderer import is_asked, lay_out

Facts = Mapping[str, str]
Values = Mapping[str, str | None]


class PhoneProfile(Struct, frozen=True):
    """One kind of phone: country, language and channel.

    `context`: holds for every reporter. `free`: facts that change with the answers, with their possible
    values. `begin`: the screens that a session begins with, or that the program shows by itself.
    """

    context: ScreenContext
    limit: ScreenLimit
    free: Mapping[str, Sequence[str]]
    begin: tuple[str, ...]

    def lay_out(self, form: ScreenVariant) -> ScreenLayout:
        """Return the layout of a form, also one of another phone, on this phone and in its language."""
        return lay_out(form.screen, form.values, replace(self.context, facts=form.facts), self.limit)


@dataclass(frozen=True, slots=True)
class ScreenVariant:
    """One form of a screen."""

    screen: Screen
    values: Values
    facts: Facts
    layout: ScreenLayout

    @property
    def text(self) -> tuple[str, ...]:
        """Return the texts of its pages."""
        return tuple(page.text for page in self.layout.pages)


def screen_variants(book: FlowBook, phone: PhoneProfile) -> Iterator[ScreenVariant]:
    """Yield each form of each screen that this phone may reach, once, in the order of the flows."""
    reachable = reachable_screens(book, phone)
    for screen in book.screens.values():
        if screen.id in reachable:
            yield from _forms(screen, phone)


def reachable_screens(book: FlowBook, phone: PhoneProfile) -> frozenset[str]:
    """Return the screens that an answer may lead to, as far as the phone's facts allow it."""
    seen: set[str] = set()
    waiting = list(phone.begin)
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting += _targets(book.screens[name], phone.context.facts)
    return frozenset(seen)


def _targets(screen: Screen, facts: Facts) -> Iterator[str]:
    choices = [
        candidate for candidate in (*screen.choices, screen.zero) if candidate and _may_hold(candidate.when, facts)
    ]
    ways = [screen.go, screen.otherwise, *screen.outcomes.values(), *(candidate.go for candidate in choices)]
    for targets in (*ways, *(to for candidate in choices for to in candidate.outcomes.values())):
        yield from _may_lead(targets, facts)


def _may_lead(targets: Sequence[GoTo], facts: Facts) -> Iterator[str]:
    for go in targets:
        if _may_hold(go.when, facts):
            yield go.to
            if _must_hold(go.when, facts):
                return


def _may_hold(when: Condition, facts: Facts) -> bool:
    """Return whether a condition holds with these facts after at least one set of answers."""
    return not when.any_of or any(
        all(facts[name] in allowed for name, allowed in all_of if name in facts) for all_of in when.any_of
    )


def _must_hold(when: Condition, facts: Facts) -> bool:
    """Return whether a condition holds with these facts, whatever the answers are."""
    return not when.any_of or any(
        all(name in facts and facts[name] in allowed for name, allowed in all_of) for all_of in when.any_of
    )


def _forms(screen: Screen, phone: PhoneProfile) -> Iterator[ScreenVariant]:
    seen: set[tuple[str, ...]] = set()
    for facts, values in _distinguished_cases(screen, phone):
        context = replace(phone.context, facts={**phone.context.facts, **facts})
        if not is_asked(screen, values, context):
            continue
        form = ScreenVariant(screen, values, context.facts, lay_out(screen, values, context, phone.limit))
        if form.text not in seen and any(form.text):
            seen.add(form.text)
            yield form


def _distinguished_cases(screen: Screen, phone: PhoneProfile) -> Iterator[tuple[Facts, Values]]:
    """Yield all combinations of facts and answers that the conditions of this screen distinguish."""
    compared: dict[str, set[str | None]] = {}
    for name, allowed in _clauses(screen):
        if name not in phone.context.facts:
            compared.setdefault(name, set()).update(allowed)
    choices = [phone.free.get(name, sorted(FACTS[name])) if name in FACTS else [*_sorted(values), None]
               for name, values in compared.items()]  # fmt: skip
    for combination in itertools.product(*choices):
        values_by_name = dict(zip(compared, combination, strict=True))
        yield (
            {name: value for name, value in values_by_name.items() if name in FACTS and value is not None},
            {name: value for name, value in values_by_name.items() if name not in FACTS},
        )


def _sorted(values: Collection[str | None]) -> list[str]:
    return sorted(filter(None, values))


def _clauses(screen: Screen) -> Iterator[tuple[str, frozenset[str | None]]]:
    own = [screen.when, *(choice.when for choice in screen.choices)]
    shown: list[ScreenText] = [screen.words, screen.leave, screen.beside, screen.foot]
    shown += [choice.say for choice in screen.choices]
    if screen.zero:
        shown.append(screen.zero.say)
    if screen.typed:
        shown.append(screen.typed.skip_line)
    for condition in (*own, *(variant.when for text in shown for variant in text.variants)):
        for all_of in condition.any_of:
            yield from all_of
