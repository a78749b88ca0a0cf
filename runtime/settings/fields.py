"""Fields that the settings of several processes share."""

from __future__ import annotations

from typing import Any

from runtime.settings import parsers
from runtime.settings.environment import env


def console_url_field() -> Any:
    """Return the field of the console's address: the worker writes it into mails, the console into invitations."""
    return env(
        "CONSOLE_URL",
        parsers.web_address,
        default=None,
        live=lambda address: parsers.require_https(address) if address else None,
        meaning="where hotlines' staff read; stands in each mail to a hotline and in each invitation",
    )


def public_url_field() -> Any:
    """Return the field of the address that providers call.

    Every process has it, and a provider's signature may cover it.
    """
    return env(
        "PUBLIC_URL",
        parsers.web_address,
        default="http://127.0.0.1:8000",
        live=parsers.require_https,
        meaning="the address that providers call",
    )


def webhook_secret_field() -> Any:
    """Return the field `secret`, which a hotline's own system shares with us.

    The worker signs with it, and the console verifies the hotline's calls with it.
    """
    return env(
        "SECRET",
        parsers.webhook_secrets,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_WEBHOOK_HINT,
        meaning="signs what this hotline gets; two while one is rotated, newest first",
    )


def countries_field() -> Any:
    """Return the field that names the countries to serve."""
    return env(
        "COUNTRIES",
        parsers.names,
        demo="vu,fj,ke",
        meaning="name the countries to serve, with commas; each is a file of reports/countries",
    )


def country_folder_field() -> Any:
    """Return the field of the folder of country files."""
    return env(
        "TOKAUT_COUNTRY_DIR",
        parsers.existing_folder,
        default=None,
        meaning="folder whose country files replace the shipped ones",
    )
