"""Move the clock of a database object to a local time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reports.store.engine.database import Database


def move_to_local_time(database: Database, clock: str, zone: str = "Pacific/Efate") -> None:
    """Move to the next time at which local clocks show `clock` (05:12). Sessions may expire, so log in afterwards."""
    now = datetime.fromtimestamp(database.now() / 1_000_000, UTC).astimezone(ZoneInfo(zone))
    hour, minute = map(int, clock.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then <= now:
        then += timedelta(days=1)
    database.offset += int((then - now).total_seconds() * 1_000_000)
