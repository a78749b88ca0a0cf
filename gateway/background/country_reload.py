"""Looks at the country files again while `web` runs: a number that is withdrawn there is shown no more.

Nothing else of a changed file is taken over: what is added waits for a start, and for the check before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from reports.countries.country import Countries, Country, CountryError, load_country
from reports.countries.numbers import withdraw, withdrawn_ids

EVERY_SECONDS = 20  # a minute is promised

log = structlog.get_logger()


class CountryReload:
    """`folder`: the operator's own files; what is shipped does not change under a running process."""

    def __init__(self, countries: Countries, folder: Path | None, renew: Callable[[Countries], None]) -> None:
        self._countries = countries
        self._folder = folder
        self._renew = renew
        self._seen: dict[str, tuple[int, int, int]] = {}  # by file: of which one this was last read
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="numbers", daemon=True)

    def start(self) -> None:
        if self._folder:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def look(self) -> None:
        """Once."""
        now = Countries(tuple(map(self._again, self._countries)))
        if now != self._countries:
            self._countries = now
            self._renew(now)

    def _again(self, country: Country) -> Country:
        try:
            gone = self._gone(country)
        except (OSError, ValueError, CountryError):  # half written, or wrong: what was read at the start holds
            log.warning("country_unreadable", country=country.iso)
            return country
        more = gone - withdrawn_ids(country)
        if not more:
            return country
        log.info("number_withdrawn", country=country.iso, count=len(more))
        return withdraw(country, more)

    def _gone(self, country: Country) -> frozenset[str]:
        path = (self._folder or Path()) / country.file
        if not path.exists():
            return frozenset()
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._seen.get(country.file) == stamp:
            return frozenset()
        gone = withdrawn_ids(load_country(country.iso, path.read_text(encoding="utf-8"), country.mode))
        self._seen[country.file] = stamp  # read, and not only tried: rights that are put right change no stamp
        return gone

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # it must go on: the next number may be wrong too
                log.exception("crashed")
            self._stop.wait(EVERY_SECONDS)
