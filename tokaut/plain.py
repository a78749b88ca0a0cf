"""How the command line says that something cannot be done: the sentence itself, and exit status 1."""

from __future__ import annotations

from typing import IO, Any

import click


class Plain(click.ClickException):
    """The message says what is wrong and what to do; nothing is put before it."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)
