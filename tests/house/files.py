"""The project's own files: those in git, or not ignored by it."""

from __future__ import annotations

import ast
import gc
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("gateway", "console", "flows", "locales", "reports", "runtime", "workers", "tokaut")
NO_TEXT = (".gz", ".png", ".ttf", ".mo", ".lock")


@cache
def files() -> tuple[Path, ...]:
    """Return paths relative to the checkout; outside a checkout, all files of the project's folders."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        known = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
        names = [Path(name) for name in known.splitlines()]
    except (OSError, subprocess.CalledProcessError):
        names = [
            path.relative_to(ROOT) for folder in (*PRODUCT, "tests", "docs") for path in (ROOT / folder).rglob("*")
        ]
    return tuple(sorted(name for name in names if (ROOT / name).is_file() and "__pycache__" not in name.parts))


def texts() -> Iterator[tuple[Path, str]]:
    for name in files():
        if name.suffix not in NO_TEXT:
            yield name, (ROOT / name).read_text(encoding="utf-8")


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in sorted(folders or PRODUCT):
        yield from _of_the_product(folder) if folder in PRODUCT else _parsed(folder)


def _parsed(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    for name in files():
        if name.suffix == ".py" and name.parts[0] == folder:
            yield name, ast.parse((ROOT / name).read_text(encoding="utf-8"))


@cache
def _of_the_product(folder: str) -> tuple[tuple[Path, ast.Module], ...]:
    """Parse once, and keep the nodes from the garbage collector, which would traverse a million of them repeatedly."""
    found = tuple(_parsed(folder))
    gc.collect()
    gc.freeze()
    return found


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` of a name or an attribute; "" for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield imported modules and the names imported from them: `a`, `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
