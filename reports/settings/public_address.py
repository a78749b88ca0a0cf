"""The address that providers call: every process is told it, and a provider's signature may be over it."""

from __future__ import annotations

from typing import Any

from reports.settings import reading
from reports.settings.environment import env


def public_address() -> Any:
    """A field, as `env` makes it."""
    return env(
        "PUBLIC_URL",
        reading.web_address,
        default="http://127.0.0.1:8000",
        live=reading.only_https,
        meaning="the address that providers call",
    )
