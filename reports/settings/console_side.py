"""What the console is told: it faces hotlines and their staff, holds none of web's keys, and has no Redis."""

from __future__ import annotations

from pathlib import Path

from reports.settings.environment import from_environment
from reports.settings.lands import folder_of_own, served
from reports.settings.place import Place


@from_environment
class ConsoleSide(Place):
    countries: tuple[str, ...] = served()
    country_dir: Path | None = folder_of_own()
