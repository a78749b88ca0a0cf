"""Check all flows together: unknown names, screens that cannot be reached, and paths without an end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from flows.model import Choice, Flow, FlowBook, GoTo, NameReference, Screen
from flows.parser.yaml_nodes import FlowError
from flows.vocabulary import FACTS

Screens = Mapping[str, Screen]


def build_book(flows: Sequence[Flow]) -> FlowBook:
    """Return a checked FlowBook. Choices that lead to a flow that is not installed are removed.

    Raises FlowError for the first fault.
    """
    names = _flows_by_name(flows)
    screens = {name: screen for flow in flows for name, screen in flow.screens.items()}
    questions = _questions(screens.values())
    for flow in flows:
        for use in flow.uses:
            _check_reference(flow, use, names, screens, questions)
    screens = {name: _without_missing_flows(screen, names) for name, screen in screens.items()}
    for flow in flows:
        _check_paths(flow, screens)
    return FlowBook(names, screens)


def _flows_by_name(flows: Sequence[Flow]) -> dict[str, Flow]:
    names: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in names:
            other = names[flow.name].file
            raise FlowError(flow.file, 1, 1, "", f"flow {flow.name!r} is in {other} too; rename one of them")
        names[flow.name] = flow
    return names


def _questions(screens: Iterable[Screen]) -> dict[str, set[str] | None]:
    """Return the possible values of each question; None if they come from data or are typed."""
    values_by_question: dict[str, set[str] | None] = {}
    for screen in screens:
        if screen.question is None:
            continue
        known = values_by_question.setdefault(screen.question, set())
        if screen.lists or screen.typed or known is None:
            values_by_question[screen.question] = None
        else:
            known.update(choice.value for choice in screen.choices if choice.value is not None)
    return values_by_question


def _check_reference(
    flow: Flow, use: NameReference, names: Collection[str], screens: Screens, questions: Mapping[str, set[str] | None]
) -> None:
    def wrong(message: str) -> NoReturn:
        raise FlowError(flow.file, use.line, use.column, use.screen, message)

    if use.kind == "screen":
        if use.name not in screens and not (use.if_there and use.name.partition(".")[0] not in names):
            wrong(f"it goes to {use.name}, which does not exist; add that screen or go to another")
        return
    name, _, value = use.name.partition("=")
    if name in FACTS and name in questions:
        wrong(f"{name!r} is a fact and a question; rename the question")
    if name not in FACTS and name not in questions:
        wrong(f"no screen asks {name!r} and it is not a fact; use a question or one of: {', '.join(sorted(FACTS))}")
    known = FACTS[name] if name in FACTS else questions[name]
    if use.kind == "value" and known is not None and value not in known:
        wrong(f"{name!r} is never {value!r}; use one of: {', '.join(sorted(known))}")


def _without_missing_flows(screen: Screen, names: Collection[str]) -> Screen:
    def is_installed(choice: Choice) -> bool:
        return not any(go.if_there and go.to.partition(".")[0] not in names for go in choice.go)

    return replace(screen, choices=tuple(filter(is_installed, screen.choices)))


def _check_paths(flow: Flow, screens: Screens) -> None:
    """Check that each screen of the flow is reached, has a way out and is not skipped in an endless loop."""
    reached = reachable([screen.id for screen in screens.values() if screen.start or screen.called], screens)
    for screen in flow.screens.values():

        def wrong(message: str, at: Screen = screen) -> NoReturn:
            raise FlowError(flow.file, at.line, at.column, at.id, message)

        own = screens[screen.id]
        if screen.id not in reached:
            wrong("no other screen leads here; go to it from somewhere or remove it")
        if any(not (choice.go or choice.outcomes or own.go or own.called) for choice in own.choices):
            wrong("a choice leads nowhere; give it or the screen a `go:`")
        if (own.typed or own.lists) and not (own.go or own.outcomes):
            wrong("its answer leads nowhere; give the screen a `go:`")
        if not any(not successors(screens[name]) for name in reachable([screen.id], screens)):
            wrong("from here one walks in a circle without a way out; lead it to a screen with `end: true`")
        if screen.id in reachable(_successors_if_skipped(own), screens, _successors_if_skipped):
            wrong("it may be passed over in a circle; lead its `otherwise:` to a screen that is always asked")


def reachable(begin: Iterable[str], screens: Screens, onward: Callable[[Screen], list[str]] | None = None) -> set[str]:
    """Return the screens that can be reached from `begin`, including those."""
    onward = onward or successors
    seen: set[str] = set()
    waiting = list(begin)
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting.extend(onward(screens[name]))
    return seen


def successors(screen: Screen) -> list[str]:
    """Return all screens that an answer, an outcome or skipping may lead to, for all earlier answers."""
    gos: list[GoTo] = [*screen.go, *screen.otherwise]
    for choice in (*screen.choices, *((screen.zero,) if screen.zero else ())):
        gos += choice.go
    for targets in screen.outcomes.values():
        gos += targets
    return [go.to for go in gos] + ([screen.again] if screen.again else [])


def _successors_if_skipped(screen: Screen) -> list[str]:
    if not (screen.when.any_of or screen.lists):
        return []
    return [go.to for go in (screen.otherwise or screen.go)]
