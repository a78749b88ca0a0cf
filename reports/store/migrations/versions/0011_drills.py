"""Scripted drills, which leads of a hotline plan in training mode."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drill",
        sa.Column("drill_id", sa.String(length=36), nullable=False),
        sa.Column("hotline", sa.String(length=64), nullable=False),
        sa.Column("script", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("report_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("drill_id", name=op.f("pk_drill")),
    )
    op.create_index("ix_drill_hotline", "drill", ["hotline", "at"], unique=False)
    op.create_index("ix_drill_due", "drill", ["due_at"], unique=False)
    op.create_index("ix_drill_report_id", "drill", ["report_id"], unique=False)
