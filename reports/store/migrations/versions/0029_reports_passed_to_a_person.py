"""An index to find the reports that were passed to a person, for the badge on each page of the console."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_holding_holder", "holding", ["hotline", "holder"], unique=False)
