"""Whether a number, an address or a key was exchanged: a line of the audit for each time, and whoever is on call hears.

Nothing is stopped by it: who may change a country file may have good reason. The files and keys are read anew each
time, as web does; what was changed and changed back between two looks is not seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from reports.countries.country import Countries, Country, CountryError
from reports.crypto.key_files import KeyFileError, list_keys
from reports.store import audit_log
from reports.store.engine.database import Database
from workers.notifications.notifier import Notifier
from workers.notifications.texts import ALERT_ADVICE, Alert
from workers.thread_pool import BackgroundPool

ALERT_REASON = "facts_changed"

log = structlog.get_logger()


class ChangeDetectionJob:
    name, every, after, trusts_the_time = "swaps", 3600, 0, False

    def __init__(self, database: Database, read: Callable[[], Countries], keys: Path, teller: Notifier) -> None:
        self._database = database
        self._read = read
        self._keys = keys
        self._teller = teller
        self._own = BackgroundPool(1)

    def start(self) -> None:
        self._own.do(self.look)

    def finish(self) -> None:
        self._own.finish()

    def look(self) -> None:
        """Noted once somebody was told, so that a mail server that is away silences nothing.

        Raises DatabaseUnavailable.
        """
        try:
            countries = self._read()
        except CountryError:
            log.warning("country_unreadable")
            return
        for country in countries:
            before, now = audit_log.latest_fingerprint(self._database, country.iso), country_digest(country, self._keys)
            if before != now and (not before or self._is_told(country)):
                audit_log.record_fingerprint(self._database, country.iso, now)

    def _is_told(self, country: Country) -> bool:
        log.warning(ALERT_REASON, country=country.iso)
        people = self._teller.contacts
        return not people or bool(
            self._teller.say(people, Alert(country.iso, ALERT_REASON, "P4", ALERT_ADVICE[ALERT_REASON]).said())
        )


def country_digest(country: Country, keys: Path) -> str:
    """Of what is dialled, texted and told, and of the keys that are sealed to."""
    said = json.dumps([*_facts(country, keys)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _facts(country: Country, keys: Path) -> Iterator[Mapping[str, Any]]:
    for number in country.emergency:
        yield {"service": number.service, "number": number.number, "withdrawn": number.withdrawn}
    for one in country.hotlines.values():
        show, card = one.show, one.card
        yield {
            "hotline": one.id,
            "numbers": [show.phone, *show.phone_alt, show.sms],
            "by_place": dict(show.by_place),
            "withdrawn": one.withdrawn,
            "kind": one.kind,
            "people": [list(card.duty_officer), list(card.supervisor), card.backup, card.regional],
            "agreed_on": card.key_id,
            "sealed_to": _sealed_to(keys, one.id),
        }


def _sealed_to(keys: Path, hotline: str) -> str:
    try:
        found = list_keys(keys, hotline)
    except KeyFileError:
        return ""
    return found[0].public.key_id if found else ""
