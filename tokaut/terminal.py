"""Print to the operator's terminal. Every command prints through here: one place escapes the text of reporters."""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import IO, Any

import click

from reports.exports.plain_text import safe_for_display

MAX_TEXT_CHARS = 2000  # characters of one text; a screen of 80 by 24 has 1,920


def echo(message: object = "", *, nl: bool = True, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print a message with every control character, terminal sequence and bidi override made visible."""
    click.echo(printable(str(message)), nl=nl, err=err, file=file)


def printable(text: str) -> str:
    """Return the text with everything a terminal would obey made visible. Line breaks and tabs stay."""
    return safe_for_display(text)


def one_line(text: str, longest: int = MAX_TEXT_CHARS) -> str:
    """Return a reporter's text on one line, so that it cannot pass for a line of ours; cut where it is very long."""
    cut = f"… ({len(text) - longest:,} more characters)" if len(text) > longest else ""
    return printable(text[:longest]).replace("\n", "␊").replace("\t", "␉") + cut


def escape_unknown_letters() -> None:
    """Make stdout and stderr write an escape for each letter that the terminal's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(ValueError):  # a stream that is closed
                stream.reconfigure(errors="backslashreplace")
