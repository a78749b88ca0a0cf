"""Where hotlines' staff read: the worker writes it into its mails, the console into its invitations."""

from __future__ import annotations

from typing import Any

from reports.settings import reading
from reports.settings.environment import env


def console_address() -> Any:
    """A field, as `env` makes it."""
    return env(
        "CONSOLE_URL",
        reading.web_address,
        default=None,
        live=lambda address: reading.only_https(address) if address else None,
        meaning="where hotlines' staff read; stands in each mail to a hotline and in each invitation",
    )
