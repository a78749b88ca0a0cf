"""`tokaut`: the operator's command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from tokaut.terminal import CommandGroup, escape_unknown_letters

# Command name → the first sentence of its help. Each command is the module of that name in tokaut.commands.
COMMANDS: Mapping[str, str] = {
    "audit": "Verify or export the audit, the chained record of who did what.",
    "backup": "Copy the embedded database into FOLDER, while everything runs.",
    "bench": "Measure the speed on this machine, next to a bare Flask view in the same run.",
    "check": "Show everything that is wrong with this installation, and what to do about each fault.",
    "deliveries": "Show what has not reached its hotline, and retry, park, cancel or transfer it.",
    "demo": "Watch a report travel from a feature phone to a hotline.",
    "export": "Write REPORT_ID as a sheet for the FORM of another body, with the hotline's private key.",
    "flows": "Check, draw and play the conversations.",
    "hold": "Keep a report from being purged for a time and with a reason, or end such a hold.",
    "hosts": "Show when each process of each host was last seen, and forget a host that will not come back.",
    "hotline": 'Test a hotline, or send reports again to one that had answered "gone".',
    "init": "Write settings, secrets and keys for one country into the new or empty FOLDER.",
    "keys": "Create, list and rotate keys and secrets.",
    "prompts": "List the recordings for calls: needed, there, and no longer used.",
    "locales": "Check the translations of the screens, print them for reviewers, and enter what those have signed.",
    "message": "Leave a message from a hotline for a reporter, who reads it under My report.",
    "migrate": "Bring the database to the schema of this release; create it if there is none.",
    "numbers": "Withdraw phone numbers from the screens.",
    "phone": "Use a phone in this terminal, for the demo that runs on this machine.",
    "purge": "Count the reports whose retention period is over, by rule; with --delete, delete them for good.",
    "readiness": "Show what each country has and lacks: law, reporting, hotline, police, languages, numbers.",
    "redis": "Give each process a user of its own in Redis or Valkey.",
    "restore": "Replace the embedded database by the backup FILE.",
    "roles": "Print the SQL that creates the roles of Tokaut in PostgreSQL, and its database.",
    "staff": "Invite the first lead of a hotline, list its accounts, or end one.",
    "start": "Run all processes of this installation here, until Ctrl-C: web, both workers, the clock, the console.",
    "statistics": "Show how many reports there were, about what, from where, and how soon they were read.",
    "synthetic": "Call each address of TOKAUT_SYNTHETIC_CALLS as its provider does, up to the screen that offers Send.",
    "watch": "Show the reports nobody has acknowledged (most urgent first, then oldest first) "
    "and the one thing to do next.",
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with `incomplete`, without loading any command."""
        completions = [
            CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*completions, *click.Command.shell_complete(self, ctx, incomplete)]

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return the name and the first sentence of each command, without loading any."""
        return list(COMMANDS.items())


@click.group(cls=LazyCommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tokaut")
def main() -> None:
    """A gateway that brings a child's report from any phone to the right hotline.

    \b
    First:    tokaut demo               watch it work, on this machine only
    Then:     tokaut check              what is still missing, and what to do about it
    Running:  tokaut watch              the reports that nobody has acknowledged, and what to do next
    Writing:  tokaut flows play         play a conversation, without any server

    Settings come from the environment; docs/reference/settings.md lists them. Each command's --help has an example.
    """
    escape_unknown_letters()


if __name__ == "__main__":
    main()
