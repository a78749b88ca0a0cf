"""Who at a hotline has acknowledged a report, and from which accounts a report is hidden."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "holding",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("hotline", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=24), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("hoax_by", sa.String(length=36), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("report_id", "hotline", name=op.f("pk_holding")),
    )
    op.create_table(
        "kept_away",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("report_id", "staff_id", name=op.f("pk_kept_away")),
    )
    op.create_index("ix_audit_actor", "audit", ["actor", "at"], unique=False)
    op.create_index("ix_delivery_desk", "delivery", ["hotline", "handling", "priority", "created_at"], unique=False)
