"""Read the country files again while `web` runs, so that a withdrawn number is no longer shown.

Any other change is ignored: additions need a restart, and the check before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from reports.countries.country import Countries, Country, CountryError, load_country
from reports.countries.numbers import withdraw, withdrawn_ids

EVERY_SECONDS = 20  # a withdrawn number must disappear within a minute

log = structlog.get_logger()


class CountryReload:
    """Watch the country files. `folder`: the operator's own files; shipped files do not change while a process runs."""

    def __init__(self, countries: Countries, folder: Path | None, renew: Callable[[Countries], None]) -> None:
        self._countries = countries
        self._folder = folder
        self._renew = renew
        self._seen: dict[str, tuple[int, int, int]] = {}  # file → stamp of the version last read
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="numbers", daemon=True)

    def start(self) -> None:
        """Start the thread, if there is a folder."""
        if self._folder:
            self._thread.start()

    def stop(self) -> None:
        """Ask the thread to stop."""
        self._stop.set()

    def look(self) -> None:
        """Read the changed country files once and withdraw the numbers that they mark as withdrawn."""
        now = Countries(tuple(map(self._reloaded, self._countries)))
        if now != self._countries:
            self._countries = now
            self._renew(now)

    def _reloaded(self, country: Country) -> Country:
        try:
            withdrawn = self._withdrawn_in_file(country)
        except (OSError, ValueError, CountryError):  # half written or invalid: keep the data read at the start
            log.warning("country_unreadable", country=country.iso)
            return country
        newly_withdrawn = withdrawn - withdrawn_ids(country)
        if not newly_withdrawn:
            return country
        log.info("number_withdrawn", country=country.iso, count=len(newly_withdrawn))
        return withdraw(country, newly_withdrawn)

    def _withdrawn_in_file(self, country: Country) -> frozenset[str]:
        path = (self._folder or Path()) / country.file
        if not path.exists():
            return frozenset()
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._seen.get(country.file) == stamp:
            return frozenset()
        withdrawn = withdrawn_ids(load_country(country.iso, path.read_text(encoding="utf-8"), country.mode))
        self._seen[country.file] = stamp  # only after a successful read: a change of permissions is not in the stamp
        return withdrawn

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # the thread must go on: another number may be withdrawn
                log.exception("crashed")
            self._stop.wait(EVERY_SECONDS)
