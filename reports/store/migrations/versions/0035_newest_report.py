"""An index by which the newest report is found: its time shows that a host's clock is behind."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_report_created_at"), "report", ["created_at"])
