"""The man page of `tokaut`, made from its commands: `python -m tests.docs.generated` writes docs/tokaut.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click

from tests.support.commands import commands
from tokaut.__main__ import main

HEAD = """.\\" Made from the commands by `python -m tests.docs.generated`.
.TH TOKAUT 1 "" Tokaut "Tokaut"
.SH NAME
tokaut \\- a gateway for child protection reports by USSD and SMS
.SH SYNOPSIS
.B tokaut
.I COMMAND
[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]
.SH DESCRIPTION
"""
FOOT = """.SH ENVIRONMENT
Settings come from the environment; docs/reference/settings.md lists them, and
.B tokaut init
writes a file of them.
.SH EXIT STATUS
0 if nothing is left to do, 1 if something is wrong, 2 if the command line is.
"""


def page() -> str:
    parts = [HEAD, *_text(main), ".SH COMMANDS\n"]
    for words, command in commands().items():
        if not isinstance(command, click.Group):
            parts += _command(words, command)
    return "".join([*parts, FOOT])


def _command(words: tuple[str, ...], command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(words))
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS tokaut {_roff(' '.join(words))} {_roff(usage)}\n"
    yield from _text(command)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record and "--help" not in parameter.opts:
            yield f".TP\n.B {_roff(record[0])}\n{_roff(record[1])}\n"


def _text(command: click.Command) -> Iterator[str]:
    """Yield the help text by paragraphs; one after a line with only \\\\b is not wrapped."""
    for paragraph in re.split(r"\n\s*\n", cleandoc(command.help or "").partition("\f")[0]):
        plain = paragraph.removeprefix("\b\n")
        if plain != paragraph:
            yield f".PP\n.nf\n{_roff(plain)}\n.fi\n"
        else:
            yield f".PP\n{_roff(' '.join(plain.split()))}\n"


def _roff(text: str) -> str:
    """Return the text without anything that roff would interpret."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", escaped)
