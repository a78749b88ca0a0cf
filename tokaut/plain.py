"""How the command line speaks: a sentence where something cannot be done, and a prompt for what is typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import click

from tokaut.terminal import echo


class Plain(click.ClickException):
    """Exit status 1. The message says what is wrong and what to do; nothing is put before it."""

    def show(self, file: IO[Any] | None = None) -> None:
        echo(self.message, file=file, err=file is None)


def no_hotline(hotline: str, there: Iterable[str]) -> Plain:
    return Plain(f"No country of COUNTRIES has a hotline {hotline}. They have {', '.join(sorted(there)) or 'none'}.")


def asked() -> Iterator[str]:
    """Each line that is typed, until Ctrl-D."""
    while True:
        try:
            yield click.prompt("", prompt_suffix="  > ", default="", show_default=False)
        except click.Abort:
            echo()
            return
