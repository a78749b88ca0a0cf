"""Which countries are served, and where their files are: every process that shows or sends anything is told."""

from __future__ import annotations

from typing import Any

from reports.settings import reading
from reports.settings.environment import env


def served() -> Any:
    """A field, as `env` makes it."""
    return env(
        "COUNTRIES",
        reading.names,
        demo="vu,fj,ke",
        meaning="name the countries to serve, with commas; each is a file of reports/countries",
    )


def folder_of_own() -> Any:
    """A field, as `env` makes it."""
    return env(
        "TOKAUT_COUNTRY_DIR",
        reading.standing_folder,
        default=None,
        meaning="folder whose country files replace the shipped ones",
    )
