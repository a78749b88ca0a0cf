"""How many calls began in each hour, and the channels on which unusually few come in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_hour",
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("hour_at", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("country", "channel", "hour_at", name=op.f("pk_call_hour")),
    )
    op.create_index(op.f("ix_call_hour_hour_at"), "call_hour", ["hour_at"])
    op.create_table(
        "quiet_channel",
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("usual", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("country", "channel", name=op.f("pk_quiet_channel")),
    )
