"""`tokaut`: the operator's command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from tokaut.cli import CommandGroup
from tokaut.terminal import escape_unknown_letters

# Command name → the first sentence of its help. Each command is the module of that name in tokaut.commands.
COMMANDS: Mapping[str, str] = {
    "audit": "Look at the chain of who did what.",
    "backup": "Copy the embedded database into FOLDER, while everything runs.",
    "bench": "Measure how fast this is on this machine, beside a bare Flask view in the same run.",
    "check": "Say everything that is wrong with this installation, and what to do about each.",
    "deliveries": "See what has not reached its hotline, and order what happens to it.",
    "demo": "Watch a report travel from a feature phone to a hotline.",
    "export": "Write REPORT_ID as a sheet for the FORM of another body, with the hotline's private key.",
    "flows": "Check, draw and play the conversations.",
    "hold": "Keep a report from being purged for a time, say by whom and why, and let it go.",
    "hotline": "Look after the hotlines that take reports.",
    "keys": "Keys and secrets: make, list, rotate.",
    "locales": "Look after the words of the screens in each language.",
    "message": "Leave words of a hotline for a reporter, who reads them under My report.",
    "migrate": "Bring the database to the schema of this release; make it where there is none.",
    "numbers": "Look after the numbers that screens show.",
    "phone": "A phone in this terminal, for the demo that is up on this machine.",
    "purge": "Count the reports whose time is over, by rule; with --delete, delete them for good.",
    "readiness": "Law, reporting, hotline, police, languages, numbers: what each country has, and what is missing.",
    "redis": "Give each process a user of its own in Redis or Valkey.",
    "restore": "Put the backup FILE in the place of the embedded database.",
    "roles": "Print the SQL that makes the roles of Tokaut in PostgreSQL, and its database.",
    "staff": "See who reads at a hotline, and invite its first lead.",
    "statistics": "How many reports, about what, from where, and how soon they were read: only what may be shown.",
    "watch": "Show what nobody has taken on, the most urgent and then the oldest first, and the one thing to do next.",
}


class LazyCommandGroup(CommandGroup):
    """Load a command only when it is called: loading all of them takes seconds on a small machine."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, without loading any."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"tokaut.commands.{cmd_name}"), cmd_name)
        return command

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return the name and the first sentence of each command, without loading any."""
        return list(COMMANDS.items())


@click.group(cls=LazyCommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tokaut")
def main() -> None:
    """A gateway that brings a child's report from any phone to the right hotline.

    \b
    First:    tokaut demo               watch it work, on this machine alone
    Then:     tokaut check              what is still missing, and what to do about it
    Running:  tokaut watch              what nobody has taken on, and the one thing to do next
    Writing:  tokaut flows play         walk through a conversation, without any server

    Settings come from the environment; docs/reference/settings.md lists them. Each command's --help has an example.
    """
    escape_unknown_letters()


if __name__ == "__main__":
    main()
