"""Where hotlines' staff read: the worker writes it into its mails, the console into its invitations."""

from __future__ import annotations

from typing import Any

from runtime.settings import parsers
from runtime.settings.environment import env


def console_url_field() -> Any:
    """A field, as `env` makes it."""
    return env(
        "CONSOLE_URL",
        parsers.web_address,
        default=None,
        live=lambda address: parsers.require_https(address) if address else None,
        meaning="where hotlines' staff read; stands in each mail to a hotline and in each invitation",
    )


# The address that providers call: every process is told it, and a provider's signature may be over it.


def public_url_field() -> Any:
    """A field, as `env` makes it."""
    return env(
        "PUBLIC_URL",
        parsers.web_address,
        default="http://127.0.0.1:8000",
        live=parsers.require_https,
        meaning="the address that providers call",
    )


# The secret between a hotline's own system and us: the worker signs with it, the console knows its calls by it.


def webhook_secret_field() -> Any:
    """The field `secret`, in the settings of each side."""
    return env(
        "SECRET",
        parsers.webhook_secrets,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_WEBHOOK_HINT,
        meaning="signs what this hotline gets; two while one is rotated, newest first",
    )


# Which countries are served, and where their files are: every process that shows or sends anything is told.


def countries_field() -> Any:
    """A field, as `env` makes it."""
    return env(
        "COUNTRIES",
        parsers.names,
        demo="vu,fj,ke",
        meaning="name the countries to serve, with commas; each is a file of reports/countries",
    )


def country_folder_field() -> Any:
    """A field, as `env` makes it."""
    return env(
        "TOKAUT_COUNTRY_DIR",
        parsers.existing_folder,
        default=None,
        meaning="folder whose country files replace the shipped ones",
    )
