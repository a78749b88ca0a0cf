"""One fault of a flow or of its translation, with its place in a file and what to do about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from flows.model import FlowBook, Screen


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """str() is "file:line:column: screen: what is wrong; what to do"."""

    file: str
    line: int
    column: int
    screen: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.screen}: {self.message}"


def finding_at(book: FlowBook, screen: Screen, message: str, at: tuple[int, int] = (0, 0)) -> Finding:
    """At this place of the screen's file; without one, where the screen begins."""
    line, column = at if at[0] else (screen.line, screen.column)
    return Finding(book.flows[screen.flow].file, line, column, screen.id, message)
