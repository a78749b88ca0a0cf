"""Store how many calls began in each hour, and the channels on which unusually few come in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter

from sqlalchemy import delete, insert, select

from reports.call_volume import CallVolume
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.time_units import HOUR, SECOND

DOCS_PAGE = "docs/operating/provider-dead.md"

ChannelKey = tuple[str, str]  # country, channel


@dataclass(frozen=True, slots=True)
class QuietChannel:
    """A channel on which unusually few calls came in. `until`: the end of the hours judged, in microseconds."""

    country: str
    channel: str
    until: int
    volume: CallVolume

    @property
    def name(self) -> str:
        """Return the name for a sentence."""
        return f"{self.country} {self.channel}"

    def fault(self) -> str:
        """Return a sentence with the fault and its remedy."""
        ended = datetime.fromtimestamp(self.until / SECOND, UTC)
        calls = f"{self.volume.calls} call{'s' if self.volume.calls != 1 else ''}"
        return (
            f"Unusually quiet: {self.name} had {calls} in the {self.volume.hours} h until {ended:%H:%M} UTC; usual are "
            f"{self.volume.usual}. Dial the code. {DOCS_PAGE}"
        )


def save_hours(database: Database, counts: Mapping[tuple[str, str, int], int]) -> None:
    """Store (country, channel, hour) → calls that began in it, once. An hour is counted from 1970.

    Stored numbers are not changed. Raises DatabaseUnavailable.
    """
    with database.write() as connection:
        for (country, channel, hour), number in counts.items():
            row = {"country": country, "channel": channel, "hour_at": hour * HOUR, "number": number}
            connection.execute(database.insert_or_ignore(t.call_hour).values(row))


def load_hours(database: Database, since: int) -> dict[ChannelKey, dict[int, int]]:
    """Return, for each country and channel, the calls by hour since the hour `since`, both as hours since 1970."""
    c = t.call_hour.c
    query = select(c.country, c.channel, c.hour_at, c.number).where(c.hour_at >= since * HOUR)
    counts: dict[ChannelKey, dict[int, int]] = {}
    with database.read() as connection:
        for country, channel, hour_at, number in connection.execute(query):
            counts.setdefault((country, channel), {})[hour_at // HOUR] = number
    return counts


def delete_old(database: Database, before: int) -> int:
    """Delete the counts of hours before the hour `before`, and return how many."""
    is_old = t.call_hour.c.hour_at < before * HOUR
    return database.delete_any(t.call_hour, is_old)


def replace_quiet(database: Database, quiet: Collection[QuietChannel]) -> None:
    """Store which channels are quiet now, in place of those stored before. Raises DatabaseUnavailable."""
    if list_quiet(database) == sorted(quiet, key=attrgetter("country", "channel")):
        return
    with database.write() as connection:
        connection.execute(delete(t.quiet_channel))
        for channel in quiet:
            volume = {"hours": channel.volume.hours, "calls": channel.volume.calls, "usual": channel.volume.usual}
            row = {"country": channel.country, "channel": channel.channel, "until": channel.until, **volume}
            connection.execute(insert(t.quiet_channel).values(row))


def list_quiet(database: Database) -> list[QuietChannel]:
    """Return the channels that are quiet, in order of their names. Raises DatabaseUnavailable."""
    c = t.quiet_channel.c
    query = select(c.country, c.channel, c.until, c.hours, c.calls, c.usual).order_by(c.country, c.channel)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [QuietChannel(country, channel, until, CallVolume(*volume)) for country, channel, until, *volume in rows]
