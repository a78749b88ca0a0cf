"""What the console is told: it faces hotlines and their staff, holds none of web's keys, and has no Redis."""

from __future__ import annotations

from pathlib import Path

from reports.settings import reading
from reports.settings.console_address import console_address
from reports.settings.environment import Secret, env, from_environment
from reports.settings.lands import folder_of_own, served
from reports.settings.place import Place


@from_environment
class ConsoleSide(Place):
    countries: tuple[str, ...] = served()
    country_dir: Path | None = folder_of_own()
    console_url: str | None = console_address()
    console_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_CONSOLE_KEY",
        reading.keys,
        secret=True,
        live=reading.not_the_demos,
        make=reading.MAKE_KEY,
        meaning="seals the secrets of staff's one-time codes; two while one is rotated, and none is dropped before "
        "everybody has a new code",
    )
