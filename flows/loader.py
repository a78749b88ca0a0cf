"""Load flow files into a FlowBook. `load` reads a folder; everything else is pure."""

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

FOLDER = Path(__file__).parent  # the flows of the product

SCREEN_KEYS = (
    *("ask", "when", "otherwise", "words", "choices", "type", "zero", "leave", "foot", "do", "go"),
    *("end", "start", "called", "again", "beside"),
)


def load(folder: Traversable = FOLDER) -> FlowBook:
    """Load and check all flows of a folder. Raises FlowError for the first fault."""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return build_book([parse_flow(file.name, file.read_text(encoding="utf-8")) for file in files])


@cache  # parsed by the master of web before it forks: parsing takes most of the start
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
