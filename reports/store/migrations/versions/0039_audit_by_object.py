"""By which the audit entries about a report and its deliveries are found."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_audit_object_id"), "audit", ["object_id"])
