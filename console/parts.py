"""What the console is made of. Each of its doors is a file with `attach(app, parts)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.country import Countries
from reports.sealing import Public
from reports.settings import ConsoleSide
from reports.store.engine.database import Database


@dataclass(frozen=True, slots=True)
class Parts:
    settings: ConsoleSide
    countries: Countries
    keys: Mapping[str, Public]  # of each hotline: what is kept for its staff alone is sealed to it
    database: Database
