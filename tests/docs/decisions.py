"""The index of docs/decisions, made from the records."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs/decisions"


def records() -> list[Path]:
    """Return the records in the order of their numbers."""
    return sorted(FOLDER.glob("[0-9]*.md"))


def table() -> str:
    """Return one row for each record: number, title with its link, and status."""
    rows = ["| number | decision | status |", "|---|---|---|"]
    for path in records():
        text = path.read_text(encoding="utf-8")
        number, _, title = text.partition("\n")[0].removeprefix("# ").partition(". ")
        superseded = re.search(r"^Superseded by \[(\d+)\]", text, re.MULTILINE)
        changed = re.search(r"^Changed in part by \[(\d+)\]", text, re.MULTILINE)
        status = "accepted" if changed is None else f"accepted; changed in part by {changed[1]}"
        if superseded:
            status = f"superseded by {superseded[1]}"
        rows.append(f"| {number} | [{title}]({path.name}) | {status} |")
    return "\n".join(rows) + "\n"
