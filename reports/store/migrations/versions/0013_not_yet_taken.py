"""Who assigned a report to a colleague who has not acknowledged it yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

AUDIT = sa.table("audit", *(sa.column(name) for name in ("audit_id", "at", "actor", "act", "object_id")))
HOLDING = sa.table("holding", *(sa.column(name) for name in ("report_id", "hotline", "handed_by")))


def upgrade() -> None:
    op.add_column("holding", sa.Column("handed_by", sa.String(length=24), nullable=True))
    if op.get_context().dialect.name == "postgresql":  # forced again when privileges are granted, in this transaction
        for table in ("audit", "holding"):
            op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    a, h, last = AUDIT.c, HOLDING.c, {}
    acts = sa.select(a.object_id, a.actor, a.act).where(a.act.in_(("holds", "passed_on"))).order_by(a.at, a.audit_id)
    for report_id, actor, act in op.get_bind().execute(acts):
        hotline, _, name = actor.removeprefix("staff:").rpartition("/")
        last[report_id, hotline] = name if act == "passed_on" else None
    for (report_id, hotline), name in last.items():
        if name is not None:
            its = sa.update(HOLDING).where(h.report_id == report_id, h.hotline == hotline)
            op.execute(its.values(handed_by=name))
