"""Build the graph of a flow for drawing: its screens with their first words, and the keys that connect them. Pure.

It is made from the explored paths and not from the file, so skipped screens and arrows without effect are left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flows.authoring.paths import StateGraph, StateNode, Transition
from flows.model import Condition, FlowBook, Screen

MAX_WIDTH_TO_HEIGHT = 3  # a wider graph is drawn from left to right, because pages are longer than wide
SPECIAL = re.compile(r"style|classDef|direction|[^\w .,:;?!'()/+→…-]")


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A screen. `name`: without its flow. `words`: the lines above the choices. `only`: the condition for asking it.

    `choices`: such as "1 Report". `exits`: keys that lead to other flows, such as "1 → report.danger".
    """

    name: str
    words: str
    choices: tuple[str, ...]
    only: str
    end: bool
    start: bool
    exits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """An arrow from one screen to another, with its keys."""

    at: str
    to: str
    label: str


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """The graph of one flow."""

    flow: str
    version: int
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


ReplyIndex = dict[tuple[str, str], dict[str, set[str]]]  # (from, to) → reply → the channels that have it


def build_graph(book: FlowBook, flow: str, graphs: Sequence[StateGraph]) -> FlowGraph:
    """Return the graph of a flow. `graphs`: the paths of one country and language, by each channel."""
    replies_by_pair: ReplyIndex = {}
    shown: dict[str, StateNode] = {}
    channels_by_screen: dict[str, set[str]] = {}
    for graph in graphs:
        for key, node in graph.nodes.items():
            name = node.state.screen
            shown.setdefault(name, node)
            channels_by_screen.setdefault(name, set()).add(graph.combination.channel)
            for transition in graph.transitions.get(key, ()):
                if not transition.back:
                    to = graph.nodes[transition.to].state.screen
                    replies = replies_by_pair.setdefault((name, to), {})
                    replies.setdefault(_reply_text(node, transition), set()).add(graph.combination.channel)
        for view in graph.shown_nodes.values():
            shown.setdefault(view.state.screen, view)
    names = [name for name in book.flows[flow].screens if name in shown]
    labels = {
        pair: _edge_label(book.screens[pair[0]], replies, channels_by_screen[pair[0]])
        for pair, replies in replies_by_pair.items()
    }
    nodes = tuple(_node(book, shown[name], labels) for name in names)
    inside = [(at, to) for at in names for to in names if (at, to) in labels]
    return FlowGraph(
        flow,
        book.flows[flow].version,
        nodes,
        tuple(GraphEdge(_without_flow(at), _without_flow(to), labels[at, to]) for at, to in inside),
    )


def _without_flow(name: str) -> str:
    return name.partition(".")[2]


def _node(book: FlowBook, node: StateNode, labels: dict[tuple[str, str], str]) -> GraphNode:
    screen = node.layout.screen
    others = [
        (label, to) for (at, to), label in labels.items() if at == screen.id and not to.startswith(f"{screen.flow}.")
    ]
    exits = tuple(f"{label} → {to}" for label, to in sorted(others))
    text_lines = [line for line in node.layout.pages[0].text.split("\n") if line not in _choices(node)]
    choices = tuple(f"{line.key} {line.say}" for page in node.layout.pages for line in page.lines)
    name, start = _without_flow(screen.id), screen.start or screen.called
    words, only = "\n".join(text_lines), condition_text(screen.when)
    return GraphNode(name, words, tuple(dict.fromkeys(choices)), only, screen.end, start, exits)


def _choices(node: StateNode) -> set[str]:
    """Return the lines of the first page that are keys or choices."""
    page = node.layout.pages[0]
    own = [line for line in page.text.split("\n") if re.match("(0|00|98) ", line)]
    below = page.menu.below if page.menu else ()  # includes the line about skipping
    return {*own, *below, *(f"{line.key} {line.say}" for line in page.lines)}


def _reply_text(node: StateNode, transition: Transition) -> str:
    reply = "typed" if transition.typed else "any" if node.layout.screen.lists else transition.reply
    several = transition.outcome and len(set(node.layout.screen.outcomes)) > 1
    return f"{reply}: {transition.outcome}" if several else reply


