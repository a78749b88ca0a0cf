"""The figures that are out: all of them may be shown. The only thing that statistics read."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from reports.statistics import Out
from reports.store import tables as t
from reports.store.database import Database


def out(database: Database, countries: Collection[str] = ()) -> list[Out]:
    """`countries`: of these alone, by ISO 3166-1; none: of all."""
    f = t.figure.c
    query = select(f.quarter, f.country, f.sheet, f.cell, f.number).order_by(f.country, f.quarter, f.sheet, f.cell)
    if countries:
        query = query.where(f.country.in_(countries))
    with database.read() as connection:
        return [Out(*row) for row in connection.execute(query)]
