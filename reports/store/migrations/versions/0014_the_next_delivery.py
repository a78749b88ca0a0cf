"""That the most urgent delivery is found at once among thousands that wait"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # made first: that shuts out who writes and nobody who reads
    op.create_index("ix_delivery_next", "delivery", ["state", "priority", "next_at"], unique=False)
    op.drop_index("ix_delivery_due", table_name="delivery")
