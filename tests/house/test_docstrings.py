"""Docstrings explain only arguments and fields that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.files import dotted, modules

# "`one`: …" or "`one`, `two`: …" at the start of a sentence
EXPLAINED = re.compile(r"(?:^|\n|[.:] )\s*((?:`\w+`(?:, | and )?)+): ")
SECTION = re.compile(r"^Args:\n((?:(?: .*)?\n?)*)", re.MULTILINE)
IN_SECTION = re.compile(r"^ {4}(\w+): ", re.MULTILINE)

PLANTED = {
    "argument": 'def wait(seconds):\n    """Wait. `minutes`: how long."""',
    "one of two": 'def wait(seconds):\n    """Wait.\n\n    `seconds`, `minutes`: how long.\n    """',
    "section": 'def wait(seconds):\n    """Wait.\n\n    Args:\n        minutes: how long.\n    """',
    "field": 'class Wait:\n    """A wait. `minutes`: how long."""\n\n    seconds: int',
}


def unknown_names(tree: ast.Module) -> Iterator[str]:
    """Yield each name that a docstring explains but that is not an argument of the function or a field of the class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            known = _fields(node) if isinstance(node, ast.ClassDef) else _arguments(node)
            yield from (f"{node.name}: {name}" for name in _explained(ast.get_docstring(node) or "") - known)


def _explained(docstring: str) -> set[str]:
    names = {
        name for listed in EXPLAINED.findall(docstring) for name in re.findall(r"\w+", listed.replace(" and ", " "))
    }
    return names | {name for section in SECTION.findall(docstring) for name in IN_SECTION.findall(section)}


def _arguments(node: ast.AST) -> set[str]:
    return {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}


def _fields(node: ast.ClassDef) -> set[str]:
    """Return a class's fields and methods, its attributes on `self`, and its constructor's arguments."""
    known = {dotted(inner).removeprefix("self.") for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign):
            known.add(dotted(inner.target))
        elif isinstance(inner, ast.Assign):
            known |= {dotted(target) for target in inner.targets}
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            known |= {inner.name} | (_arguments(inner) if inner.name == "__init__" else set())
    return known


@pytest.mark.parametrize("folder", ["product", "tests"])
def test_docstrings_explain_names_that_exist(folder: str) -> None:
    trees = modules() if folder == "product" else modules("tests")
    assert [f"{path}: {found}" for path, tree in trees for found in unknown_names(tree)] == []


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED)
def test_a_planted_name_is_found(source: str) -> None:
    assert len(list(unknown_names(ast.parse(source)))) == 1
