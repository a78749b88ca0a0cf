"""What a closing is undone to, when a hoax was marked, and when somebody has to look at a report again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("holding", sa.Column("hoax_at", sa.BigInteger(), nullable=True))
    op.add_column("holding", sa.Column("closed_from", sa.String(length=16), nullable=True))
    op.add_column("holding", sa.Column("follow_up_at", sa.BigInteger(), nullable=True))
    op.add_column("holding", sa.Column("follow_up_by", sa.String(length=24), nullable=True))
    op.create_index("ix_holding_follow_up", "holding", ["hotline", "follow_up_at"], unique=False)
