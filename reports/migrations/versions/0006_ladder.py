"""The ladder: who is asked when nobody takes a report on"""

from __future__ import annotations

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
