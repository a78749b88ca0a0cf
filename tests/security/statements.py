"""The statements of docs/security.md and the tests that show them.

`python -m tests.security.statements` writes them there. People write the first two columns; the third is made from the
marks and from WAITING.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tests.docs.pages import ROOT
from tests.docs.rules import marks

PAGE = ROOT / "docs" / "security.md"
IDS = (*(f"A-{n:02}" for n in range(1, 48)), *(f"X-{n:02}" for n in range(1, 31)))
ROW = re.compile(r"^\| ([AX]-\d\d) \| (.+?) \| (.+?) \|$", re.MULTILINE)

# Statements without a complete test, each with the reason.
WAITING: Mapping[str, str] = {}


def rows() -> Mapping[str, tuple[str, str]]:
    """Return id → (its meaning here, its tests), as on the page."""
    return {found[0]: (found[1], found[2]) for found in ROW.findall(PAGE.read_text(encoding="utf-8"))}


def shown_by(statement: str) -> str:
    """Return the third column."""
    return "; ".join(_shown(statement))


def _shown(statement: str) -> Iterator[str]:
    if found := sorted(marks().get(statement, ())):
        yield ", ".join(f"`{name}`" for name in found)
    if statement in WAITING:
        yield f"waits: {WAITING[statement]}"


def write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(ROW.sub(lambda row: f"| {row[1]} | {row[2]} | {shown_by(row[1])} |", text), encoding="utf-8")


if __name__ == "__main__":
    write()
