"""An index to find the most urgent delivery quickly among thousands that wait."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # created before the other is dropped: creating an index blocks writers but no readers
    op.create_index("ix_delivery_next", "delivery", ["state", "priority", "next_at"], unique=False)
    op.drop_index("ix_delivery_due", table_name="delivery")
