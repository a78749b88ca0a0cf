"""All commands of `tokaut`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import click

from tokaut.__main__ import main


@cache
def commands() -> dict[tuple[str, ...], click.Command]:
    """Return all commands and groups, keyed by the words of the command line."""
    return dict(_commands_of(main))


@cache
def called() -> list[tuple[str, ...]]:
    """Return the words of all commands that are not groups."""
    return [words for words, command in commands().items() if not isinstance(command, click.Group)]


def _commands_of(group: click.Group, parents: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield (*parents, name), command
        if isinstance(command, click.Group):
            yield from _commands_of(command, (*parents, name))
