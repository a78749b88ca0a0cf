"""What was shown on a day, whatever was answered. Web writes it once; only the clock reads it."""

from __future__ import annotations

from collections.abc import Mapping

from reports.store import tables as t
from reports.store.database import Database


def keep_day(database: Database, day: str, counts: Mapping[tuple[str, str], int]) -> None:
    """(country, what) → how often. A day that was kept before stays as it is."""
    with database.write() as connection:
        for (country, what), number in counts.items():
            row = {"day": day, "country": country, "what": what, "number": number}
            connection.execute(database.insert_new(t.screen_tally).values(row))