def _edge_label(screen: Screen, replies: dict[str, set[str]], screen_channels: set[str]) -> str:
    """Return the replies of an edge, with the channels that have them unless all that show the screen do."""
    channels = set().union(*replies.values())
    channel_suffix = f" {'/'.join(sorted(channels)).upper()}" if len(channels) < len(screen_channels) else ""
    keys = {choice.key for choice in screen.choices}
    if len(keys) > 2 and keys <= set(replies):
        return f"any{channel_suffix}"
    return ", ".join(_runs(sorted(replies, key=lambda reply: (not reply.isdigit(), reply.zfill(9))))) + channel_suffix


def _runs(replies: Iterable[str]) -> Iterator[str]:
    """Yield three or more consecutive numbers as "1-3", and the other replies as they are."""
    ordered = list(replies)
    numbers = [int(reply) for reply in ordered if reply.isdigit()]
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        row = [number for _, number in group]
        yield from [f"{row[0]}-{row[-1]}"] if len(row) > 2 else map(str, row)
    yield from (reply for reply in ordered if not reply.isdigit())


def condition_text(when: Condition) -> str:
    """Return a condition in words: "category: harm, neglect"."""
    return " or ".join(
        " and ".join(f"{name}: {_values(allowed)}" for name, allowed in all_of) for all_of in when.any_of
    )


def _values(allowed: Iterable[str | None]) -> str:
    values = sorted(value or "skipped" for value in allowed)
    return ", ".join(values) if len(values) < 4 else f"{', '.join(values[:2])} …"


def mermaid(drawn: FlowGraph) -> str:
    """Return the graph as a Mermaid flowchart, from left to right if it would be too wide from top to bottom."""
    ids = {node.name: f"n{number}" for number, node in enumerate(drawn.nodes)}
    lines = [f"flowchart {'LR' if _is_wide(drawn) else 'TD'}"]
    for node in drawn.nodes:
        opening, closing = ("([", "])") if node.end else ("[[", "]]") if node.start else ("[", "]")
        lines.append(f'  {ids[node.name]}{opening}"{"<br>".join(_label_lines(node))}"{closing}')
    for edge in drawn.edges:
        label = _escaped(edge.label)
        arrow = f'-->|"{label}"|' if label else "-->"  # Mermaid refuses an empty label
        lines.append(f"  {ids[edge.at]} {arrow} {ids[edge.to]}")
    return "\n".join(lines) + "\n"


def _is_wide(drawn: FlowGraph) -> bool:
    """Return whether the graph has many more screens beside one another than rows.

    A row has the screens at one distance from the start.
    """
    entered = {edge.to for edge in drawn.edges if edge.to != edge.at}
    row = [node.name for node in drawn.nodes if node.name not in entered] or [node.name for node in drawn.nodes[:1]]
    seen, widths = set(row), []
    while row:
        widths.append(len(row))
        row = list(dict.fromkeys(edge.to for edge in drawn.edges if edge.at in row and edge.to not in seen))
        seen |= set(row)
    return max(widths, default=0) > MAX_WIDTH_TO_HEIGHT * len(widths)


def _label_lines(node: GraphNode) -> Iterator[str]:
    yield f"<b>{_escaped(node.name)}</b>"
    yield from map(_escaped, [*node.words.splitlines(), *node.choices])
    if node.only:
        yield f"<i>if {_escaped(node.only)}</i>"
    yield from map(_escaped, node.exits)


def _escaped(text: str) -> str:
    """Return a text for a label in quotes, with entity codes for signs that Mermaid, HTML or Markdown could read.

    Mermaid reads three words in quotes too: it takes a line with `direction LR` for an instruction, and removes the
    semicolon of a code that follows `style:` or `classDef:`. Their first letters are therefore codes.
    """
    return SPECIAL.sub(lambda match: f"#{ord(match[0][0])};{match[0][1:]}", " ".join(text.split()))
