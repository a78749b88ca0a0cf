"""An index to find the pending revision of a report by its id, among thousands that wait."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_pending_report_id", "pending", ["report_id"], unique=False)
