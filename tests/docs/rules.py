"""Safeguarding rules and the tests that prove them, read from the marks in the tests' source."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache

from tests.docs.pages import ROOT, part

RULES = tuple(f"S-{n:02}" for n in range(1, 41))
CONSOLE = ("S-23", "S-24", "S-25", "S-28", "S-29")  # about staff and storage, not about a phone
PAGE = "docs/safeguarding.md"
_WAITS = re.compile(r"^\* \*\*(S-\d\d)\*\* (.+)$", re.MULTILINE)


@cache
def marks() -> Mapping[str, set[str]]:
    """Return rule → test files that mark a test with it that is not skipped."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for rule in marks_of(path.read_text(encoding="utf-8")):
            found[rule].add(path.relative_to(ROOT).as_posix())
    return found


def marks_of(source: str) -> Iterator[str]:
    """Yield the rules that a file's tests are marked with."""
    tree = ast.parse(source)
    skipped = {id(node) for test in ast.walk(tree) if _is_skipped(test) for node in ast.walk(test)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in skipped and _name(node) == "rule":
            yield from (str(one.value) for one in node.args if isinstance(one, ast.Constant))


def _is_skipped(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        return False
    names = {inner.attr for one in node.decorator_list for inner in ast.walk(one) if isinstance(inner, ast.Attribute)}
    return bool(names & {"skip", "skipif", "xfail"})


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def waits() -> Mapping[str, str]:
    """Return rule → reason why it, or a part of it, has no test yet; from the page."""
    return dict(_WAITS.findall(part(PAGE, "waits")))


def table() -> str:
    """Return the page's table: rule → files of tests."""
    found, waiting = marks(), waits()
    rows = ["| rule | shown by |", "|---|---|"]
    for rule in RULES:
        files = ", ".join(map(_link, sorted(found.get(rule, ()))))
        rows.append(f"| {rule} | {files or 'waits'}{' (in part)' if files and rule in waiting else ''} |")
    return "\n".join(rows) + "\n"


def _link(name: str) -> str:
    return f"[{name.removeprefix('tests/').removesuffix('.py')}](../{name})"
