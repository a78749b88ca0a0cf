"""The spool status of each web host, and check values of the store key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("spool_entries", sa.Integer(), nullable=False),
        sa.Column("spool_seconds", sa.Integer(), nullable=False),
        sa.Column("spool_bad", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_host")),
    )
    op.create_table(
        "key_check",
        sa.Column("value", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("value", name=op.f("pk_key_check")),
    )
