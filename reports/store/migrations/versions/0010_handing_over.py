"""Transfers to another hotline, requested by staff and executed by the scheduler."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handover",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("giver", sa.String(length=64), nullable=False),
        sa.Column("taker", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.PrimaryKeyConstraint("report_id", "giver", name=op.f("pk_handover")),
    )
    op.create_index("ix_handover_outcome", "handover", ["outcome", "asked_at"], unique=False)
