"""Store the results of the scheduler's synthetic calls, for `tokaut watch` and the operator page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, select, update

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.time_units import SECOND

DOCS_PAGE = "docs/operating/provider-dead.md"
STALE_SECONDS = 2 * 3600  # the scheduler calls more than once an hour

Network = tuple[str, str]  # the channel of the address that is called, and the dialled code


@dataclass(frozen=True, slots=True)
class SyntheticCallStatus:
    """The synthetic calls to one network, by the channel of the address and the dialled code. Ages are in seconds.

    `called`: since the last call. `reached`: since a call last reached Send; None: none did. `failing`: since the first
    failure after that; None: the last call reached Send. `reason`: of the last failure, as in runtime/logs.py.
    """

    channel: str
    code: str
    called: int
    reached: int | None = None
    failing: int | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        """Return the name of the network for a sentence."""
        return f"{self.channel} {self.code}"

    @property
    def is_stale(self) -> bool:
        """Return whether the last call is too long ago: the scheduler makes none."""
        return self.called > STALE_SECONDS

    def faults(self) -> Iterator[str]:
        """Yield one sentence for a fault, with its remedy."""
        if self.failing is not None:
            yield (
                f"Synthetic calls to {self.name} have not come to Send for {self.failing // 60} min ({self.reason}). "
                f"Dial the code. {DOCS_PAGE}"
            )
        elif self.is_stale:
            yield (
                f"The last synthetic call to {self.name} was made {self.called // 60} min ago. Does clock run, and has "
                f"it TOKAUT_SYNTHETIC_CALLS? {DOCS_PAGE}"
            )


def save_results(database: Database, results: Mapping[Network, str]) -> None:
    """Store the results of one round: network → reason of the failure, or "" if the call came to Send.

    The rows of networks that are not called any more are deleted. Raises DatabaseUnavailable.
    """
    c = t.synthetic_call.c
    with database.write() as connection:
        now = database.now()
        stored = {(row.channel, row.code): row for row in connection.execute(select(t.synthetic_call))}
        for network in stored.keys() - results.keys():
            connection.execute(delete(t.synthetic_call).where(_is(network)))
        for network, reason in results.items():
            before = stored.get(network)
            values: dict[str, Any] = {"called_at": now, "reason": reason or None}
            values["reached_at"] = (before.reached_at if before else None) if reason else now
            values["failing_since"] = ((before.failing_since if before else None) or now) if reason else None
            if before:
                connection.execute(update(t.synthetic_call).where(_is(network)).values(values))
            else:
                row = dict(zip((c.channel.name, c.code.name), network, strict=True)) | values
                connection.execute(database.insert_or_ignore(t.synthetic_call).values(row))


def _is(network: Network) -> Any:
    c = t.synthetic_call.c
    return and_(c.channel == network[0], c.code == network[1])


def list_statuses(database: Database) -> list[SyntheticCallStatus]:
    """Return the status of each network that is called, in order of their names. Raises DatabaseUnavailable."""
    c = t.synthetic_call.c
    query = select(c.channel, c.code, c.called_at, c.reached_at, c.failing_since, c.reason)
    with database.read() as connection:
        now = database.moment(connection)
        rows = connection.execute(query.order_by(c.channel, c.code)).all()
    return [
        SyntheticCallStatus(
            channel, code, _age(now, called_at) or 0, _age(now, reached_at), _age(now, failing_since), reason or ""
        )
        for channel, code, called_at, reached_at, failing_since, reason in rows
    ]


def _age(now: int, at: int | None) -> int | None:
    """Return the age of a time in seconds; 0 if it lies ahead."""
    return None if at is None else max(0, now - at) // SECOND
