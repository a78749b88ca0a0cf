"""The secret between a hotline's own system and us: the worker signs with it, the console knows its calls by it."""

from __future__ import annotations

from typing import Any

from reports.settings import reading
from reports.settings.environment import env


def webhook_secret() -> Any:
    """The field `secret`, in the settings of each side."""
    return env(
        "SECRET",
        reading.webhook_secrets,
        secret=True,
        live=reading.not_the_demos,
        make=reading.MAKE_WEBHOOK,
        meaning="signs what this hotline gets; two while one is rotated, newest first",
    )
