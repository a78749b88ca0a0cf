"""What the console is made of. Each of its doors is a file with `attach(app, parts)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.countries.country import Countries
from reports.crypto import PublicKey
from reports.store.engine.database import Database
from runtime.settings import ConsoleSettings


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    settings: ConsoleSettings
    countries: Countries
    keys: Mapping[str, PublicKey]  # of each hotline: what is kept for its staff alone is sealed to it
    database: Database
