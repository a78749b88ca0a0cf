"""How many rows of deliveries and steps share a value, for SQLite, which counts nothing by itself

Knowing nothing, it holds "all that were ever delivered" for as few as "those of this report": a look for who gets a
report next took minutes with 100,000 stored. Figures made up once, the same everywhere, keep each plan what it was when
it was tried. Columns as in sqlite.org/fileformat2.html#stat1tab.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATISTICS = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
SHARED = {  # of so many rows: how many have the same first column, the same first two, …
    ("delivery", "sqlite_autoindex_delivery_1"): "100000 1",
    ("delivery", "sqlite_autoindex_delivery_2"): "100000 2 1 1 1",  # report_id, hotline, type, revision
    ("delivery", "ix_delivery_next"): "100000 1000 300 1",
    ("delivery", "ix_delivery_held"): "100000 2000 1000",
    ("delivery", "ix_delivery_desk"): "100000 2000 800 200 1",
    ("step", "sqlite_autoindex_step_1"): "400000 8 4 1 1",  # report_id, priority, step, round
    ("step", "ix_step_due"): "400000 2000 1",
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return  # PostgreSQL counts
    op.execute("ANALYZE alembic_version")  # makes the table
    op.execute("DELETE FROM sqlite_stat1")
    op.bulk_insert(STATISTICS, [{"tbl": table, "idx": index, "stat": rows} for (table, index), rows in SHARED.items()])
    op.execute("ANALYZE sqlite_schema")  # this connection reads them now, the others when they are opened
