"""Who has a report open now, so that two colleagues do not work on one report without knowing it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "presence",
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("hotline", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("staff_id", "report_id", name=op.f("pk_presence")),
    )
    op.create_index("ix_presence_hotline", "presence", ["hotline", "seen_at"], unique=False)
    op.create_index("ix_presence_report_id", "presence", ["report_id"], unique=False)
