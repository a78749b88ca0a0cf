"""What reporters deleted, so that the spool of a host that was away does not bring it back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tombstone",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("origin_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.Column("with_sends", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_tombstone")),
    )
    op.create_index(op.f("ix_tombstone_origin_key"), "tombstone", ["origin_key"])
