"""The text of the project's pages, and the names that they use."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "ARCHITECTURE.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
FOLDERS = ("gateway", "console", "flows", "locales", "reports", "runtime", "workers", "tokaut", "tests", "docs", ".ci")

_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[A-Za-z0-9_./-]*")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    return [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def part(page: str, name: str) -> str:
    """Return the text between `<!-- name -->` and `<!-- /name -->`."""
    _, _, rest = read(page).partition(f"<!-- {name} -->\n")
    inside, end, _ = rest.partition(f"<!-- /{name} -->")
    assert end, f"{page} has no part {name}"
    return inside


def files_named(text: str) -> list[str]:
    """Return our files and folders in `code`; a name with a <placeholder> does not count."""
    return [code for code in _CODE.findall(text) if _PATH.fullmatch(code)]


def links(text: str) -> list[str]:
    """Return the relative links, with their #anchors."""
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as common viewers make them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in kept}


def named(text: str) -> set[str]:
    """Return all text in `code`."""
    return set(_CODE.findall(text))
