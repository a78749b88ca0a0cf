"""A flow as a graph that can be drawn: its screens with their first words, and which key leads where. Pure.

Made from what was walked, and not from the file: what is passed over is not in between, and no arrow is in vain.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flows.authoring.paths import StateGraph, StateNode, Transition
from flows.model import Condition, FlowBook, Screen


@dataclass(frozen=True, slots=True)
class GraphNode:
    """`name` without its flow. `words`: what stands above the choices. `only`: when it is asked at all."""

    name: str
    words: str
    choices: tuple[str, ...]  # "1 Report"
    only: str
    end: bool
    start: bool
    exits: tuple[str, ...]  # "1 → report.danger": keys that lead to other flows


@dataclass(frozen=True, slots=True)
class GraphEdge:
    at: str
    to: str
    label: str


@dataclass(frozen=True, slots=True)
class FlowGraph:
    flow: str
    version: int
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


ReplyIndex = dict[tuple[str, str], dict[str, set[str]]]  # from, to: replies, each with the channels that have it


def build_graph(book: FlowBook, flow: str, walked: Sequence[StateGraph]) -> FlowGraph:
    """`walked`: one country in one language, each channel once."""
    found: ReplyIndex = {}
    shown: dict[str, StateNode] = {}
    seen_by: dict[str, set[str]] = {}
    for ways in walked:
        for key, spot in ways.spots.items():
            name = spot.state.screen
            shown.setdefault(name, spot)
            seen_by.setdefault(name, set()).add(ways.where.channel)
            for way in ways.ways.get(key, ()):
                if not way.back:
                    to = ways.spots[way.to].state.screen
                    replies = found.setdefault((name, to), {})
                    replies.setdefault(_reply(spot, way), set()).add(ways.where.channel)
        for view in ways.views.values():
            shown.setdefault(view.state.screen, view)
    names = [name for name in book.flows[flow].screens if name in shown]
    labels = {pair: _label(book.screens[pair[0]], replies, seen_by[pair[0]]) for pair, replies in found.items()}
    nodes = tuple(_node(book, shown[name], labels) for name in names)
    inside = [(at, to) for at in names for to in names if (at, to) in labels]
    return FlowGraph(
        flow, book.version(flow), nodes, tuple(GraphEdge(_bare(at), _bare(to), labels[at, to]) for at, to in inside)
    )


def _bare(name: str) -> str:
    return name.partition(".")[2]


def _node(book: FlowBook, spot: StateNode, labels: dict[tuple[str, str], str]) -> GraphNode:
    screen = spot.laid.screen
    others = [
        (label, to) for (at, to), label in labels.items() if at == screen.id and not to.startswith(f"{screen.flow}.")
    ]
    exits = tuple(f"{label} → {to}" for label, to in sorted(others))
    first = spot.laid.pages[0]
    said = [line for line in first.text.split("\n") if line not in _choices(spot)]
    choices = tuple(f"{line.key} {line.say}" for page in spot.laid.pages for line in page.lines)
    name, start = _bare(screen.id), screen.start or screen.called
    return GraphNode(
        name, " ".join(said), tuple(dict.fromkeys(choices)), condition_text(screen.when), screen.end, start, exits
    )


def _choices(spot: StateNode) -> set[str]:
    """The lines of the first page that are keys."""
    page = spot.laid.pages[0]
    own = [line for line in page.text.split("\n") if line[:2] in ("0 ", "00", "98", "1 ") and line[:1].isdigit()]
    return {*own, *(f"{line.key} {line.say}" for line in page.lines)}


def _reply(spot: StateNode, way: Transition) -> str:
    reply = "typed" if way.typed else "any" if spot.laid.screen.lists else way.reply
    several = way.outcome and len(set(spot.laid.screen.outcomes)) > 1
    return f"{reply}: {way.outcome}" if several else reply


def _label(screen: Screen, replies: dict[str, set[str]], seen_by: set[str]) -> str:
    channels = set().union(*replies.values())
    alone = f" {channels.pop().upper()}" if len(channels) < len(seen_by) else ""
    keys = {choice.key for choice in screen.choices}
    if len(keys) > 2 and keys <= set(replies):
        return f"any{alone}"
    return ", ".join(_runs(sorted(replies, key=lambda one: (not one.isdigit(), one.zfill(9))))) + alone


def _runs(replies: Iterable[str]) -> Iterator[str]:
    """Three numbers and more in a row as "1-3"."""
    ordered = list(replies)
    numbers = [int(one) for one in ordered if one.isdigit()]
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        row = [number for _, number in group]
        yield from [f"{row[0]}-{row[-1]}"] if len(row) > 2 else map(str, row)
    yield from (one for one in ordered if not one.isdigit())


def condition_text(when: Condition) -> str:
    """A condition in words: "category: harm, neglect"."""
    return " or ".join(
        " and ".join(f"{name}: {_values(allowed)}" for name, allowed in all_of) for all_of in when.any_of
    )


def _values(allowed: Iterable[str | None]) -> str:
    values = sorted(value or "skipped" for value in allowed)
    return ", ".join(values) if len(values) < 4 else f"{', '.join(values[:2])} …"


def mermaid(drawn: FlowGraph) -> str:
    """The graph as Mermaid's flowchart."""
    ids = {node.name: f"n{number}" for number, node in enumerate(drawn.nodes)}
    lines = ["flowchart TD"]
    for node in drawn.nodes:
        says = [f"<b>{node.name}</b>", _quoted(node.words), *(f"{one}" for one in node.exits)]
        said = "<br>".join(filter(None, says))
        left, right = ("([", "])") if node.end else ("[[", "]]") if node.start else ("[", "]")
        lines.append(f'  {ids[node.name]}{left}"{said}"{right}')
    lines += [f'  {ids[edge.at]} -->|"{_quoted(edge.label)}"| {ids[edge.to]}' for edge in drawn.edges]
    return "\n".join(lines) + "\n"


def _quoted(words: str) -> str:
    return words.replace('"', "#quot;").replace("{", "#123;").replace("}", "#125;")
