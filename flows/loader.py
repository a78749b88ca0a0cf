"""Load flow files into a FlowBook, and check all flows together. Only `load` reads files."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NoReturn, TypeVar

from flows.model import FACTS, Choice, Flow, FlowBook, GoTo, NameReference, Screen
from flows.parser import ElementParser, FlowError, YamlNode, compose, parse_topics

Screens = Mapping[str, Screen]
Place = TypeVar("Place", bound=Hashable)  # a screen, or a state of it
__all__ = ["FlowError", "load", "parse_flow"]

FOLDER = Path(__file__).parent  # the flows of the product

SCREEN_KEYS = (
    *("ask", "when", "otherwise", "words", "choices", "type", "zero", "leave", "foot", "do", "go"),
    *("end", "start", "called", "again", "beside"),
)


# Check all flows together: unknown names, screens that cannot be reached, and paths without an end.


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
    _check_paths(flows, screens)
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
        values = values_by_question.setdefault(screen.question, set())
        if screen.lists or screen.typed or values is None:
            values_by_question[screen.question] = None
        else:
            values.update(choice.value for choice in screen.choices if choice.value is not None)
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


def _check_paths(flows: Sequence[Flow], screens: Screens) -> None:
    """Check that each screen is reached, has a way out and is not skipped in an endless loop."""
    after = {name: successors(screen) for name, screen in screens.items()}
    skipped = {name: _successors_if_skipped(screen) for name, screen in screens.items()}
    before: dict[str, list[str]] = {name: [] for name in screens}
    for name, following in after.items():
        for target in following:
            before[target].append(name)
    reached = reachable([screen.id for screen in screens.values() if screen.start or screen.called], after)
    ending = reachable([name for name, following in after.items() if not following], before)
    for file, screen in ((flow.file, screen) for flow in flows for screen in flow.screens.values()):

        def wrong(message: str, file: str = file, at: Screen = screen) -> NoReturn:
            raise FlowError(file, at.line, at.column, at.id, message)

        own = screens[screen.id]
        if screen.id not in reached:
            wrong("no other screen leads here; go to it from somewhere or remove it")
        if any(not (choice.go or choice.outcomes or own.go or own.called) for choice in own.choices):
            wrong("a choice leads nowhere; give it or the screen a `go:`")
        if (own.typed or own.lists) and not (own.go or own.outcomes):
            wrong("its answer leads nowhere; give the screen a `go:`")
        if screen.id not in ending:
            wrong("from here one walks in a circle without a way out; lead it to a screen with `end: true`")
        if screen.id in reachable(skipped[screen.id], skipped):
            wrong("it may be passed over in a circle; lead its `otherwise:` to a screen that is always asked")


def reachable(begin: Iterable[Place], onward: Mapping[Place, Iterable[Place]]) -> set[Place]:
    """Return the screens that can be reached from `begin`, including those. `onward`: what may follow each screen."""
    seen: set[Place] = set()
    waiting = list(begin)
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting.extend(onward[name])
    return seen


def successors(screen: Screen) -> list[str]:
    """Return all screens that an answer, an outcome or skipping may lead to, for all earlier answers."""
    gos: list[GoTo] = [*screen.go, *screen.otherwise]
    for choice in (*screen.choices, *((screen.zero,) if screen.zero else ())):
        gos += choice.go
    for targets in screen.outcomes.values():
        gos += targets
    return [go.to for go in gos] + ([screen.again] if screen.again else [])


def successors_without_answer(screen: Screen) -> list[str]:
    """Return the screens that may follow while the screen's question stays as it was answered before."""
    gos = list(screen.zero.go or screen.go) if screen.zero else []
    for targets in screen.outcomes.values():
        gos += targets
    if screen.typed and not screen.typed.secret:  # calls by voice skip it
        gos += screen.otherwise or screen.go
    again = [screen.again] if screen.again else []
    return [go.to for go in gos] + again + _successors_if_skipped(screen)


def _successors_if_skipped(screen: Screen) -> list[str]:
    if not (screen.when.any_of or screen.lists):
        return []
    return [go.to for go in (screen.otherwise or screen.go)]


@cache
def shipped() -> FlowBook:
    """Return the flows of the product: loaded once, before a server forks, as its processes share them.

    Raises FlowError.
    """
    return load(FOLDER)


def load(folder: Traversable = FOLDER) -> FlowBook:
    """Load and check all flows of a folder. Raises FlowError for the first fault."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return build_book([parse_flow(file.name, file.read_text(encoding="utf-8")) for file in files])


@cache
def parse_flow(name: str, text: str) -> Flow:
    """Parse one flow. `name`: the file's, for errors. `load` checks where its screens lead. Raises FlowError."""
    top = compose(name, text)
    fields = top.keys(["flow", "version", "beside", "screens", "topics", "sources"])
    for required in ("flow", "version", "screens"):
        if required not in fields:
            top.wrong(f"`{required}:` is missing; add it")
    flow = fields["flow"].text()
    parts = ElementParser(flow)
    screens = {}
    for key, place in fields["screens"].pairs():
        screen_id = f"{flow}.{key.text()}"
        screens[screen_id] = _screen(parts, screen_id, key, place.of(place.node, screen_id), fields.get("beside"))
    topics, tips, sources = parse_topics(parts, top, fields.get("topics"), fields.get("sources"))
    if twice := screens.keys() & tips.keys():
        top.wrong(f"{sorted(twice)[0]} is a screen and a topic; rename one of them")
    return Flow(flow, fields["version"].whole(), name, screens | tips, tuple(parts.uses), topics, sources)


def _screen(parts: ElementParser, name: str, key: YamlNode, place: YamlNode, beside: YamlNode | None) -> Screen:
    fields = place.keys(SCREEN_KEYS)
    if "words" not in fields:
        place.wrong("it has no words; add `words:`")
    asks = "ask" in fields
    lists, choices = parts.choices(fields["choices"], asks) if "choices" in fields else ((), ())
    if (
        ("type" in fields) + ("choices" in fields) > 1
        or ("type" in fields) > asks
        or asks > ("type" in fields or "choices" in fields)
    ):
        place.wrong("`ask:` needs either `choices:` or `type:`, and `type:` needs `ask:`; put that right")
    zero = parts.choice(fields["zero"], "0", asks=False) if "zero" in fields else None
    do = fields["do"].text() if "do" in fields else None
    return Screen(
        id=name,
        line=key.line,
        column=key.column,
        question=fields["ask"].text() if asks else None,
        when=parts.condition(fields.get("when")),
        words=parts.words(fields["words"]),
        choices=choices,
        lists=lists,
        typed=parts.typed(fields["type"]) if "type" in fields else None,
        zero=zero,
        leave=parts.words(fields.get("leave"), label=True),
        beside=parts.beside(fields.get("beside"), beside),
        foot=parts.words(fields.get("foot")),
        do=do,
        go=() if do else parts.gos(fields.get("go")),
        otherwise=parts.gos(fields.get("otherwise")),
        outcomes=_outcomes((*choices, *((zero,) if zero else ())))
        | (parts.outcomes(place, fields.get("go")) if do else {}),
        end=_flag(fields, "end"),
        start=_flag(fields, "start"),
        called=_flag(fields, "called"),
        again=parts.target(fields["again"]) if "again" in fields else None,
    )


def _flag(fields: dict[str, YamlNode], name: str) -> bool:
    return name in fields and fields[name].flag()


def _outcomes(choices: tuple[Choice, ...]) -> dict[str, tuple[GoTo, ...]]:
    return {outcome: gos for choice in choices for outcome, gos in choice.outcomes.items()}
