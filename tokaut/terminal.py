"""Print to the operator's terminal. Every command prints through here, so that one place escapes reporters' text."""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import IO, Any

import click

from reports.exports.plain_text import safe_for_display

MAX_TEXT_CHARS = 2000  # of one text; a terminal of 80 by 24 shows 1,920


def echo(message: object = "", *, nl: bool = True, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print a message with every control character, terminal sequence and bidi override made visible."""
    click.echo(printable(str(message)), nl=nl, err=err, file=file)


def printable(text: str) -> str:
    """Return the text with each character that a terminal would interpret replaced by a visible form.

    Line breaks and tabs stay.
    """
    return safe_for_display(text)


def one_line(text: str, longest: int = MAX_TEXT_CHARS) -> str:
    """Return a reporter's text on one line, so that it cannot imitate a line of ours. A very long text is cut."""
    cut = f"… ({len(text) - longest:,} more characters)" if len(text) > longest else ""
    return printable(text[:longest]).replace("\n", "␊").replace("\t", "␉") + cut


def escape_unknown_letters() -> None:
    """Make stdout and stderr escape each character that the terminal's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(ValueError):  # a closed stream
                stream.reconfigure(errors="backslashreplace")
