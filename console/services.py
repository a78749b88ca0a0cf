"""Objects that the routes of the console share. The function `attach` of each module of routes receives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.countries.country import Countries
from reports.crypto import PublicKey
from reports.store.engine.database import Database
from runtime.settings import ConsoleSettings


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    """Settings, country data, public keys and database of the console process."""

    settings: ConsoleSettings
    countries: Countries
    keys: Mapping[str, PublicKey]  # by hotline id; notes for the hotline's own staff are sealed to them
    database: Database
