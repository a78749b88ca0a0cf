"""Counters of statistics, and published figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tally",
        sa.Column("quarter", sa.String(length=7), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("sheet", sa.String(length=12), nullable=False),
        sa.Column("cell", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("quarter", "country", "sheet", "cell", name=op.f("pk_tally")),
    )
    op.create_table(
        "tallied",
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("country", name=op.f("pk_tallied")),
    )
    op.create_table(
        "screen_tally",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "country", "what", name=op.f("pk_screen_tally")),
    )
    op.create_table(
        "figure",
        sa.Column("quarter", sa.String(length=7), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("sheet", sa.String(length=12), nullable=False),
        sa.Column("cell", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("quarter", "country", "sheet", "cell", name=op.f("pk_figure")),
    )
