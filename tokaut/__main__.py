"""`tokaut`: the operator's command line."""

from __future__ import annotations

from importlib import import_module

import click

from tokaut.terminal import escape_unknown_letters

COMMANDS = (  # each is a module of this package, named as the command
    "audit",
    "backup",
    "bench",
    "check",
    "deliveries",
    "demo",
    "export",
    "flows",
    "hold",
    "hotline",
    "keys",
    "locales",
    "message",
    "migrate",
    "numbers",
    "phone",
    "purge",
    "readiness",
    "redis",
    "restore",
    "roles",
    "staff",
    "statistics",
    "watch",
)


class Commands(click.Group):
    """Loads a command when it is called: all of them together take seconds on a small machine."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"tokaut.{cmd_name}"), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tokaut")
def main() -> None:
    """A gateway that brings a child's report from any phone to the right hotline.

    \b
    First:    tokaut demo               watch it work, on this machine alone
    Then:     tokaut check              what is still missing, and what to do about it
    Running:  tokaut watch              what nobody has taken on, and the one thing to do next
    Writing:  tokaut flows play         walk through a conversation, without any server

    Settings come from the environment; docs/operating.md lists them. Each command's --help has an example.
    """
    escape_unknown_letters()


if __name__ == "__main__":
    main()
