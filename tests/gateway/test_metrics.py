"""Each event that web counts has a counter: an unknown name would fail a reporter's request."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from gateway.metrics import COUNTED
from tests.house.files import modules

COUNTERS = {"count", "_count"}  # functions that take the name of an event
KEYWORDS = {"lost"}  # keyword arguments with the name of an event


def names(tree: ast.AST) -> Iterator[str]:
    """Yield the names of events that the code counts, if they are constants."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        is_counter = isinstance(node.func, ast.Attribute) and node.func.attr in COUNTERS
        given = [*(node.args[:1] if is_counter else ()), *(one.value for one in node.keywords if one.arg in KEYWORDS)]
        for argument in given:
            for inner in ast.walk(argument):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


def test_each_name_that_is_counted_has_a_counter() -> None:
    found = {name for _, tree in modules("gateway") for name in names(tree) if "_" in name}
    assert len(found) > 20
    assert found - COUNTED.keys() == set()


@pytest.mark.parametrize("code", ["self._count('lost_it')", "metrics.count('a_b')", "f(lost='lost_it')"])
def test_a_planted_name_is_found(code: str) -> None:
    assert set(names(ast.parse(code))) - COUNTED.keys()
