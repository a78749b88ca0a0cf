"""Draw the graph of a flow as SVG: small phones with their first words, and arrows with their keys. Pure."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator
from html import escape

from flows.authoring.graph import FlowGraph, GraphNode
from flows.authoring.graph_layout import GraphLayout, compute_layout

NODE_WIDTH = 176  # the width of a phone in pixels
NAME_HEIGHT, LINE_HEIGHT = 27, 12.6  # the heights of its name and of each line
MAX_LETTERS, MAX_LINES = 26, 4  # letters in a line, and lines of a text
NODE_GAP = 26  # between two phones side by side
LAYER_GAP = 74  # between two layers, for arrows and keys
MARGIN = 28
TOP_MARGIN = 56
MAX_NODES_PER_LAYER = 10  # if a layer has more phones, the layers are drawn side by side

STYLE = """
  .phone{fill:#fff;stroke:#3b5b66;stroke-width:1.4}
  .bar{fill:#1f6f8b}.end .bar{fill:#7a6a53}.start .bar{fill:#14505f}
  .name{fill:#fff;font-weight:bold}
  .words{fill:#16262b}.only{fill:#8a4b08;font-style:italic}.exit{fill:#1f6f8b}.choice{fill:#16262b}
  .way{fill:none;stroke:#5d7a84;stroke-width:1.3}.back{stroke-dasharray:5 4;stroke:#a08a63}
  .title{fill:#14303a;font-size:17px;font-weight:bold}
  .key{fill:#14303a;font-weight:bold}.keyback{fill:#fdfcf8}
"""


def graph_svg(graph: FlowGraph) -> str:
    """Return the graph as an SVG document."""
    return _GraphSvg(graph).drawn()


class _GraphSvg:
    def __init__(self, graph: FlowGraph) -> None:
        self._graph = graph
        self._edges = {(edge.at, edge.to): edge.label for edge in graph.edges}
        names = [node.name for node in graph.nodes]
        self._rows = {node.name: list(_rows(node)) for node in graph.nodes}
        self._node_height = round(NAME_HEIGHT + LINE_HEIGHT * max(map(len, self._rows.values()), default=1))
        self._layout = compute_layout(names, [pair for pair in self._edges if pair[0] != pair[1]])
        self._is_vertical = max(_layer_sizes(self._layout), default=1) <= MAX_NODES_PER_LAYER
        self._key_positions: list[tuple[float, float, float]] = []  # the positions of drawn keys: x, y, half the width

    def drawn(self) -> str:
        layer_count = max(self._layout.layer.values(), default=0) + 1
        breadth = max(self._layout.place.values(), default=0.0) + 1
        wide: float
        high: float
        breadth = max([breadth, *(place + 1 for bends in self._layout.bends.values() for _, place in bends)])
        if self._is_vertical:
            wide, high = breadth * (NODE_WIDTH + NODE_GAP), layer_count * (self._node_height + LAYER_GAP) - LAYER_GAP
        else:
            wide, high = layer_count * (NODE_WIDTH + LAYER_GAP) - LAYER_GAP, breadth * (self._node_height + NODE_GAP)
        wide, high = wide + 2 * MARGIN + 20, high + TOP_MARGIN + MARGIN
        title = f"{self._graph.flow}, version {self._graph.version}"
        ways = [self._arrow(pair, label) for pair, label in self._edges.items()]
        return (
            "\n".join(
                [
                    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" '
                    f'height="{high:.0f}" font-family="Verdana, DejaVu Sans, sans-serif" font-size="10.5">',
                    f"<title>{escape(title)}</title>",
                    f"<style>{STYLE}</style>",
                    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                    'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="#5d7a84"/></marker></defs>',
                    '<rect width="100%" height="100%" fill="#fdfcf8"/>',
                    f'<text class="title" x="{MARGIN}" y="30">{escape(title)}</text>',
                    *(line for line, _ in ways),
                    *(part for node in self._graph.nodes for part in self._phone(node)),
                    *(key for _, key in ways),
                    "</svg>",
                ]
            )
            + "\n"
        )

    def _centre(self, layer: float, place: float) -> tuple[float, float]:
        if self._is_vertical:
            return MARGIN + place * (NODE_WIDTH + NODE_GAP) + NODE_WIDTH / 2, TOP_MARGIN + layer * (
                self._node_height + LAYER_GAP
            ) + self._node_height / 2
        return MARGIN + layer * (NODE_WIDTH + LAYER_GAP) + NODE_WIDTH / 2, TOP_MARGIN + place * (
            self._node_height + NODE_GAP
        ) + self._node_height / 2

    def _phone(self, node: GraphNode) -> Iterator[str]:
        x, y = self._centre(self._layout.layer[node.name], self._layout.place[node.name])
        x, y = x - NODE_WIDTH / 2, y - self._node_height / 2
        kind = "end" if node.end else "start" if node.start else "asked"
        yield f'<g class="{kind}" transform="translate({x:.0f} {y:.0f})">'
        yield f'<rect class="phone" width="{NODE_WIDTH}" height="{self._node_height}" rx="9"/>'
        yield f'<path class="bar" d="M0 18V9a9 9 0 0 1 9-9h{NODE_WIDTH - 18}a9 9 0 0 1 9 9v9z"/>'
        yield f'<text class="name" x="9" y="13">{escape(node.name)}</text>'
        for number, (kind, line) in enumerate(self._rows[node.name]):
            yield f'<text class="{kind}" x="9" y="{32 + number * LINE_HEIGHT:.1f}">{escape(line)}</text>'
        yield "</g>"

    def _arrow(self, pair: tuple[str, str], label: str) -> tuple[str, str]:
        """Return the arrow, and its key on a background of its own."""
        if pair[0] == pair[1]:
            return self._loop(pair[0], label)
        if pair in self._layout.back:
            return self._back_arrow(pair, label)
        points = self._points(pair)
        path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            bend = ((y1 - y0) if self._is_vertical else (x1 - x0)) / 2
            first, second = (
                ((x0, y0 + bend), (x1, y1 - bend)) if self._is_vertical else ((x0 + bend, y0), (x1 - bend, y1))
            )
            path += f"C{first[0]:.0f} {first[1]:.0f} {second[0]:.0f} {second[1]:.0f} {x1:.0f} {y1:.0f}"
        (x0, y0), (x1, y1) = points[0], points[1]
        share = 0.36
        curve = share * share * (3 - 2 * share)
        at = (
            (x0 + (x1 - x0) * curve, y0 + (y1 - y0) * share)
            if self._is_vertical
            else (x0 + (x1 - x0) * share, y0 + (y1 - y0) * curve)
        )
        return f'<path class="way" d="{path}" marker-end="url(#tip)"/>', self._key(*at, label)

    def _points(self, pair: tuple[str, str]) -> list[tuple[float, float]]:
        laid = self._layout
        ends = [self._centre(laid.layer[name], laid.place[name]) for name in pair]
        half = self._node_height / 2 if self._is_vertical else NODE_WIDTH / 2
        spread = self._spread(pair)
        if self._is_vertical:
            first, last = (ends[0][0] + spread[0], ends[0][1] + half), (ends[1][0] + spread[1], ends[1][1] - half)
        else:
            first, last = (ends[0][0] + half, ends[0][1] + spread[0]), (ends[1][0] - half, ends[1][1] + spread[1])
        between = []
        for layer, place in laid.bends[pair]:
            x, y = self._centre(layer, place)
            between += [(x, y - half), (x, y + half)] if self._is_vertical else [(x - half, y), (x + half, y)]
        return [first, *between, last]

    def _spread(self, pair: tuple[str, str]) -> tuple[float, float]:
        """Return the offsets of an arrow's ends: arrows at one phone are side by side, ordered by their other ends."""
        offsets = []
        for end in (0, 1):
            mine = [one for one in self._layout.bends if one[end] == pair[end]]
            mine.sort(key=lambda one, end=end: self._next(one, end))  # type: ignore[misc]  # a default binds the loop's own
            room = (NODE_WIDTH if self._is_vertical else self._node_height) * 0.72 / max(len(mine), 2)
            offsets.append((mine.index(pair) - (len(mine) - 1) / 2) * room)
        return offsets[0], offsets[1]

    def _next(self, pair: tuple[str, str], end: int) -> float:
        """Return the place across of the first position that an edge leads to, seen from one end."""
        bends = self._layout.bends[pair]
        return (bends[0] if end == 0 else bends[-1])[1] if bends else self._layout.place[pair[1 - end]]

    def _back_arrow(self, pair: tuple[str, str], label: str) -> tuple[str, str]:
        """Draw an arrow to an earlier screen: dashed, and out at the side."""
        (x0, y0), (x1, y1) = (self._centre(self._layout.layer[name], self._layout.place[name]) for name in pair)
        if self._is_vertical:
            x0, x1 = x0 + NODE_WIDTH / 2, x1 + NODE_WIDTH / 2
            out = max(x0, x1) + 34
            path, at = (
                f"M{x0:.0f} {y0:.0f}C{out:.0f} {y0:.0f} {out:.0f} {y1 + 14:.0f} {x1:.0f} {y1 + 14:.0f}",
                (x0 + 13, y0 - 4),
            )
        else:
            y0, y1 = y0 + self._node_height / 2, y1 + self._node_height / 2
            out = max(y0, y1) + 26
            path, at = f"M{x0:.0f} {y0:.0f}C{x0:.0f} {out:.0f} {x1:.0f} {out:.0f} {x1:.0f} {y1:.0f}", (x0, y0 + 10)
        return f'<path class="way back" d="{path}" marker-end="url(#tip)"/>', self._key(*at, label)

    def _loop(self, name: str, label: str) -> tuple[str, str]:
        x, y = self._centre(self._layout.layer[name], self._layout.place[name])
        x += NODE_WIDTH / 2
        path = f"M{x:.0f} {y - 14:.0f}c26 0 26 30 0 30"
        return f'<path class="way back" d="{path}" marker-end="url(#tip)"/>', self._key(x + 12, y - 18, label)

    def _key(self, x: float, y: float, label: str) -> str:
        half = 3.5 * len(label) + 3
        while any(
            abs(x - taken_x) < half + taken_half + 2 and abs(y - taken_y) < 13
            for taken_x, taken_y, taken_half in self._key_positions
        ):
            y += 7
        self._key_positions.append((x, y, half))
        return (
            f'<rect class="keyback" x="{x - half:.0f}" y="{y - 7:.0f}" width="{2 * half:.0f}" height="13" rx="4"/>'
            f'<text class="key" x="{x:.0f}" y="{y + 3.5:.1f}" text-anchor="middle">{escape(label)}</text>'
        )


def _layer_sizes(laid: GraphLayout) -> list[int]:
    layers = list(laid.layer.values())
    return [layers.count(layer) for layer in set(layers)]


def _rows(node: GraphNode) -> Iterator[tuple[str, str]]:
    """Yield the lines that a phone shows, with their kinds."""
    yield from (
        ("words", line) for line in textwrap.wrap(node.words, MAX_LETTERS, max_lines=MAX_LINES, placeholder=" …")
    )
    yield from (("choice", textwrap.shorten(choice, MAX_LETTERS + 2, placeholder=" …")) for choice in node.choices)
    when = textwrap.wrap(f"if {node.only}", MAX_LETTERS + 2, max_lines=2, placeholder=" …") if node.only else []
    yield from (("only", line) for line in when)
    yield from (("exit", exit_text) for exit_text in node.exits)
