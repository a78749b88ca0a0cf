"""Lay out a graph in layers, so that edges have one direction and few crossings. Pure and deterministic.

Cycles are broken at the edges that return to the current path. Long edges bend around the nodes between. Each node is
moved towards its neighbours as far as there is room.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

EdgePair = tuple[str, str]
SWEEPS = 24


@dataclass(slots=True)
class GraphLayout:
    """The position of each node: `layer`, and `place` across, in units of a node's size.

    `bends`: the positions of a long edge in the layers between. `back`: the edges against the direction.
    """

    layer: dict[str, int] = field(default_factory=dict)
    place: dict[str, float] = field(default_factory=dict)
    bends: dict[EdgePair, list[tuple[int, float]]] = field(default_factory=dict)
    back: list[EdgePair] = field(default_factory=list)


def compute_layout(nodes: Sequence[str], edges: Sequence[EdgePair]) -> GraphLayout:
    """Return the layout of a graph."""
    layout = GraphLayout()
    onward, layout.back = _without_cycles(nodes, edges)
    layout.layer = _layers(nodes, onward)
    chains, layer = _chains(onward, layout.layer)
    links = [pair for chain in chains.values() for pair in itertools.pairwise(chain)]
    rows = _ordered(layer, links)
    places = _placed(rows, links, {name for name in layer if name not in layout.layer})
    layout.place = {name: places[name] for name in nodes}
    layout.bends = {edge: [(layer[node], places[node]) for node in chain[1:-1]] for edge, chain in chains.items()}
    return layout


def _without_cycles(nodes: Sequence[str], edges: Sequence[EdgePair]) -> tuple[list[EdgePair], list[EdgePair]]:
    """Split the edges into those of an acyclic graph and those that return to the current path.

    Nodes are in the order of the flow.
    """
    targets: dict[str, list[str]] = {name: [] for name in nodes}
    for at, to in edges:
        targets[at].append(to)
    back: list[EdgePair] = []
    done: dict[str, bool] = {}
    entered = {to for _, to in edges}
    for first in [*(name for name in nodes if name not in entered), *nodes]:
        stack = [(first, iter(targets[first]))] if first not in done else []
        done.setdefault(first, False)
        while stack:
            name, rest = stack[-1]
            for to in rest:
                if to not in done:
                    done[to] = False
                    stack.append((to, iter(targets[to])))
                    break
                if not done[to]:
                    back.append((name, to))
            else:
                done[name] = True
                stack.pop()
    return [edge for edge in edges if edge not in set(back)], back


def _layers(nodes: Sequence[str], onward: Sequence[EdgePair]) -> dict[str, int]:
    """Return the layer of each node: the length of the longest path to it."""
    layer = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for at, to in onward:
            if layer[to] <= layer[at]:
                layer[to], changed = layer[at] + 1, True
        if not changed:
            break
    for at in reversed(nodes):  # a node without incoming edges is placed just before its targets
        targets = [layer[to] for one, to in onward if one == at]
        if targets and not any(to == at for _, to in onward):
            layer[at] = min(targets) - 1
    return layer


def _chains(onward: Sequence[EdgePair], layer: Mapping[str, int]) -> tuple[dict[EdgePair, list[str]], dict[str, int]]:
    """Return each edge as a chain of neighbours with a bend in each layer between, and the layers of all these."""
    chains, layers = {}, dict(layer)
    for at, to in onward:
        bends = [f"{at}>{to}>{level}" for level in range(layer[at] + 1, layer[to])]
        layers |= dict(zip(bends, range(layer[at] + 1, layer[to]), strict=True))
        chains[at, to] = [at, *bends, to]
    return chains, layers


def _neighbours(links: Iterable[EdgePair]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for at, to in links:
        above.setdefault(to, []).append(at)
        below.setdefault(at, []).append(to)
    return above, below


def _ordered(layer: Mapping[str, int], links: Sequence[EdgePair]) -> list[list[str]]:
    """Order the rows for few crossings, and return the best order found.

    Each sweep moves each node to the mean of its neighbours, downwards and upwards in turn.
    """
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for name, level in layer.items():
        rows[level].append(name)
    above, below = _neighbours(links)
    best, fewest_crossings = [list(row) for row in rows], _crossings(rows, links)
    for sweep in range(SWEEPS):
        neighbours, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        at = {name: place for row in rows for place, name in enumerate(row)}
        for row in order:
            mean = {node: _mean([at[other] for other in neighbours.get(node, ())], at[node]) for node in row}
            row.sort(key=lambda node, mean=mean: mean[node])  # type: ignore[misc]  # a default binds the loop's own
            at |= {name: place for place, name in enumerate(row)}
        if (count := _crossings(rows, links)) < fewest_crossings:
            best, fewest_crossings = [list(row) for row in rows], count
    return best


def _mean(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _crossings(rows: Sequence[Sequence[str]], links: Sequence[EdgePair]) -> int:
    at = {name: (level, place) for level, row in enumerate(rows) for place, name in enumerate(row)}
    by_level: dict[int, list[tuple[int, int]]] = {}
    for one, other in links:
        by_level.setdefault(at[one][0], []).append((at[one][1], at[other][1]))
    return sum(
        (a - c) * (b - d) < 0
        for pairs in by_level.values()
        for number, (a, b) in enumerate(pairs)
        for c, d in pairs[number + 1 :]
    )


def _placed(rows: Sequence[Sequence[str]], links: Sequence[EdgePair], bends: set[str]) -> dict[str, float]:
    """Move nodes towards their neighbours without overlap; a bend needs less room than a node."""
    above, below = _neighbours(links)
    places: dict[str, float] = {}
    for row in rows:
        x = 0.0
        for node in row:
            places[node] = x
            x += 1.0
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            neighbours = [[*above.get(node, ()), *below.get(node, ())] for node in row]
            preferred = [
                _mean([places[o] for o in near], places[node]) for node, near in zip(row, neighbours, strict=True)
            ]
            for node, x in zip(row, _spread(row, preferred, bends), strict=True):
                places[node] = x
    least = min(places.values(), default=0.0)
    return {name: x - least for name, x in places.items()}


def _spread(row: Sequence[str], preferred: Sequence[float], bends: set[str]) -> list[float]:
    """Return the mean of pushing all nodes to the one side and to the other: in order, with room between."""
    gaps = [_gap(one, other, bends) for one, other in itertools.pairwise(row)]
    right, left = list(preferred), list(preferred)
    for n, gap in enumerate(gaps, 1):
        right[n] = max(right[n], right[n - 1] + gap)
    for n in range(len(row) - 2, -1, -1):
        left[n] = min(left[n], left[n + 1] - gaps[n])
    return [(one + other) / 2 for one, other in zip(right, left, strict=True)]


def _gap(node: str, other: str, bends: set[str]) -> float:
    return {0: 1.0, 1: 0.62, 2: 0.25}[(node in bends) + (other in bends)]
