"""`tokaut init`: write settings, secrets and keys for one country into an empty folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from reports.countries.country import Country, load_countries, shipped_countries
from reports.crypto.key_files import list_keys, read_private_key
from runtime.hardening import harden
from runtime.settings import InvalidValue, Mode
from runtime.settings.environment import Setting
from tokaut.documents.recovery_sheet import sheet_text
from tokaut.new_installation import (
    SECRETS,
    SETTINGS_FILE,
    NewInstallation,
    plan_installation,
    refuse_used_folder,
    write_installation,
)
from tokaut.settings_file import channel_names
from tokaut.terminal import CommandError, echo

CHANNELS = tuple(name for name in channel_names() if name != "simulator")
MODES = click.Choice([str(Mode.TRAINING), str(Mode.LIVE)])


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--country", metavar="ISO", help="The country, for example vu.")
@click.option("--channel", "channels", multiple=True, type=click.Choice(CHANNELS), help="A channel; may be repeated.")
@click.option("--mode", type=MODES, default=str(Mode.TRAINING), show_default=True)
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting; may be repeated. Of a secret give a file, NAME_FILE=PATH: other accounts can read a command line.",
)
@click.option("--no-input", is_flag=True, help="Ask no questions; if a value is missing, name it and write nothing.")
@click.option("--sheets", is_flag=True, help="Also print the recovery sheet of each key, once: for paper.")
def init(
    *,
    folder: Path,
    country: str | None,
    channels: tuple[str, ...],
    mode: str,
    given: tuple[str, ...],
    no_input: bool,
    sheets: bool,
) -> None:
    """Write settings, secrets and keys for one country into the new or empty FOLDER.

    Asks for what it cannot know: the country, the channel, what the provider gave you, and where each hotline receives
    reports. A hotline without an address uses a practice hotline on this machine, which `tokaut start` runs; live mode
    needs addresses. Only this account can read the files (modes 0600 and 0700). Nothing is ever overwritten.

    \b
    Example:  tokaut init ~/tokaut
              tokaut init ~/tokaut --country vu --channel ussd --no-input
              tokaut init ~/tokaut --country ke --channel africastalking --no-input \\
                  --set AFRICASTALKING_USERNAME=desk --set AFRICASTALKING_API_KEY_FILE=/etc/at_key

    Next: `tokaut migrate`, with the settings in the environment; the last lines of this command show how.
    """
    harden()
    folder = folder.expanduser().absolute()
    refuse_used_folder(folder)
    of = _country(country, no_input=no_input)
    names = channels or _channels(no_input=no_input)
    ask = _default if no_input else _prompt
    plan = plan_installation(folder, Mode(mode), of, names, given=_assignments(given), ask=ask)
    _write(plan)
    _print_result(plan)
    if sheets:
        _print_sheets(plan)


def _country(iso: str | None, *, no_input: bool) -> Country:
    if iso is None and no_input:
        raise CommandError(f"No country is named. Add --country: {', '.join(shipped_countries())}")
    choice = (click.prompt("Country", type=click.Choice(shipped_countries())) if iso is None else iso).lower()
    if choice not in shipped_countries():
        raise CommandError(
            f"There is no country {choice}. --country is one of {', '.join(shipped_countries())}. Add others to "
            "COUNTRIES in the new settings: `tokaut check` then says what each needs."
        )
    [country] = load_countries([choice], Mode.DEMO)
    return country


def _channels(*, no_input: bool) -> tuple[str, ...]:
    if no_input:
        raise CommandError(f"No channel is named. Add --channel: {', '.join(CHANNELS)}")
    return (click.prompt("Channel", type=click.Choice(CHANNELS), default="ussd"),)


def _assignments(given: tuple[str, ...]) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise CommandError(f"--set {wrong[0]} has no value. Write --set NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _default(_setting: Setting, _title: str, default: str | None) -> str | None:
    return default


def _prompt(setting: Setting, title: str, default: str | None) -> str | None:
    """Ask until the value is valid. A secret is not shown."""
    echo(f"\n{title}: {setting.meaning}")
    if setting.how_to_make:
        echo(f"  {setting.how_to_make}")
    if default:
        echo(f"  Press Enter for the practice hotline of `tokaut start`: {default}")
    answer: str = click.prompt(
        setting.name, default=default, show_default=False, hide_input=setting.secret, value_proc=_parser(setting)
    )
    return answer


def _parser(setting: Setting) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            setting.parse(text)
        except InvalidValue as fault:
            raise click.UsageError(f"{setting.name} {fault}") from None
        return text

    return parse


def _write(plan: NewInstallation) -> None:
    try:
        write_installation(plan)
    except OSError as fault:
        what = f"Remove {plan.folder}" if fault.filename else "Remove it"
        raise CommandError(
            f"{fault.filename or plan.folder} cannot be written ({fault.strerror}). {what}, and run this again."
        ) from None


def _print_result(plan: NewInstallation) -> None:
    folder = plan.folder
    counts = f"{len(plan.secrets)} secrets and the keys of {len(plan.hotlines)} hotlines"
    echo(f"\n{folder} has the settings ({SETTINGS_FILE}), {counts}.")
    echo("Copy the folders keys and secrets to a safe place: without the keys nobody can read a report.")
    for hotline in plan.hotlines:
        secret = f"hotline_{hotline.replace('-', '_')}_secret"
        if hotline not in plan.practice and secret in plan.secrets:
            echo(f"Give {hotline} its secret, by a safe way: {folder / SECRETS / secret}")
    if plan.practice:
        echo(f"Without an address yet: {', '.join(plan.practice)}. `tokaut start` runs a practice hotline for them.")
    if plan.mode is Mode.LIVE:
        echo("Live mode needs more: docs/install.md, Preparing for production.")
    echo(f"\nNext:\n  set -a; . {shlex.quote(str(folder / SETTINGS_FILE))}; set +a\n  tokaut migrate\n  tokaut start")


def _print_sheets(plan: NewInstallation) -> None:
    keys = Path(plan.values["TOKAUT_KEYS"])
    for hotline in plan.hotlines:
        echo(sheet_text(hotline, read_private_key(keys, hotline, list_keys(keys, hotline)[0].public.key_id)))
