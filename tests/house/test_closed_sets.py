"""Each closed set of words is defined once, as a StrEnum or a named Literal, and never written out again."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.house.files import modules

Module = tuple[Path, ast.Module]
Words = frozenset[str]

LEAST = 2  # words
# Sets with the same words but another meaning: fields of a form, keys of a table, names of a provider.
COINCIDENCES: frozenset[Words] = frozenset()


def _words(nodes: Iterable[ast.expr | None]) -> Words:
    """Return the words of a collection; none if anything else is in it."""
    values = [node.value if isinstance(node, ast.Constant) else None for node in nodes]
    return frozenset(value for value in values if isinstance(value, str)) if None not in values else frozenset()


def definitions(found: Iterable[Module]) -> Iterator[tuple[Words, str]]:
    """Yield the words and the place of each StrEnum and each Literal."""
    for path, tree in found:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "StrEnum" for base in node.bases):
                yield _words(line.value for line in node.body if isinstance(line, ast.Assign)), f"{path}: {node.name}"
            elif isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Literal":
                inside = node.slice
                yield _words(inside.elts if isinstance(inside, ast.Tuple) else [inside]), f"{path}:{node.lineno}"


def copies(found: Iterable[Module], known: set[Words]) -> Iterator[str]:
    """Yield where the words of a closed set are written out as a tuple, a list, a set or the keys of a mapping."""
    for path, tree in found:
        types = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Tuple | ast.List | ast.Set)
                and id(node) not in types
                and _words(node.elts) in known
            ):
                yield f"{path}:{node.lineno}"


def doubles(found: Iterable[Module]) -> list[str]:
    found = list(found)
    places: dict[Words, list[str]] = defaultdict(list)
    for words, place in definitions(found):
        if len(words) >= LEAST and words not in COINCIDENCES:
            places[words].append(place)
    return [" = ".join(same) for same in places.values() if len(same) > 1] + list(copies(found, set(places)))


def test_each_closed_set_is_defined_once() -> None:
    assert doubles(modules()) == []


DEFINED = """
class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"

Size = Literal["small", "large"]
"""


@pytest.mark.parametrize(
    ("planted", "count"),
    [
        ("", 0),
        ('Paint = Literal["blue", "red"]', 1),
        ('class Measure(StrEnum):\n    S = "small"\n    L = "large"', 1),
        ('def wash(at: Literal["small", "large"]) -> None: ...', 1),
        ('COLOURS = ("red", "blue")', 1),
        ('assert shown in {"large", "small"}', 1),
        ('SOME = ("red",)', 0),
        ('MORE = ("red", "blue", "green")', 0),
        ("COLOURS = (Colour.RED, Colour.BLUE)", 0),
    ],
)
def test_a_planted_copy_is_found(planted: str, count: int) -> None:
    assert len(doubles([(Path("paint.py"), ast.parse(DEFINED + planted))])) == count
