"""Requests of a lead to make somebody a lead, until another lead confirms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "raising",
        sa.Column("hotline", sa.String(length=64), nullable=False),
        sa.Column("about", sa.String(length=36), nullable=False),
        sa.Column("asked_by", sa.String(length=36), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hotline", "about", name=op.f("pk_raising")),
    )
