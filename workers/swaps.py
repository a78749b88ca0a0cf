"""Whether a number, an address or a key was exchanged: a line of the audit for each time, and whoever is on call hears.

Nothing is stopped by it: who may change a country file may have good reason. It cannot happen unseen, that is all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from reports.country import Countries, Country
from reports.keyfolder import KeyFault, listed
from reports.store import fingerprints
from reports.store.database import Database
from workers.alerts import OTHERS, Alert
from workers.telling import Telling

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Swaps:
    database: Database
    countries: Countries
    keys: Path
    telling: Telling

    def look(self) -> None:
        """Raises Away."""
        for country in self.countries:
            if fingerprints.changed(self.database, country.iso, digest(country, self.keys)):
                log.warning("facts_changed", country=country.iso)
                self.telling.add(Alert(country.iso, "facts_changed", "P4", OTHERS["facts_changed"]))


def digest(country: Country, keys: Path) -> str:
    """Of what is dialled, texted and told, and of the keys that are sealed to."""
    said = json.dumps([*_facts(country, keys)], ensure_ascii=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _facts(country: Country, keys: Path) -> Iterator[tuple[str, ...]]:
    for number in country.emergency:
        yield "emergency", number.service, number.number, str(number.withdrawn)
    for one in country.hotlines.values():
        show, card = one.show, one.card
        yield "hotline", one.id, show.phone, *show.phone_alt, *show.by_place.values(), show.sms, str(one.withdrawn)
        yield "card", one.id, card.key_id, *card.duty_officer, *card.supervisor, card.backup
        yield "key", one.id, _sealed_to(keys, one.id)


def _sealed_to(keys: Path, hotline: str) -> str:
    try:
        found = listed(keys, hotline)
    except KeyFault:
        return ""
    return found[0].public.key_id if found else ""
