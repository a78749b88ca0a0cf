"""Flow files into a Book. `load` reads a folder; everything else is pure."""

from __future__ import annotations

from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path

from flows.model import Choice, Flow, FlowBook, GoTo, Screen
from flows.parser.book_builder import build_book
from flows.parser.elements import ElementParser
from flows.parser.topics import parse_topics
from flows.parser.yaml_nodes import FlowError, YamlNode, compose

__all__ = ["FlowError", "load", "parse_flow"]

FOLDER = Path(__file__).parent  # of those in use

SCREEN_KEYS = (
    *("ask", "when", "otherwise", "words", "choices", "type", "zero", "leave", "foot", "do", "go"),
    *("end", "start", "called", "again", "beside"),
)


def load(folder: Traversable = FOLDER) -> FlowBook:
    """All flows of a folder, checked together. Raises FlowError for the first thing that is wrong."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return build_book([parse_flow(file.name, file.read_text(encoding="utf-8")) for file in files])


@cache  # each process of web finds what its master has read: it takes most of a start
def parse_flow(name: str, text: str) -> Flow:
    """One flow; `name` is the file's, for the errors. Where its screens lead is checked by `load`."""
    top = compose(name, text)
    found = top.keys(["flow", "version", "beside", "screens", "topics", "sources"])
    for needed in ("flow", "version", "screens"):
        if needed not in found:
            top.wrong(f"`{needed}:` is missing; add it")
    flow = found["flow"].text()
    parts = ElementParser(flow)
    screens = {}
    for key, place in found["screens"].pairs():
        name_of_it = f"{flow}.{key.text()}"
        screens[name_of_it] = _screen(parts, name_of_it, key, place.of(place.node, name_of_it), found.get("beside"))
    topics, tips, sources = parse_topics(parts, top, found.get("topics"), found.get("sources"))
    if twice := screens.keys() & tips.keys():
        top.wrong(f"{sorted(twice)[0]} is a screen and a topic; rename one of them")
    return Flow(flow, found["version"].whole(), name, screens | tips, tuple(parts.uses), topics, sources)


def _screen(parts: ElementParser, name: str, key: YamlNode, place: YamlNode, beside: YamlNode | None) -> Screen:
    found = place.keys(SCREEN_KEYS)
    if "words" not in found:
        place.wrong("it has no words; add `words:`")
    asks = "ask" in found
    lists, choices = parts.choices(found["choices"], asks) if "choices" in found else ((), ())
    if (
        ("type" in found) + ("choices" in found) > 1
        or ("type" in found) > asks
        or asks > ("type" in found or "choices" in found)
    ):
        place.wrong("`ask:` needs either `choices:` or `type:`, and `type:` needs `ask:`; put that right")
    zero = parts.choice(found["zero"], "0", asks=False) if "zero" in found else None
    do = found["do"].text() if "do" in found else None
    return Screen(
        id=name,
        line=key.line,
        column=key.column,
        question=found["ask"].text() if asks else None,
        when=parts.condition(found.get("when")),
        words=parts.words(found["words"]),
        choices=choices,
        lists=lists,
        typed=parts.typed(found["type"]) if "type" in found else None,
        zero=zero,
        leave=parts.words(found.get("leave"), label=True),
        beside=parts.beside(found.get("beside"), beside),
        foot=parts.words(found.get("foot")),
        do=do,
        go=() if do else parts.gos(found.get("go")),
        otherwise=parts.gos(found.get("otherwise")),
        outcomes=_outcomes((*choices, *((zero,) if zero else ())))
        | (parts.outcomes(place, found.get("go")) if do else {}),
        end=_flag(found, "end"),
        start=_flag(found, "start"),
        called=_flag(found, "called"),
        again=parts.target(found["again"]) if "again" in found else None,
    )


def _flag(found: dict[str, YamlNode], name: str) -> bool:
    return name in found and found[name].flag()


def _outcomes(choices: tuple[Choice, ...]) -> dict[str, tuple[GoTo, ...]]:
    return {outcome: gos for choice in choices for outcome, gos in choice.outcomes.items()}
