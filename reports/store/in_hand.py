"""What staff keep of a report beside its handling: whose it is, how it came out, who takes it for a hoax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, update

from reports.store import auditing
from reports.store import tables as t
from reports.store.database import Database

NOBODY = ""  # the holder of what was handed to whoever comes next; NULL: no person said whose it is


@dataclass(frozen=True, slots=True)
class Kept:
    """`act` is what the audit calls it; `values` by the columns of `holding`."""

    act: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Whose:
    """The report of a hotline, and who does something with it."""

    hotline: str
    report_id: str
    actor: str


def keep(connection: Connection, database: Database, whose: Whose, kept: Kept) -> None:
    """With its line of the audit, in the transaction that is there."""
    put(connection, database, whose.hotline, whose.report_id, kept.values)
    auditing.note(connection, whose.actor, kept.act, whose.report_id, database.now())


def waits_no_more(connection: Connection, hotline: str, report_id: str) -> None:
    """Somebody there does something with it: it waits no more for whom it was handed to."""
    h = t.holding.c
    handed = update(t.holding).where(h.report_id == report_id, h.hotline == hotline, h.handed_by.is_not(None))
    connection.execute(handed.values(holder=None, handed_by=None))


def put(connection: Connection, database: Database, hotline: str, report_id: str, values: Mapping[str, object]) -> None:
    connection.execute(database.insert_new(t.holding).values(report_id=report_id, hotline=hotline))
    mine = update(t.holding).where(t.holding.c.report_id == report_id, t.holding.c.hotline == hotline)
    connection.execute(mine.values(**values))
