"""A fault of a flow or its translation, with its place in a file and what to do about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from flows.model import FlowBook, Screen


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A fault. str() is "file:line:column: screen: fault; what to do"."""

    file: str
    line: int
    column: int
    screen: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.screen}: {self.message}"


def finding_at(book: FlowBook, screen: Screen, message: str, at: tuple[int, int] = (0, 0)) -> Finding:
    """Return a finding at a place of the screen's file; by default where the screen begins."""
    line, column = at if at[0] else (screen.line, screen.column)
    return Finding(book.flows[screen.flow].file, line, column, screen.id, message)
