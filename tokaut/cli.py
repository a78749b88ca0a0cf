"""How the command line speaks: help, a sentence where something cannot be done, and a prompt for what is typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import click

from tokaut.terminal import echo

MAX_HELP_CHARS = 400  # characters


class CommandError(click.ClickException):
    """Exit status 1. The message says what is wrong and what to do; nothing is put before it."""

    def show(self, file: IO[Any] | None = None) -> None:
        echo(self.message, file=file, err=file is None)


class CommandGroup(click.Group):
    """A group whose help gives the whole first sentence of each command: click cuts it off."""

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return the name and the first sentence of each command."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return [(name, one.get_short_help_str(MAX_HELP_CHARS)) for name, one in found if one and not one.hidden]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self.summaries(ctx))


def unknown_hotline(hotline: str, there: Iterable[str]) -> CommandError:
    return CommandError(
        f"No country of COUNTRIES has a hotline {hotline}. They have {', '.join(sorted(there)) or 'none'}."
    )


def prompt_lines() -> Iterator[str]:
    """Each line that is typed, until Ctrl-D."""
    while True:
        try:
            yield click.prompt("", prompt_suffix="  > ", default="", show_default=False)
        except click.Abort:
            echo()
            return
