"""Escalation steps: who is notified when nobody acknowledges a report."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "step",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("priority", sa.String(length=2), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("came_to", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("report_id", "priority", "step", "round", name=op.f("pk_step")),
    )
    with op.batch_alter_table("step", schema=None) as batch_op:
        batch_op.create_index("ix_step_due", ["done_at", "due_at"], unique=False)
    # The escalation of existing reports begins now: none is late at once, and no night brings notifications of all old
    # reports.
    if op.get_context().dialect.name == "postgresql":  # forced again when privileges are granted, in this transaction
        op.execute("ALTER TABLE report NO FORCE ROW LEVEL SECURITY")
    now = time.time_ns() // 1000
    reports = sa.table("report", sa.column("report_id", sa.String), sa.column("priority", sa.String))
    step = sa.table(
        "step", *(sa.column(name) for name in ("report_id", "priority", "step", "round", "due_at", "not_before"))
    )
    begun = sa.select(
        reports.c.report_id, reports.c.priority, sa.literal("begin"), sa.literal(0), sa.literal(now), sa.literal(now)
    )
    op.execute(step.insert().from_select(list(step.c.keys()), begun))
