"""Who last changed status or holder of a report, and when, so that a form of an outdated page changes nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("holding", sa.Column("changed_at", sa.BigInteger(), nullable=True))
    op.add_column("holding", sa.Column("changed_by", sa.String(length=24), nullable=True))
