"""Detect changed numbers, addresses and keys: add an audit entry each time and notify the on-call contacts.

Nothing is blocked, because a change of a country file may be intended. Files and keys are read anew at each run, as
`web` does. A change that is undone between two runs is not detected.
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
    """Compares each country's digest with the one in the audit, once an hour."""

    name, every, after, trusts_the_time = "swaps", 3600, 0, False

    def __init__(self, database: Database, read: Callable[[], Countries], keys: Path, notifier: Notifier) -> None:
        self._database = database
        self._read = read
        self._keys = keys
        self._notifier = notifier
        self._pool = BackgroundPool(1)

    def start(self) -> None:
        """Start a run in the background."""
        self._pool.do(self.look)

    def finish(self) -> None:
        """Wait until the run has ended."""
        self._pool.finish()

    def look(self) -> None:
        """Check each country. Raises DatabaseUnavailable.

        A change is recorded once somebody was notified, so that an unavailable mail server suppresses no alert.
        """
        try:
            countries = self._read()
        except CountryError:
            log.warning("country_unreadable")
            return
        for country in countries:
            before, now = audit_log.latest_fingerprint(self._database, country.iso), country_digest(country, self._keys)
            if before != now and (not before or self._notify(country)):
                audit_log.record_fingerprint(self._database, country.iso, now)

    def _notify(self, country: Country) -> bool:
        log.warning(ALERT_REASON, country=country.iso)
        people = self._notifier.contacts
        return not people or bool(
            self._notifier.say(people, Alert(country.iso, ALERT_REASON, "P4", ALERT_ADVICE[ALERT_REASON]).said())
        )


def country_digest(country: Country, keys: Path) -> str:
    """Return the digest of a country's numbers, addresses and the keys that bodies are sealed to."""
    facts = json.dumps([*_facts(country, keys)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _facts(country: Country, keys: Path) -> Iterator[Mapping[str, Any]]:
    for number in country.emergency:
        yield {"service": number.service, "number": number.number, "withdrawn": number.withdrawn}
    for listed_hotline in country.hotlines.values():
        show, card = listed_hotline.show, listed_hotline.card
        yield {
            "hotline": listed_hotline.id,
            "numbers": [show.phone, *show.phone_alt, show.sms],
            "by_place": dict(show.by_place),
            "withdrawn": listed_hotline.withdrawn,
            "kind": listed_hotline.kind,
            "people": [list(card.duty_officer), list(card.supervisor), card.backup, card.regional],
            "agreed_on": card.key_id,
            "sealed_to": _sealed_to(keys, listed_hotline.id),
        }


def _sealed_to(keys: Path, hotline: str) -> str:
    try:
        keys_found = list_keys(keys, hotline)
    except KeyFileError:
        return ""
    return keys_found[0].public.key_id if keys_found else ""
