"""Every command that `tokaut` has, by its words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import click

from tokaut.__main__ import main


@cache
def commands() -> dict[tuple[str, ...], click.Command]:
    """Groups among them."""
    return dict(_of(main))


@cache
def called() -> list[tuple[str, ...]]:
    """Those that do something by themselves."""
    return [words for words, command in commands().items() if not isinstance(command, click.Group)]


def _of(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from _of(command, (*before, name))
