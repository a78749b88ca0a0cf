"""Statistics of the tables delivery and step for SQLite's query planner, which collects none by itself.

Without them SQLite assumes that "all that were ever delivered" are as few as "those of this report": a search for the
next recipient took minutes with 100,000 reports. Fixed, invented figures, the same everywhere, keep each query plan as
it was tested. Columns: sqlite.org/fileformat2.html#stat1tab.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATISTICS = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
SHARED = {  # number of rows, then how many share the same first column, the same first two columns, …
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
        return  # PostgreSQL collects its own
    op.execute("ANALYZE alembic_version")  # creates the table sqlite_stat1
    op.execute("DELETE FROM sqlite_stat1")
    op.bulk_insert(STATISTICS, [{"tbl": table, "idx": index, "stat": rows} for (table, index), rows in SHARED.items()])
    op.execute("ANALYZE sqlite_schema")  # this connection reads the figures now, others when they are opened
