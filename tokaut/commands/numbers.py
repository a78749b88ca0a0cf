"""`tokaut numbers`: withdraw a wrong number from every screen at once."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reports.countries.country import SHIPPED_FOLDER, CountryError, country_text, load_country, shipped_countries
from reports.countries.hotline import digits_of
from reports.countries.numbers import NumberNotFound, UnsafeEdit, mark_withdrawn
from reports.store.operations import delivery_actions
from runtime.hardening import harden
from runtime.operator_error import OperatorError
from runtime.settings import Mode
from tokaut.checks import installation
from tokaut.database import open_database
from tokaut.terminal import CommandError, CommandGroup, echo


@click.group(cls=CommandGroup)
def numbers() -> None:
    """Withdraw phone numbers from the screens.

    \b
    Example:  tokaut numbers withdraw vu 163
    """
    harden()


@numbers.command()
@click.argument("country")
@click.argument("number")
def withdraw(country: str, number: str) -> None:
    """Remove a number from every screen of a country, within a minute and without a restart.

    It writes `withdrawn = true` beside the number into the country file in TOKAUT_COUNTRY_DIR, and changes nothing else
    there. Web processes read the file again within a minute, and also after a restart. Run it on each host that runs
    web, and restart the console, which may show the number to staff. To show a number again, two people do it by hand:
    take the line out, then restart web.

    \b
    Example:  tokaut numbers withdraw vu 163

    Next: `tokaut check --country vu` says what the country lacks now.
    """
    path = _country_file(country)
    try:
        text = country_text(country, path.parent)
        changed, services = mark_withdrawn(text, number)
        load_country(country, changed, Mode.DEMO)
    except NumberNotFound as known_numbers:
        raise CommandError(
            f"No screen of {path.name} shows {number}; nothing was changed. It has {known_numbers}."
        ) from None
    except UnsafeEdit:
        raise CommandError(f"{path} is written in a way that is not safe to change by program. {BY_HAND}") from None
    except CountryError as error:
        raise CommandError(f"{error}\n{path} was not changed. {BY_HAND}") from None
    _replace(path, changed)
    echo(f"{number} ({', '.join(services)}) is withdrawn in {path}.")
    echo("Every web process of this host shows it no more within a minute; no restart is needed.")
    echo("The console may show it to staff until it is restarted.")
    echo(_remaining_numbers(country, changed))
    _record_withdrawal(country.upper(), number)


BY_HAND = "Put `withdrawn = true` beside the number by hand; web takes it within a minute."


def _country_file(country: str) -> Path:
    """Return the operator's copy of a country file. A change to the shipped one would be lost with the next release."""
    folder, file = installation.common_settings(os.environ).country_dir, f"{country.lower()}.toml"
    folders = [SHIPPED_FOLDER, *([folder] if folder else [])]
    if not (country.isalpha() and any((one / file).exists() for one in folders)):
        raise CommandError(
            f"There is no country {country}; it is one of {', '.join(shipped_countries())}, or your own."
        )
    if folder is None:
        raise CommandError(
            "TOKAUT_COUNTRY_DIR is not set, or not to an existing folder. Set it here as the services have it. If "
            "they have none: make a folder that web can read, set it for all of them, restart web, then run this again."
        )
    return folder / file


def _replace(path: Path, text: str) -> None:
    """Replace the file as a whole and sync it to the disk. Mode and owner stay, so that web can still read it."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            if path.exists() and os.geteuid() == 0:
                os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CommandError(f"{path} cannot be written ({error.strerror}); nothing was changed. {BY_HAND}") from None


def _remaining_numbers(country: str, text: str) -> str:
    mode: Mode = installation.mode_of(os.environ)
    fields = load_country(country, text, mode).fields()
    if not fields["emergency_number"]:
        return f"Screens now say only: {fields['emergency']}. NO NUMBER TO CALL IN DANGER IS LEFT: put another one in."
    helpline = fields["helpline_named"] if fields["helpline_number"] else "none for children"
    return f"Screens now say: in danger, {fields['emergency']}; helpline, {helpline}."


def _record_withdrawal(country: str, number: str) -> None:
    """Write the withdrawal to the audit.

    This comes after the file: a wrong number must go whether or not the database answers.
    """
    try:
        with open_database() as (database, actor):
            delivery_actions.record_action(database, "number_withdrawn", f"{country}:{digits_of(number)}", actor)
    except OperatorError as error:
        advice = "It IS withdrawn, but the audit does not have it. Run the same again later."
        raise CommandError(f"{error}\n{advice}") from None
