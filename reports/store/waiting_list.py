"""What waits for the staff of one hotline. Ids, times and states: what happened is in the bodies."""

from __future__ import annotations

from sqlalchemy import func, select

from reports.store import tables as t
from reports.store.asking import looking_as
from reports.store.database import Database

REPORTS = ("created", "unread")  # kinds of deliveries that bring a report


def urgent(database: Database, hotline: str) -> int:
    """How many that are urgent nobody has taken on."""
    d = t.delivery.c
    query = select(func.count()).where(d.hotline == hotline, d.type.in_(REPORTS), d.handling == "none")
    query = query.where(d.state != "cancelled", d.priority.in_(("P1", "P2")))
    with looking_as(database, hotline) as connection:
        return int(connection.execute(query).scalar_one())
