"""Print to the operator's terminal, escaped, and the helpers of the command line: help, errors, prompts."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any

import click

from runtime.operator_error import OperatorError
from runtime.visible_text import safe_for_display

MAX_TEXT_CHARS = 2000  # characters of one text; a terminal of 80 by 24 shows 1,920
MAX_HELP_CHARS = 400
READ_SETTINGS = "Read the settings first: set -a; . FOLDER/tokaut.env; set +a. `tokaut init FOLDER` writes them."


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


# Helpers of the command line: help texts, error messages and the input prompt.


class CommandError(OperatorError):
    """A command cannot be carried out. The message names the fault and the remedy."""


class CommandGroup(click.Group):
    """A group that prints every error escaped, and whose help shows the whole first sentence of each command."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit. An error ends it with its message, without a traceback; arguments must be text."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        _open_closed_streams()
        try:
            _refuse_bytes(sys.argv[1:] if args is None else args)
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except OperatorError as error:
            echo(error, err=True)
            status = 1
        except click.ClickException as error:
            error.show(message := StringIO())
            echo(message.getvalue(), nl=False, err=True)
            status = error.exit_code
        except click.Abort:
            echo("Aborted!", err=True)
            status = 1
        except OSError as error:
            _drop_output()
            fault = f"{error.filename} cannot be used" if error.filename else "The output cannot be written"
            echo(f"{fault} ({error.strerror or type(error).__name__}).", err=True)
            status = 1
        sys.exit(status if isinstance(status, int) else 0)

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return the name and the first sentence of each command."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return [
            (name, command.get_short_help_str(MAX_HELP_CHARS))
            for name, command in commands
            if command and not command.hidden
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with its first sentence."""
        with formatter.section("Commands"):
            formatter.write_dl(self.summaries(ctx))


def _open_closed_streams() -> None:
    """Open the null device in place of each standard stream that the shell has closed: Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115


def _refuse_bytes(arguments: Iterable[str]) -> None:
    """Exit with 2 for an argument with bytes that are not text, as click does for others: no name or id has any."""
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            encoding = sys.getfilesystemencoding().upper()
            echo(f"{argument} is not text in {encoding}. Type it again; nothing was done.", err=True)
            sys.exit(2)


def _drop_output() -> None:
    """Discard what cannot be written to stdout: Python would try again at its end, and print an error of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse_no_settings(environ: Iterable[str]) -> None:
    """Raise CommandError if no setting is named. A command would take the defaults of a demo, and a folder `var` here.

    `environ`: the names of the environment's variables.
    """
    if not any(name.startswith(("TOKAUT_", "DATABASE_URL")) for name in environ):
        raise CommandError(f"There are no settings. {READ_SETTINGS}")


def unknown_hotline(hotline: str, configured: Iterable[str], faults: Sequence[str] = ()) -> CommandError:
    """Return the error for a hotline id that is in none of the configured countries.

    `configured`: their ids; `faults`: of country files that could not be read.
    """
    known = sorted(configured)
    fact = f"No country of COUNTRIES has a hotline {hotline}.{did_you_mean(hotline, known)}"
    return CommandError("\n".join([f"{fact} They have {', '.join(known) or 'none'}.", *faults]))


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names the known word most like the given one; "" if none is like it."""
    similar = difflib.get_close_matches(given, list(known), n=1)
    return f" Did you mean {similar[0]}?" if similar else ""


def prompt_lines() -> Iterator[str]:
    """Yield each line that the user types, until Ctrl-D."""
    while True:
        try:
            yield click.prompt("", prompt_suffix="  > ", default="", show_default=False)
        except click.Abort:
            echo()
            return
